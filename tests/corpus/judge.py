# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged files, and a library that judges what is said of them here.

A sample is a function of a random chooser that gives a file and what a mutation should dwell on: ranges of its bytes
that are structure and not data.
"""

from __future__ import annotations

import collections
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    Classification,
    classify,
)
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays

ANY = parse_arrays({})
Spans = list[tuple[int, int]]
Sample = Callable[[random.Random], tuple[bytes, Spans]]


class Judged(NamedTuple):
    """A format: its samples, its library; whether a quick look sees all that a full one does, and a full one all that the library does."""

    name: str
    sample: Sample
    opens: Callable[[Path], None]
    quick_is_full: bool = False
    full_is_library: bool = False


def refusal(opens: Callable[[Path], None], path: Path) -> str:
    """Why the library refuses the file; empty where it does not."""
    try:
        opens(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def look(path: Path, full: bool) -> Classification:
    fd = os.open(path, os.O_RDONLY)
    try:
        return classify(fd, os.fstat(fd).st_size, path.name, ANY, full)
    finally:
        os.close(fd)


def try_all(judged: Judged, folder: Path, seeds: range) -> tuple[str, list[str]]:
    """A line on what came of one changed file per seed, and the faults: what is called damaged and the library opens.

    A format whose quick inspection sees everything has to refuse in full whatever its library refuses.
    """
    path = folder / judged.name
    kinds: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    missed = 0
    for seed in seeds:
        chooser = random.Random(seed)
        raw, spans = judged.sample(chooser)
        if seed % 20 == 0:
            path.write_bytes(raw)
            assert look(path, False).kind == look(path, True).kind == FEATURE, (seed, look(path, True))
        what, changed = mutate(chooser, raw, spans)
        path.write_bytes(changed)
        quick, full, refused = look(path, False), look(path, True), refusal(judged.opens, path)
        kinds[full.kind] += 1
        if DAMAGED in (quick.kind, full.kind) and not refused:
            faults.append(f"{seed} {what}: called damaged, and the library opens it: {full}, quick {quick}")
        if judged.quick_is_full and (quick != full or (full.kind == FEATURE and refused)):
            faults.append(f"{seed} {what}: full {full}, quick {quick}, library: {refused}")
        if judged.full_is_library and full.kind == FEATURE and refused:
            faults.append(f"{seed} {what}: full {full}, library: {refused}")
        missed += full.kind == FEATURE and bool(refused)
    # A corpus in which nothing is accepted, or nothing refused, would show nothing.
    assert kinds[FEATURE] and kinds[DAMAGED]
    return (
        f"{judged.name}: {len(seeds)} files tried, {kinds[FEATURE]} accepted in full, {missed} of them refused by the library (as the"
        f" table in docs/formats.md says), {len(faults)} faults"
    ), faults


def mutate(chooser: random.Random, raw: bytes, spans: Spans) -> tuple[str, bytes]:
    """The file with one thing wrong, or several; and the name of what was done."""
    changed = bytearray(raw)

    def place() -> int:
        start, end = chooser.choice(spans) if chooser.random() < 0.8 else (0, len(raw))
        return chooser.randrange(start, max(end, start + 1)) if start < len(raw) else 0

    kind = chooser.choice(["flip", "flip", "flip", "byte", "byte", "byte", "number", "cut", "slice", "insert", "append", "zero",
                           "copy", "digit"])  # fmt: skip
    if kind in ("flip", "byte", "digit"):
        for _turn in range(chooser.choice([1, 1, 1, 2, 5])):
            at = place() % len(raw)
            changed[at] = {
                "flip": changed[at] ^ 1 << chooser.randrange(8),
                "byte": chooser.choice([0, 1, 2, 0x7F, 0x80, 0xFF, chooser.randrange(256)]),
                "digit": ord(chooser.choice('0123456789-,.[]{}":eE ')),
            }[kind]
    elif kind == "number":
        at, form = place(), chooser.choice(["<H", "<I", "<Q"])
        value = chooser.choice([0, 1, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, len(raw)])
        piece = struct.pack(form, value % 256 ** struct.calcsize(form))
        changed[at : at + len(piece)] = piece
    elif kind == "cut":
        del changed[chooser.choice([place(), len(raw) - chooser.randint(1, 40)]) :]
    elif kind == "slice":
        at = place()
        del changed[at : at + chooser.choice([1, 4, 8, 512])]
    elif kind == "insert":
        at = place()
        changed[at:at] = chooser.randbytes(chooser.choice([1, 4, 8, 512]))
    elif kind == "append":
        changed += chooser.choice([b"\0", bytes(512), chooser.randbytes(9)])
    elif kind == "zero":
        at = place()
        length = chooser.choice([4, 64, 512])
        changed[at : at + length] = bytes(len(changed[at : at + length]))
    else:
        source, at, length = place(), place(), chooser.choice([1, 8, 32])
        changed[at : at + length] = raw[source : source + length]
    return kind, bytes(changed)
