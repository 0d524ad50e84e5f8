"""`make mutate`: the mutation score of the checks. Fails below 95 %, and if a check has no planted rows.

A mutant is a check with one operator, constant, join kind, window frame or NULL test changed. It is killed if a planted
row is no longer found, another row is found, or the query cannot be run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path

from tests.mutation import cases
from tests.mutation.score import MAX_EQUIVALENT, MIN_SCORE, Planted, equivalent, score


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print the scores as JSON")
    arguments.add_argument("--check", action="append", help="only this check, with all of its survivors")
    options = arguments.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        by_check: dict[str, list[Planted]] = {}
        for case in [*cases.planted_in_lakes(cases.clean_lake(Path(folder) / "clean")), *cases.planted_in_tables()]:
            if not options.check or case.check.name in options.check:
                by_check.setdefault(case.check.name, []).append(case)
        results = []
        for name, planted in sorted(by_check.items()):
            results.append(result := score(name, planted))
            if not options.json:
                print(f"{name:<40} {result.killed:>4} of {result.mutants:>4} killed", flush=True)
                for survivor in result.survivors:
                    print(f"    survives: {survivor}", flush=True)
    mutants = sum(result.mutants for result in results)
    listed = sum(len(result.equivalent) for result in results)
    killed = sum(result.killed for result in results)
    percent = 100 * killed / (mutants - listed)
    missing = cases.without_planted_rows()
    stale = [
        f"{result.check}: {name}"
        for result in results
        for name in equivalent().get(result.check, {})
        if name not in result.equivalent
    ]
    failed = percent < MIN_SCORE or 100 * listed > MAX_EQUIVALENT * mutants or bool(missing) or bool(stale)
    if options.json:
        checks = [vars(result) | {"killed": result.killed} for result in results]
        summary = {"mutants": mutants, "killed": killed, "equivalent": listed, "score": round(percent, 2)}
        print(json.dumps(summary | {"without_planted_rows": missing, "stale": stale, "checks": checks}))
    else:
        share = f"{100 * listed / mutants:.1f} %"
        print(f"{killed} of {mutants - listed} mutants killed: {percent:.1f} %; {listed} more change nothing ({share})")
        for name in missing:
            print(f"no planted rows: {name}")
        for name in stale:
            print(f"no longer a survivor, delete it from equivalent.yaml: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
