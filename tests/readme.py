"""The commands in a README: which there are, what they print there, and what they print here.

    ```console
    $ stockstream status        a line that begins with `$ ` is a command; one that ends with a backslash goes on
    5 symbols …                 the lines after it are its output: `…` stands for anything, seconds are not compared
    ```

A ```python block is a script, and a ```text block right after it is its output. All run in order in one shell, so that
a variable that one exports is there for the next. `<!-- not run: reason -->` before a block leaves it out.
"""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = re.compile(r"<!-- not run: .+? -->\s*\Z", re.DOTALL)
_SECONDS = re.compile(r"\b\d+(\.\d+)? (s|ms|seconds)\b")


@dataclass(frozen=True)
class Command:
    """A command line or a Python script (`language`), with the output that the README shows; empty: it shows none."""

    language: str
    text: str
    output: str = ""

    def prints(self, printed: str) -> bool:
        """Return whether an output is what the README shows."""
        if not self.output:
            return True
        pieces = [re.escape(piece) for piece in _comparable(self.output).split("…")]
        return re.fullmatch(".*?".join(pieces), _comparable(printed), re.DOTALL) is not None


@dataclass(frozen=True)
class Run:
    """What a command came to."""

    command: Command
    code: int
    printed: str


def commands(text: str) -> list[Command]:
    """Return the commands of a README, in their order."""
    found: list[Command] = []
    end_of_script = -1
    for fence in _FENCE.finditer(text):
        language, body = fence["language"], fence["body"]
        if _LEFT_OUT.search(text, 0, fence.start()):
            continue
        if language in ("console", "sh"):
            found += _session(body)
        elif language == "python":
            found.append(Command("python", body))
            end_of_script = fence.end()
        elif language == "text" and end_of_script >= 0 and not text[end_of_script : fence.start()].strip():
            found[-1] = Command("python", found[-1].text, body)
    return found


def run(listed: list[Command], folder: Path, environment: Mapping[str, str]) -> list[Run]:
    """Run commands one after the other in one shell, whatever each of them comes to."""
    mark = uuid.uuid4().hex
    lines = []
    for number, command in enumerate(listed):
        text = command.text
        if command.language == "python":
            (folder / f"script_{number}.py").write_text(text)
            text = f"python script_{number}.py"
        lines.append(f"{text}\nprintf '{mark} %s\\n' $?\n")
    script = folder / "commands.sh"
    script.write_text("".join(lines))
    done = subprocess.run(
        ["bash", script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = re.split(rf"{mark} (\d+)\n", done.stdout)
    assert len(printed) == 2 * len(listed) + 1, f"the shell has ended too soon: {done.stdout}{done.stderr}"
    return [Run(command, int(printed[2 * n + 1]), printed[2 * n]) for n, command in enumerate(listed)]


def _session(body: str) -> Iterator[Command]:
    """Yield the commands of a block that shows a terminal; a block without prompts is all commands."""
    if not re.search(r"^\$ ", body, re.MULTILINE):
        yield Command("console", body)
        return
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n?", part)
        assert command
        yield Command("console", command[0].rstrip("\n"), part[command.end() :])


def _comparable(text: str) -> str:
    """Return an output without what differs from run to run: seconds, and blanks at the ends of lines."""
    lines = _SECONDS.sub(r"0 \2", text).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines)
