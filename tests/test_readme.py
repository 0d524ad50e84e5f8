"""The commands in README.md run, and print what it shows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.readme import Command, commands, run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLE = """
```console
$ export WORD=seen
$ echo "1 file" && echo it took 2.5 s
1 file
it took 0.1 s
$ echo a \\
    b
a b
```

<!-- not run: it needs an account -->
```console
$ false
```

```python
import os
print(os.environ["WORD"], 17)
```

```text
seen …
```

```sh
test -n "$WORD"
```
"""


@pytest.fixture
def environment() -> dict[str, str]:
    ours = ("AWS_", "STOCKSTREAM_", "POLYGON_", "S3_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}


def test_commands_are_found_and_run_in_one_shell(tmp_path: Path, environment: dict[str, str]) -> None:
    found = commands(EXAMPLE)
    assert [command.text for command in found[:3]] == [
        "export WORD=seen",
        'echo "1 file" && echo it took 2.5 s',
        "echo a \\\n    b",
    ]
    ran = run(found, tmp_path, environment)
    assert [(one.code, one.printed) for one in ran] == [
        (0, ""),
        (0, "1 file\nit took 2.5 s\n"),
        (0, "a b\n"),
        (0, "seen 17\n"),
        (0, ""),
    ]
    assert all(one.command.prints(one.printed) for one in ran)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("", "anything", True),
        ("a\nb\n", "a\nb", True),
        ("a\nb", "a\nc", False),
        ("took 1.5 s", "took 22 s", True),
        ("3 files", "4 files", False),
        ("first\n…\nlast", "first\nsecond\nthird\nlast", True),
        ("Return … %", "Return 7.5 %", True),
        ("(a*) […]", "(a*) [x]", True),
    ],
)
def test_outputs_are_compared(shown: str, printed: str, same: bool) -> None:
    assert Command("console", "", shown).prints(printed) is same


@pytest.mark.slow
def test_readme(tmp_path: Path, environment: dict[str, str]) -> None:
    """In an empty folder with what a checkout has."""
    pytest.importorskip("bokeh_sampledata", reason="the demo extra is not installed")
    for name in ("sql", "terraform"):
        (tmp_path / name).symlink_to(ROOT / name)
    found = commands(README)
    assert len(found) >= 2, "the demo, and Python on its lake"
    wrong = [one for one in run(found, tmp_path, environment) if one.code or not one.command.prints(one.printed)]
    assert not wrong, "\n".join(
        f"$ {one.command.text}\n(exit code {one.code}) printed\n{one.printed}\nREADME.md shows\n{one.command.output}"
        for one in wrong
    )
