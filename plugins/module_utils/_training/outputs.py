# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files with metrics that a run wrote. Runs as the training user; the search and each reading are bounded."""

from __future__ import annotations

import contextlib
import glob
import itertools
import math
import os
import re
import stat
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .. import errors
from . import log, reading, tables, tensorboard, values
from .runs import STATE, Run, read_json

TENSORBOARD, CSV, STATE_FILE, JSON_LINES = "TensorBoard", "CSV", "trainer state", "JSON lines"
ORDER = (TENSORBOARD, CSV, STATE_FILE, JSON_LINES)
_MOST_ENTRIES = 20000  # of all folders that are searched
_MOST_FILES = 400
_DEPTH = 8
_TRIES = 6  # files of one kind that are read until one has curves
_RUN = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?\Z")
_OBJECT = re.compile(r'^\{.*"(?:epoch|step)"\s*:\s*[\d.].*\}\s*$', re.MULTILINE)
_NOT_ENTERED = ("node_modules", "site-packages", "__pycache__")
_NAMES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".log")


class OutputFile(NamedTuple):
    """A file that the run changed."""

    changed: float
    path: str
    kind: str
    size: int


class Metrics(NamedTuple):
    """Entries of one kind of file, that kind and path, and whether only a part was read."""

    entries: List[tables.TableEntry]
    kind: str
    path: str
    sampled: bool


def read_metrics(run: Run, directory: str, patterns: Sequence[str], limit: int) -> Iterator[Metrics]:
    """Yield what the run's files hold, in the order in which they are preferred: the named ones, then by kind."""
    for files in (_named(run, directory, patterns), _written(run, directory)):
        for kind in ORDER:
            groups = _groups([file for file in files if file.kind == kind])
            for group in groups[:_TRIES]:
                found = _read(group, limit)
                if found.entries:
                    yield found


def _window(run: Run) -> Tuple[float, float]:
    """When the run's files were changed, as file systems with whole seconds keep it."""
    started, ended = (run.state.get(key) for key in ("started", "ended"))
    since = float(started) - 1.0 if isinstance(started, (int, float)) else math.inf
    return since, float(ended) + 2.0 if isinstance(ended, (int, float)) else math.inf


def _file(path: str, run: Run) -> Optional[OutputFile]:
    """The file, if the run changed it and its beginning is that of a known kind. Links are not followed."""
    since, until = _window(run)
    try:
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode) or not since <= info.st_mtime <= until or not info.st_size:
            return None
        kind = TENSORBOARD if ".tfevents." in os.path.basename(path) else kind_of(os.path.basename(path), _head(path))
    except (OSError, errors.FeatureError):
        return None
    return OutputFile(info.st_mtime, path, kind, info.st_size) if kind else None


def _head(path: str) -> str:
    with reading.opened(path) as handle:
        return os.pread(handle, 16 << 10, 0).decode("utf-8", "replace")


def kind_of(name: str, head: str) -> str:
    """Return the kind of a file by its name and its beginning; empty if it is none with metrics."""
    if name == "trainer_state.json":
        return STATE_FILE
    first = head.split("\n", 1)[0].strip()
    if first.startswith("{"):
        return JSON_LINES if _OBJECT.search(head) else ""
    words = [word.strip().strip('"').lower() for word in re.split(r"[,;\t]", first)]
    return CSV if len(words) > 1 and ("epoch" in words or "step" in words) and not name.endswith((".txt", ".log")) else ""


def _named(run: Run, directory: str, patterns: Sequence[str]) -> List[OutputFile]:
    found = []
    for pattern in patterns:
        for root in (os.path.join(run.path, "project"), directory):
            matches = itertools.islice(glob.iglob(os.path.join(glob.escape(root), pattern), recursive=True), _MOST_FILES)
            found += [file for file in (_file(path, run) for path in matches) if file]
    return list(dict.fromkeys(found))


def _written(run: Run, directory: str) -> List[OutputFile]:
    found = list(_search(os.path.join(run.path, "project"), run))
    return found if found or _shared(run, directory) else list(_search(directory, run))


def _shared(run: Run, directory: str) -> bool:
    """True if a run of another session worked at the same time in this directory: whose files are whose is not known then."""
    since, until = _window(run)
    session = os.path.dirname(run.path)
    for latest in glob.glob(os.path.join(glob.escape(directory), "runs", "*", "latest")):
        if os.path.dirname(latest) == session:
            continue
        with contextlib.suppress(OSError, errors.FeatureError):
            state = read_json(os.path.join(os.path.realpath(latest), STATE))
            if float(state.get("started") or math.inf) <= until and float(state.get("ended") or math.inf) >= since:
                return True
    return False


def _search(root: str, run: Run) -> Iterator[OutputFile]:
    left, found = _MOST_ENTRIES, 0
    queue = [(root, 0)]
    while queue and left > 0 and found < _MOST_FILES:
        folder, depth = queue.pop()
        try:
            with os.scandir(folder) as entries:
                listed = list(itertools.islice(entries, left))
        except OSError:
            continue
        left -= len(listed)
        if any(entry.name == "pyvenv.cfg" for entry in listed):
            continue
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEPTH and not _is_left_out(entry):
                    queue.append((entry.path, depth + 1))
            elif ".tfevents." in entry.name or entry.name.endswith(_NAMES):
                file = _file(entry.path, run)
                if file:
                    found += 1
                    yield file


def _is_left_out(entry: os.DirEntry[str]) -> bool:
    """True for hidden folders, installed packages, and folders of runs (of this one too: only its project is searched, as a root)."""
    return entry.name.startswith(".") or entry.name in _NOT_ENTERED or bool(_RUN.match(entry.name))


def _groups(files: List[OutputFile]) -> List[List[OutputFile]]:
    """Files that are read together, the newest group first: event files of one directory and of its folders of a stage, files of one folder
    that are named by stage; else each file alone."""
    found: Dict[Tuple[str, str], List[OutputFile]] = {}
    for file in files:
        found.setdefault(_key(file), []).append(file)
    named = {"metrics.csv": 0, "results.csv": 1}
    groups = [sorted(group) for group in found.values()]
    return sorted(groups, key=lambda group: (named.get(os.path.basename(group[-1].path), 2), -group[-1].changed))


def _key(file: OutputFile) -> Tuple[str, str]:
    folder, name = os.path.split(file.path)
    if file.kind == TENSORBOARD:
        return (os.path.dirname(folder) if _stage_of(os.path.basename(folder)) is not None else folder), ""
    return (folder, "") if _stage_of(name) is not None else (folder, name)


def _stage_of(name: str) -> Optional[str]:
    """The stage that a file or a folder is named by: C(validation), C(Loss_train), C(val.csv)."""
    stem = name.split(".")[0]
    whole = values.stage_of(stem)
    base, stage = values.curve_name(stem)
    return whole if whole is not None else stage if values.is_metric(base) else None


def _read(group: List[OutputFile], limit: int) -> Metrics:
    entries: List[tables.TableEntry] = []
    for file in group[-_TRIES:]:
        with contextlib.suppress(OSError, errors.FeatureError):
            entries += itertools.islice(_entries(file, limit // min(len(group), _TRIES)), tables.MAX_ENTRIES - len(entries))
    newest = group[-1]
    path = newest.path if len(group) == 1 else _key(newest)[0]
    return Metrics(entries, newest.kind, path, any(file.size > limit // min(len(group), _TRIES) for file in group))


def _entries(file: OutputFile, limit: int) -> Iterator[tables.TableEntry]:
    folder, name = os.path.split(file.path)
    with reading.opened(file.path) as handle:
        if file.kind == TENSORBOARD:
            stage = _stage_of(os.path.basename(folder))
            for data, at_start, _at_end in reading.blocks(handle, limit):
                yield from tables.event_entries(tensorboard.read_scalars(data, at_start), stage)
            return
        header = _head(file.path).split("\n", 1)[0]
        if file.kind == CSV:
            yield from tables.csv_entries(header, _rows(handle, limit, max(map(header.count, ",;\t"))), _stage_of(name))
        elif file.kind == JSON_LINES:
            yield from tables.json_entries(_rows(handle, limit, header.count(":")), _stage_of(name))
        else:
            for data, _at_start, _at_end in reading.blocks(handle, limit):
                yield from tables.json_entries(tables.FLAT.findall(data.decode("utf-8", "replace")), None)


def _rows(handle: int, limit: int, values_each: int) -> List[str]:
    """Return lines from all over a file, the last one included, with as many values as are kept."""
    lines: List[str] = []
    for data, at_start, at_end in reading.blocks(handle, limit):
        lines += log.split(data.decode("utf-8", "replace"))[0 if at_start else 1 : None if at_end else -1]
    lines = [line for line in lines if line]
    return lines[:: -max(1, -(-len(lines) * (1 + values_each) // tables.MAX_ENTRIES))][::-1]
