"""The pointer and the manifests: verify them, and mend the pointer from the newest manifest that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from stockstream.pipeline.errors import Conflict, LakeError, NewerFormat
from stockstream.pipeline.generations import generation, head, point_to
from stockstream.pipeline.lake import CURRENT, MANIFESTS, Lake, manifest_key
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.repair.aside import keep_copy, set_aside
from stockstream.pipeline.repair.model import Finding, Kind

_NUMBER = re.compile(rf"{MANIFESTS}(\d+)\.json", re.ASCII)


@dataclass(frozen=True)
class Generations:
    """The generations that a lake keeps, and what is wrong with their manifests and the pointer."""

    readable: tuple[Manifest, ...]
    """The newest first, with the one of the pointer if only the pointer has it."""
    findings: tuple[Finding, ...]
    pointer: Manifest | None
    """The pointer, if it can be read."""

    @property
    def newest(self) -> Manifest:
        """Return the newest generation; generation 0 for a lake without silver."""
        return self.readable[0] if self.readable else Manifest()

    @property
    def lineage(self) -> list[Manifest]:
        """Return the newest generation and those from which its tables come, without those that were rolled back."""
        by_number = {manifest.generation: manifest for manifest in self.readable}
        line, number = [], self.newest.generation
        while by_number and number >= min(by_number):
            if number in by_number:
                line.append(by_number[number])
            restored = by_number[number].restores if number in by_number else None
            number = restored if restored is not None and restored < number else number - 1
        return line


def read_generations(lake: Lake) -> Generations:
    """Read every manifest and the pointer.

    Raises:
        LakeError: the lake cannot be read, or a newer version of this program has written it.
    """
    manifests: dict[int, Manifest] = {}
    damaged: dict[int, str] = {}
    numbers = sorted(int(match[1]) for key in lake.store.list(MANIFESTS) if (match := _NUMBER.fullmatch(key)))
    for number in numbers:
        try:
            manifest = generation(lake, number)
        except NewerFormat:
            raise
        except LakeError as error:
            damaged[number] = str(error)
            continue
        if manifest.generation == number:
            manifests[number] = manifest
        else:
            damaged[number] = f"it is the manifest of generation {manifest.generation}"
    pointer, problem = _pointer(lake)
    findings = []
    if pointer is not None and pointer.generation > max(manifests, default=0):
        number = pointer.generation
        reason = damaged.pop(number, "it is gone")
        action = "write it again: the pointer has its copy"
        findings.append(Finding(manifest_key(number), reason, action, Kind.MANIFEST))
        manifests[number] = pointer
    for number, reason in damaged.items():
        action = "set it aside; later generations do not need it"
        if number > max(manifests, default=0):
            action = f"set it aside, and go on from generation {max(manifests, default=0)}"
        findings.append(Finding(manifest_key(number), reason, action, Kind.MANIFEST))
    readable = tuple(manifests[number] for number in sorted(manifests, reverse=True))
    if problem is None and readable and pointer is not None and pointer != readable[0]:
        where = f"the newest manifest is {readable[0].generation}"
        problem = f"it is at generation {pointer.generation}, {where}"
        if pointer.generation == readable[0].generation:
            problem = f"it differs from the manifest of generation {pointer.generation}"
    if problem is None and readable and pointer is None:
        problem = "it is gone"
    if problem is not None:
        to = f"point to generation {readable[0].generation}" if readable else "set it aside: there is no manifest"
        findings.append(Finding(CURRENT, problem, to, Kind.POINTER))
    return Generations(readable, tuple(findings), pointer)


def mend_generations(lake: Lake, generations: Generations) -> Iterator[str]:
    """Set damaged manifests aside, restore the one that the pointer has, and mend the pointer; yield notes.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    pointer = generations.pointer
    for finding in (each for each in generations.findings if each.kind is Kind.MANIFEST):
        set_aside(lake, finding.object)
        if pointer is not None and finding.object == manifest_key(pointer.generation):
            with suppress(Conflict):  # another writer has the number now, and went on from what it could read
                lake.store.put(finding.object, pointer.to_json(), replaces=None)
        else:
            yield f"{finding.object} is set aside: this generation can no longer be read or restored"
        finding.repaired = True
    for finding in (each for each in generations.findings if each.kind is Kind.POINTER):
        if pointer is None or pointer.generation >= generations.newest.generation:
            set_aside(lake, CURRENT)
        else:
            keep_copy(lake, CURRENT)
        if generations.readable:
            point_to(lake, head(lake))
        finding.repaired = True


def _pointer(lake: Lake) -> tuple[Manifest | None, str | None]:
    """Return the pointer, if there is one and it can be read, and what is wrong with it."""
    stored = lake.store.get(CURRENT)
    if stored is None:
        return None, None
    try:
        pointer = Manifest.model_validate_json(stored.data)
    except NewerFormat as error:
        raise NewerFormat(f"{lake.uri}: {error}") from None
    except (ValidationError, UnicodeDecodeError):
        return None, "it is empty" if not stored.data.strip() else "it is no manifest"
    if pointer.generation < 1:
        return None, "it names no generation"
    return pointer, None
