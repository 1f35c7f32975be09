# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of pairs: hosts that differ in every two of the things that decide what the role does.

As a script it lays one host out: ``python pairs.py DIRECTORY ROW-AS-JSON``. It needs the standard library and ``layout.py`` beside it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
from layout import write_facenet, write_wav2vec

DIMENSIONS: Dict[str, Sequence[Any]] = {
    "status": (0, 1, 2, 3, None),
    "staged": ("none", "incomplete", "complete"),
    "state": ("present", "absent"),
    "source": (False, True),
    "fails": (False, True),
    "connection": ("local", "ssh", "docker"),
    "streams": (1, "auto", 4),
    "become": ("", "sudo", "su"),
    "expected": (None, 2, 3, 5),  # a source completes a and b to 3
    "top_up": (False, True),
}
Row = Dict[str, Any]
Pair = Tuple[Tuple[str, Any], ...]
# What cannot be: pairs, in the order of the names, each with its reason.
IMPOSSIBLE: Dict[Pair, str] = {
    (("become", "sudo"), ("connection", "local")): "on this machine the tests are root, and root needs no sudo, which may be missing",
    (("become", "su"), ("connection", "docker")): "su asks for its password on a terminal, and this connection has none",
    (("connection", "docker"), ("source", True)): "no rsync over this connection: the message is tested in test_become.py",
}
ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
NAMES = ("a.npz", "b.npz", "c.npz")


def pairs_of(row: Row) -> List[Pair]:
    """Return every two values of a row, ordered by their names."""
    return list(itertools.combinations(sorted(row.items()), 2))


def every_pair() -> List[Pair]:
    """Return every two values of two dimensions, possible or not."""
    return [pair for left, right in itertools.combinations(DIMENSIONS, 2) for one in DIMENSIONS[left] for other in DIMENSIONS[right]
            for pair in pairs_of({left: one, right: other})]  # fmt: skip


def table(rows: int) -> List[Row]:
    """Return rows that hold every possible pair of values, and each (status, staged, state) in between; always the same ones."""
    names = list(DIMENSIONS)
    missing = set(every_pair()) - set(IMPOSSIBLE)
    found: List[Row] = []
    whole = list(itertools.product(*(DIMENSIONS[name] for name in names[:3])))
    for number in itertools.count():
        fixed = dict(zip(names, whole[number % len(whole)]))
        drawn = ({**fixed, **_chosen(number, turn)} for turn in range(100))
        candidates = [row for row in drawn if not any(pair in IMPOSSIBLE for pair in pairs_of(row))]
        best = max(candidates, key=lambda row: sum(pair in missing for pair in pairs_of(row)))
        missing -= set(pairs_of(best))
        found.append(best)
        if len(found) >= rows and not missing:
            return found


def _chosen(number: int, turn: int) -> Row:
    chosen = {}
    for name in list(DIMENSIONS)[3:]:
        digest = hashlib.sha256(f"{number} {turn} {name}".encode()).digest()
        chosen[name] = DIMENSIONS[name][digest[0] % len(DIMENSIONS[name])]
    return chosen


def sets_of(directory: str, row: Row, source: str) -> List[Dict[str, Any]]:
    """Return the feature sets of a row's host."""
    one: Dict[str, Any] = {"name": "one", "target": f"{directory}/one", "legacy": [f"{directory}/old"], "arrays": ARRAYS}
    if row["source"]:
        one["source"] = source
    if row["expected"] is not None:
        one["expected"] = row["expected"]
    two = {"name": "two", "target": f"{directory}/two", "legacy": [f"{directory}/deep"], "arrays": ARRAYS, "required": False}
    return [one, two] if row["fails"] else [one]


def lay_out(directory: Path, row: Mapping[str, Any]) -> None:
    """Lay out the host of a row: features ``a`` and ``b`` in the old directory, ``a`` in the target, ``b`` and ``c`` in a source."""
    directory.mkdir(parents=True)
    status = row["status"]
    if status in (2, 3):
        _features(directory / "old", "a.npz", "b.npz")
        write_facenet(directory / "old" / "other.npz")
    if status is None:
        (directory / "old").symlink_to(directory / "volume")
    if status in (1, 3):
        _features(directory / "one", "a.npz")
    if row["fails"]:
        too_deep(directory / "deep")


def _features(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_wav2vec(directory / name, f"feature {name}", frames=2)


def too_deep(directory: Path) -> None:
    """A feature whose path is too long to be the text of a link: what links it fails when others are linked already."""
    directory.mkdir()
    here = os.open(directory, os.O_RDONLY)
    for _level in range(20):
        os.mkdir("d" * 240, dir_fd=here)
        below = os.open("d" * 240, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    write_wav2vec(directory / "deep.npz", "deep", frames=2)
    os.rename(directory / "deep.npz", "deep.npz", dst_dir_fd=here)
    os.close(here)


if __name__ == "__main__":
    for place, laid_out in json.loads(sys.stdin.read()).items():
        lay_out(Path(place), laid_out)
