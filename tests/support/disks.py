# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real file systems for the fault suite: on loop devices, and a pass-through that misbehaves on demand. All are unmounted again."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.hosts import REPOSITORY
from tests.support.image import Missing, install
from tests.support.waiting import limit, wait_for

PASS_THROUGH = Path(__file__).with_name("pass_through.py")
# What makes each kind of file system: (command, its package).
MAKERS = {"ext4": ("mkfs.ext4", "e2fsprogs"), "xfs": ("mkfs.xfs", "xfsprogs"), "btrfs": ("mkfs.btrfs", "btrfs-progs")}


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, text=True, capture_output=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


@functools.lru_cache
def why_not(kind: str, options: str = "") -> str:
    """Why this machine cannot mount that kind of file system; empty where it can."""
    try:
        with tempfile.TemporaryDirectory(prefix="tp-disk-") as scratch:
            if kind == "fuse":
                with pass_through(Path(scratch)):
                    return ""
            with loop(Path(scratch), kind, options):
                return ""
    except (OSError, Missing, AssertionError) as error:
        return str(error).splitlines()[0]


@contextlib.contextmanager
def loop(place: Path, kind: str, make: str = "", mount: str = "", megabytes: int = 0) -> Iterator[Path]:
    """A file system of that kind in a file below ``place``, mounted there. ``make``, ``mount``: options of both commands."""
    if os.geteuid() != 0:
        raise Missing("only root may mount a loop device")
    command, package = MAKERS[kind]
    install({command: package})
    image, top = place / f"{kind}.image", place / kind
    # The least that the tools accept.
    size = megabytes or {"ext4": 16, "xfs": 320, "btrfs": 120}[kind]
    with image.open("xb") as file:
        file.truncate(size * 2**20)
    _run(command, "-q", *make.split(), str(image))
    top.mkdir()
    _run("mount", "-o", ",".join(["loop", *mount.split(",")] if mount else ["loop"]), str(image), str(top))
    try:
        top.chmod(0o755)
        yield top
    finally:
        _unmount(top)
        image.unlink()


@contextlib.contextmanager
def pass_through(place: Path, **policy: Any) -> Iterator[Path]:
    """A directory whose calls go through a process that delays or refuses them as its policy says; see pass_through.py."""
    if os.geteuid() != 0:
        raise Missing("only root may mount for other accounts")
    install({"fusermount": "fuse"})
    below, top, settings = place / "below", place / "fuse", place / "policy.json"
    for directory in (below, top):
        directory.mkdir()
        directory.chmod(0o755)
    set_policy(place, **policy)
    with (place / "pass_through.log").open("w") as log:
        process = subprocess.Popen([sys.executable, str(PASS_THROUGH), str(below), str(top), str(settings)], cwd=REPOSITORY,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip
    try:
        wait_for(lambda: os.path.ismount(top) or process.poll() is not None, "FUSE", pause=0.02)
        if not os.path.ismount(top):
            raise OSError(f"no FUSE: {(place / 'pass_through.log').read_text()[-300:].strip()}")
        yield top
    finally:
        _unmount(top)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=limit(30))


def set_policy(place: Path, **policy: Any) -> None:
    """Changes what a `pass_through` of that place does, from its next call on."""
    new = place / "policy.new"
    new.write_text(json.dumps(policy))
    new.replace(place / "policy.json")


def remount(top: Path, options: str) -> None:
    _run("mount", "-o", f"remount,{options}", str(top))


def _unmount(top: Path) -> None:
    subprocess.run(["umount", "-l", str(top)], check=False, capture_output=True)


def fill(top: Path, leave: int, keep: str = "ballast") -> Path:
    """Leaves that many free bytes; returns the file that takes the rest."""
    ballast = top / keep
    with ballast.open("xb") as file:
        room = os.statvfs(top)
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - leave))
        # Tables of the file system itself take some more of it.
        for size in (65536, 4096):
            with contextlib.suppress(OSError):
                while os.statvfs(top).f_bavail * room.f_frsize > leave + size:
                    file.seek(0, os.SEEK_END)
                    file.write(bytes(size))
                    file.flush()
    return ballast


def fill_inodes(top: Path, leave: int) -> Path:
    """Leaves that many free inodes; returns the directory that takes the rest."""
    ballast = top / "ballast"
    ballast.mkdir()
    for number in range(max(0, os.statvfs(top).f_favail - leave)):
        (ballast / str(number)).touch()
    return ballast
