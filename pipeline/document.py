"""Write the table of steps in `pipeline/README.md`: `python -m stockstream.pipeline.document`."""

from __future__ import annotations

from pathlib import Path

from stockstream.pipeline.events import PARTS, STEPS

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- steps -->\n", "<!-- /steps -->\n"


def with_table(text: str) -> str:
    """Return the text of the README with the table of `events.STEPS`, and the parts of refresh, between its markers."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    lines = ["| step | what it does | state on AWS | key of the result |", "|---|---|---|---|"]
    for step in STEPS:
        parts = PARTS if step.name == "refresh" else ()
        lines.append(f"| `{step.name}` | {step.title} | `{step.state}` | `{step.result}` |")
        lines += [f"| `{part.name}` | {part.title} | a part of `{step.state}` | `{part.result}` |" for part in parts]
    return before + BEGIN + "\n" + "\n".join(lines) + "\n\n" + END + after


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
