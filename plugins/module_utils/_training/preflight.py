# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a training of this user needs on this host: an environment, programs, free GPUs, room for a checkpoint. Changes nothing.

As the training user, before anything else is done.
"""

from __future__ import annotations

import os
import shutil
from typing import Any, Collection, Dict, Mapping, Optional

from .. import errors
from .._system import accounts, paths
from .._system.paths import display
from . import checkpoints, gpus, login


def find_virtualenv(path: str, account: accounts.Account) -> str:
    """Return the absolute path of a virtual or conda environment; empty if none is named."""
    if not path:
        return ""
    path, user = os.path.normpath(paths.expand_home(path, account.home)), account.name
    hint = f"create it, or set {errors.named('virtualenv')} (empty: the host's python3)"
    if not os.path.isdir(path):
        raise errors.FeatureError(f"the virtual environment {display(path)} is not there for user {user}: {hint}")
    marks = (os.path.join(path, *parts) for parts in (("conda-meta",), ("bin", "activate"), ("pyvenv.cfg",)))
    if not any(os.access(mark, os.R_OK) for mark in marks):
        raise errors.FeatureError(
            f"{display(path)} is neither a virtual environment (bin/activate) nor a conda environment (conda-meta) that user {user} can"
            f" read: {hint}"
        )
    return path


def find_python(virtualenv: str, path: str, user: str) -> str:
    """Return the interpreter of a training script."""
    option = errors.named("virtualenv")
    if virtualenv:
        python = os.path.join(virtualenv, "bin", "python")
        if os.access(python, os.X_OK):
            return python
        raise errors.FeatureError(
            f"the virtual environment {display(virtualenv)} has no bin/python that user {user} may run: create it, or set {option}"
            " (empty: the host's python3)"
        )
    found = shutil.which("python3", path=path)
    if not found:
        raise errors.FeatureError(f"user {user} finds no python3 on this host: install it, or set {option}")
    return found


def _check_program(program: str, option: str, path: str, user: str) -> None:
    """A program without a slash must be found; one with a slash is known only in its folder."""
    if program and "/" not in program and not shutil.which(program, path=path):
        raise errors.FeatureError(
            f"{option}: user {user} finds no program '{display(program)}' in {path}: install it there, or give its whole path"
        )


def check_disk(directory: str) -> None:
    """Refuse a file system that has no room for a checkpoint of the size that the last one has."""
    found = checkpoints.newest_checkpoint(checkpoints.places_of(directory))
    needed = found.size if found else 1
    place = directory
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    info = os.statvfs(place)
    free = info.f_bavail * info.f_frsize
    if free < needed:
        because = "a training writes a log and checkpoints"
        if found:
            because = f"the checkpoint {display(found.path)} has {needed / 2**20:.1f}"
        raise errors.FeatureError(
            f"{display(place)} has {free / 2**20:.1f} MiB of free disk space, but {because}: make room there, or set {errors.named('dir')}"
        )


def why_busy(gpu: Mapping[str, Any], own: Collection[int], memory: int) -> Optional[str]:
    """Return why a GPU or MIG instance is not free. own: processes that end before the start. memory: MiB that have to be free, or 0."""
    name = f"GPU {'' if gpu['index'] is None else gpu['index']}".strip() + (f" MIG {gpu['instance']}" if gpu["instance"] else "")
    users = gpu.get("processes")
    foreign = [str(pid) for pid, _used in users or [] if pid not in own]
    if foreign:
        return f"{name} is used by process {', '.join(foreign[:5])}"
    if users is None and gpu["use"]:
        return f"{name} is in use ({gpu['use']} %)"
    if not memory:
        return None
    if gpu["memory_used"] is None or gpu["memory_total"] is None:
        return f"{name} does not report its memory"
    free = gpu["memory_total"] - gpu["memory_used"] + sum(used or 0 for _pid, used in users or [])
    return None if free >= memory else f"{name} has {free} of {memory} MiB free"


def check_gpus(wanted: int, memory: int, own: Collection[int]) -> None:
    """Refuse a host that has fewer free GPUs or MIG instances than are wanted."""
    if not wanted:
        return
    option = errors.named("require_gpus")
    found, problem = gpus.find_gpus(processes=True)
    reasons = [why_busy(gpu, own, memory) for gpu in found]
    if reasons.count(None) >= wanted:
        return
    if found:
        busy = "; ".join(reason for reason in (*reasons, problem) if reason)
        what = f"{reasons.count(None)} of {len(found)} GPUs are free{f' ({busy})' if busy else ''}"
    else:
        what = problem or f"none of {', '.join(gpus.PROGRAMS)} is installed on this host"
    raise errors.FeatureError(f"{option} is {wanted}, but {what}: free or repair them, or set {option}")


def check_host(order: Mapping[str, Any], account: accounts.Account) -> Dict[str, Any]:
    """Return what a start needs to know: the environment of a login, the virtual environment, the interpreter."""
    virtualenv, user = find_virtualenv(order["virtualenv"], account), account.name
    environment, warning = login.login_environment()
    path = environment.get("PATH") or login.PATH
    searched = str(order["environment"].get("PATH") or path)
    for option, program in order["programs"].items():
        _check_program(program, option, f"{virtualenv}/bin:{searched}" if virtualenv else searched, user)
    python = "" if order["command"] or order["text"] else find_python(virtualenv, path, user)
    return {"login": environment, "warning": warning, "virtualenv": virtualenv, "python": python}
