# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a session's last run, offered to the connecting user's rsync. As the training user.

A folder beside the runs has a symlink to each file, and a process of the training user serves that folder, to read from it once.
"""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import sys
import time
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from .. import errors
from .._system import accounts, paths
from .._upload import receiver, requirements
from . import info, runs

_OFFERED = ".fetch-"
_STALE = 3600  # seconds after which no transfer uses a folder any more
_MOST = 2000  # files with metrics
_RECORDS = (runs.RECORD, runs.STATE, runs.LOG, "on_end.log", "stop.json")


def offer(account: accounts.Account, params: Mapping[str, Any], source: str) -> Dict[str, Any]:
    """Offer the last run's files to the connecting user; returns where, and what they are; nothing if there is no run.

    source: the file that the curves are from, or the folder of several, beside those of the run's globs.
    """
    directory, session, uid = runs.working_directory(params["dir"], account), params["session"], params["connecting_uid"]
    run = runs.find_run(directory, session)
    if run is None:
        return {}
    rsync = shutil.which("rsync", path=requirements.search_path())
    if not rsync:
        raise errors.FeatureError("rsync is missing on this host: install the package rsync, which brings the results home")
    root = runs.runs_of(directory, session)
    _remove_stale(root)
    place = os.path.join(root, _OFFERED + secrets.token_hex(6))
    os.mkdir(place, 0o700)
    found = (info.checkpoint_of(directory, run, words) for words in ("", "best"))
    links = dict(_links(run, directory, source, [one["path"] for one in found if one]))
    for name, target in links.items():
        os.makedirs(os.path.dirname(os.path.join(place, name)), exist_ok=True)
        os.symlink(target, os.path.join(place, name))
    handle = os.open(place, paths.OPEN_DIRECTORY)
    try:
        address = receiver.start_receiver(handle, uid, 1, rsync, receiver.make_pulse(), sends=True)
    finally:
        os.close(handle)
    return {"run": run.name, "name": address.name, "uid": address.uid, "python": sys.executable, "files": sorted(links)}


def _remove_stale(root: str) -> None:
    for name in os.listdir(root):
        path = os.path.join(root, name)
        if name.startswith(_OFFERED) and time.time() - os.lstat(path).st_mtime > _STALE:
            shutil.rmtree(path, ignore_errors=True)


def _links(run: runs.Run, directory: str, source: str, checkpoints: List[str]) -> Iterator[Tuple[str, str]]:
    """Yield the name of each file in the offer, and its path."""
    for name in _RECORDS:
        if os.path.isfile(os.path.join(run.path, name)):
            yield name, os.path.join(run.path, name)
    bases = [os.path.join(run.path, "project"), directory]
    found = _of_source(source) if source and source != run.log else []
    for base in bases:
        for pattern in run.record.get("metrics") or []:
            found += glob.glob(os.path.join(glob.escape(base), str(pattern)), recursive=True)[:_MOST]
    for kind, files in (("metrics", found), ("checkpoints", checkpoints)):
        for path in files:
            # Links are not followed: what is offered is the training's.
            if os.path.exists(path) and not os.path.islink(path):
                base = next((base for base in bases if path.startswith(base + "/")), os.path.dirname(path))
                name = os.path.relpath(path, base)
                yield os.path.join(kind, name[len("checkpoints/") :] if name.startswith("checkpoints/") else name), path


def _of_source(source: str) -> List[str]:
    """The files that curves are from: one, or those of a folder and of its folders of a stage."""
    if os.path.isfile(source):
        return [source]
    found = (path for depth in ("*", "*/*") for path in glob.iglob(os.path.join(glob.escape(source), depth)))
    return [path for path in found if ".tfevents." in path or path.endswith((".csv", ".json", ".jsonl"))][:_MOST]
