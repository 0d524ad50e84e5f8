"""Choose checks by name and tag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from stockstream.pipeline.checks.model import Check
from stockstream.pipeline.errors import UsageError
from stockstream.sql.errors import did_you_mean


def choose(
    checks: Sequence[Check], select: Iterable[str] = (), exclude: Iterable[str] = (), tags: Iterable[str] = ()
) -> list[Check]:
    """Return the checks whose name matches a pattern of `select` and none of `exclude`, and that have one of `tags`.

    No pattern or tag: all checks. A pattern is a name, with * for any characters.

    Raises:
        UsageError: a pattern or tag applies to no check, or no check is left.
    """
    select, exclude, tags = list(select), list(exclude), list(tags)
    names = [check.name for check in checks]
    for option, patterns in (("--select", select), ("--exclude", exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise UsageError(f"{option} {pattern}: no check is called so{did_you_mean(pattern, names)}")
    existing = {tag for check in checks for tag in check.tags}
    for tag in tags:
        if tag not in existing:
            raise UsageError(f"--tag {tag}: no check has this tag{did_you_mean(tag, existing)}")
    chosen = [
        check
        for check in checks
        if (not select or any(fnmatchcase(check.name, pattern) for pattern in select))
        and not any(fnmatchcase(check.name, pattern) for pattern in exclude)
        and (not tags or not set(tags).isdisjoint(check.tags))
    ]
    if not chosen:
        raise UsageError("--select, --exclude and --tag leave no check: there is nothing to run")
    return chosen
