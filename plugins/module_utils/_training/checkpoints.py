# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model files that a training writes. The launcher gets a copy of this file: it imports nothing of the collection."""

from __future__ import annotations

import math
import os
import re
import stat
from typing import Iterable, NamedTuple, Optional, Tuple

_MODELS = (
    ".ckpt", ".h5", ".hdf5", ".joblib", ".keras", ".model", ".msgpack", ".onnx", ".pb", ".pt", ".pth", ".safetensors", ".weights",
)  # fmt: skip
# What is a checkpoint below checkpoints/ and may be anything elsewhere.
_MORE_MODELS = (".bin", ".index", ".npy", ".npz", ".pickle", ".pkl", ".tar")
_MOST_ENTRIES = 50000  # of one place
_FOLDER = re.compile(r"checkpoint[-_]\d+\Z")  # of several files that belong together


class Checkpoint(NamedTuple):
    """A model file; when it was written."""

    written: float
    path: str
    size: int


def newest_checkpoint(
    places: Iterable[Tuple[str, bool]], since: float = 0.0, until: float = math.inf, word: str = ""
) -> Optional[Checkpoint]:
    """Return the newest model file written between two times, with that word in its name. places: folders, and whether to go deeper."""
    newest = Checkpoint(-1.0, "", 0)
    for root, deep in places:
        queue, left = [root], _MOST_ENTRIES
        while queue and left > 0:
            folder = queue.pop()
            endings = _MODELS + _MORE_MODELS if "checkpoints" in folder.split("/") else _MODELS
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            left -= len(entries)
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if stat.S_ISDIR(info.st_mode):
                    queue += [entry.path] if deep else []
                elif stat.S_ISREG(info.st_mode) and entry.name.endswith(endings) and word in entry.name and since <= info.st_mtime <= until:
                    newest = max(newest, Checkpoint(info.st_mtime, entry.path, info.st_size))
    return newest if newest.path else None


def places_of(directory: str, run: str = "") -> Tuple[Tuple[str, bool], ...]:
    """Return where a training writes them: its working directory, below its checkpoints/, and its run's own copy of a project."""
    places = ((directory, False), (os.path.join(directory, "checkpoints"), True))
    return (*places, (os.path.join(run, "project"), True)) if run else places


def path_to_resume(found: Optional[Checkpoint]) -> str:
    """Return the path by which a training resumes: of several files that belong together their folder; empty if there is none."""
    if found is None:
        return ""
    folder = os.path.dirname(found.path)
    return folder if _FOLDER.match(os.path.basename(folder)) else found.path
