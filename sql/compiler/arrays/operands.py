"""Operands of the generated statements, and the registers in which their values are stored.

A register is a buffer of one block of symbols × bars, which is used again for other values after its last use: so a
block is computed without allocating memory, and stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """What a value differs by."""

    NUMBER = 0
    BAR = 1
    """By the bar's number alone: an array of one dimension, which is computed once for all symbols."""
    BLOCK = 2
    """By symbol and bar."""


@dataclass(frozen=True)
class Operand:
    """A value in the generated code: an expression of Python, or the name of a register."""

    text: str
    level: Level
    is_mask: bool = False
    """Whether it is an array of bool."""
    register: str = ""
    """The register that only this value uses, which may be overwritten; empty for a node, which others use, too."""


NULL = Operand("nan", Level.NUMBER)


class Statements:
    """The statements of the generated function; `hoisted` are those that depend on the number of bars only."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.hoisted: dict[str, str] = {}
        """Name by expression."""
        self.registers: dict[str, bool] = {}
        """Whether it is one of masks, by name of register."""
        self._free: dict[bool, list[str]] = {False: [], True: []}
        self._indent = " "

    def add(self, line: str) -> None:
        """Append a statement."""
        self.lines.append(f"{self._indent}{line}")

    def indent(self, step: int) -> None:
        """Begin (1) or end (-1) the block of a statement such as `for`."""
        self._indent = " " * (len(self._indent) + step)

    def new(self, *, is_mask: bool = False) -> str:
        """Return a register that is not in use."""
        if self._free[is_mask]:
            return self._free[is_mask].pop()
        name = f"{'m' if is_mask else 'r'}{sum(kind == is_mask for kind in self.registers.values())}"
        self.registers[name] = is_mask
        return name

    def free(self, *names: str) -> None:
        """Return registers, whose values are not needed any more."""
        for name in names:
            if name:
                self._free[self.registers[name]].append(name)

    def hoist(self, operand: Operand) -> str:
        """Return the text of an operand; an expression without symbols becomes a constant that is computed once."""
        if operand.level is Level.BLOCK or operand.text.replace(".", "", 1).isdigit() or operand.text in ("nan", "bar"):
            return operand.text
        return self.hoisted.setdefault(operand.text, f"b{len(self.hoisted)}")

    def call(self, function: str, *operands: Operand, is_mask: bool = False) -> Operand:
        """Return the value of a function of numpy; its first operand of the same kind that may be overwritten, is."""
        level = max(operand.level for operand in operands)
        if level is not Level.BLOCK:
            return Operand(f"{function}({', '.join(operand.text for operand in operands)})", level, is_mask)
        texts = ", ".join(map(self.hoist, operands))
        temporary = [operand.register for operand in operands if operand.register]
        target = next((name for name in temporary if self.registers[name] == is_mask), "") or self.new(is_mask=is_mask)
        self.add(f"{function}({texts}, out={target})")
        self.free(*(name for name in temporary if name != target))
        return Operand(target, Level.BLOCK, is_mask, target)

    def select(self, mask: Operand, yes: Operand, no: Operand) -> Operand:
        """Return `yes` where a mask is true, `no` elsewhere."""
        level = max(mask.level, yes.level, no.level)
        if level is not Level.BLOCK:
            return Operand(f"np.where({mask.text}, {yes.text}, {no.text})", level, is_mask=False)
        target, scratch = self.new(), self.new()
        self.add(f"select({', '.join(map(self.hoist, (mask, yes, no)))}, {scratch}, out={target})")
        self.free(scratch, mask.register, yes.register, no.register)
        return Operand(target, Level.BLOCK, False, target)

    def spread(self, operand: Operand) -> Operand:
        """Return an operand as a block."""
        if operand.level is Level.BLOCK:
            return operand
        target = self.new(is_mask=operand.is_mask)
        self.add(f"{target}[...] = {self.hoist(operand)}")
        return Operand(target, Level.BLOCK, operand.is_mask, target)

    def by_ranges(self, masks: list[Operand], branches: list[tuple[str, list[Operand]]]) -> Operand:
        """Return the value of the first branch whose mask is true, where all masks depend on the bar's number only.

        A branch is the function that computes it, and its operands; the last one has no mask. Each is computed for its
        range of bars only. An operand that may be overwritten becomes the result, where its branch is a copy.
        """
        cases = self.hoisted.setdefault(
            f"ranges(len(bar), {', '.join(m.text for m in masks)})", f"b{len(self.hoisted)}"
        )
        kept = [name == "copy" and bool(of[0].register) for name, of in branches]
        first = kept.index(True) if any(kept) else -1
        target = branches[first][1][0].register if first >= 0 else self.new()
        texts = [
            "pass" if at == first else _in_range(name, [self.hoist(each) for each in of], of, target)
            for at, (name, of) in enumerate(branches)
        ]
        self.add(f"for a, b, case in {cases}:")
        for at, text in enumerate(texts):
            self.add(f" {'el' if at else ''}if case == {at}: {text}")
        self.free(*(each.register for _, of in branches for each in of if each.register != target))
        return Operand(target, Level.BLOCK, False, target)


def _in_range(function: str, texts: list[str], operands: list[Operand], target: str) -> str:
    """Return the statement that computes a function for the bars from a to b."""
    suffix: Mapping[Level, str] = {Level.NUMBER: "", Level.BAR: "[a:b]", Level.BLOCK: "[:, a:b]"}
    parts = [f"{text}{suffix[operand.level]}" for text, operand in zip(texts, operands, strict=True)]
    if function == "copy":
        return f"{target}[:, a:b] = {parts[0]}"
    return f"{function}({', '.join(parts)}, out={target}[:, a:b])"
