# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of the fault suite: a tally of promises, the real modules as processes, and system calls that go wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import runpy
import signal
import stat
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible.module_utils.basic  # noqa: F401 pylint: disable=unused-import  # in memory for the forks

from tests.support.hosts import REPOSITORY
from tests.support.image import install
from tests.support.waiting import kill_tree, limit

BUILD = REPOSITORY / ".build" / "faults"
COLLECTIONS = REPOSITORY / "collections"
MODULES = "ansible_collections.trainprep.features.plugins.modules"

ERRORS = ("ENOSPC", "EACCES", "EROFS", "EIO", "ENAMETOOLONG", "ESTALE", "EDQUOT")
KILL = "SIGKILL"
HANGS = 600  # seconds for `limit`
# Every system call by which a process changes what lies on a disk; openat and write count where they do.
CHANGING = (
    "mkdir,mkdirat,symlink,symlinkat,link,linkat,unlink,unlinkat,rmdir,rename,renameat,renameat2,mknod,mknodat,"
    "chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,setxattr,fsetxattr,lsetxattr,removexattr,fremovexattr,"
    "truncate,ftruncate,utimensat,write,pwrite64,writev,sendfile,copy_file_range,openat,fsync,syncfs"
)


@dataclass
class Tally:
    """What one scenario did: ``runs`` of the real thing, promises checked, and what was found broken."""

    title: str
    runs: int = 0
    promises: int = 0
    violations: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)

    def check(self, kept: bool, promise: str) -> None:
        """Counts a promise; a broken one fails the test at its end, with all others of the scenario."""
        self.promises += 1
        if not kept:
            self.violations.append(promise)

    def equal(self, found: Any, wanted: Any, promise: str) -> None:
        self.check(found == wanted, f"{promise}: {found!r} instead of {wanted!r}")


@dataclass(frozen=True)
class Ran:
    """One run of a module. ``code`` is negative where a signal ended it."""

    code: int
    result: dict[str, Any]
    stderr: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))


@dataclass(frozen=True)
class Point:
    """The ``number``th call of its name in a run, or of those for one ``path``. ``text`` is how it looked."""

    call: str
    number: int
    text: str
    path: str = ""


def plain(ran: Ran) -> bool:
    """Whether a module answered as it should: JSON, a sentence that names a place where it failed, never a traceback."""
    return "Traceback" not in ran.stderr + json.dumps(ran.result) and bool(ran.result) and (ran.code == 0 or "/" in ran.message)


class Modules:
    """Runs the collection's modules on this machine, as Ansible would: a process of their own, JSON in and out."""

    def __init__(self, scratch: Path, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> None:
        self.scratch = scratch
        self.prefix = list(prefix)
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "RCLONE_", "SUDO_"))}
        self.environment = {
            **keep,
            "PATH": f"{REPOSITORY / '.venv/bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(COLLECTIONS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANSIBLE_REMOTE_TMP": str(scratch),
            **(environment or {}),
        }

    def run(self, module: str, arguments: Mapping[str, Any], strace: Sequence[str] = ()) -> Ran:
        """Runs a module to its end."""
        process = self.start(module, arguments, strace)
        try:
            return self.finish(process)
        except subprocess.TimeoutExpired:
            return Ran(124, {}, f"{process.communicate()[1]}\nno end within {limit(HANGS)} s")

    def forked(self, module: str, arguments: Mapping[str, Any]) -> Ran:
        """The same in a fork of this process, which has Ansible's part in memory: without the half second of its start."""
        file = self._arguments(module, arguments)
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.chdir(self.scratch)
                os.environ.clear()
                os.environ.update(self.environment)
                for number, name in ((0, os.devnull), (1, f"{file}.out"), (2, f"{file}.err")):
                    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
                # pytest has put its own in their place.
                sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
                sys.path.insert(0, str(COLLECTIONS))
                sys.argv = [module, str(file)]
                runpy.run_module(f"{MODULES}.{module}", run_name="__main__")
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return _ran(code, *(Path(f"{file}.{stream}").read_text() for stream in ("out", "err")))

    def start(self, module: str, arguments: Mapping[str, Any], strace: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Starts a module in a process group of its own."""
        command = [*self.prefix, *strace, sys.executable, "-m", f"{MODULES}.{module}", str(self._arguments(module, arguments))]
        return subprocess.Popen(command, cwd=self.scratch, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip

    def _arguments(self, module: str, arguments: Mapping[str, Any]) -> Path:
        file = self.scratch / f"{module}-{next(_NUMBERS)}.json"
        file.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments)}))
        return file

    def finish(self, process: subprocess.Popen[str]) -> Ran:
        """Waits for what `start` began."""
        try:
            out, err = process.communicate(timeout=limit(HANGS))
        finally:
            kill_tree(process)
        return _ran(process.returncode, out, err)

    def points(self, module: str, arguments: Mapping[str, Any], below: Path) -> tuple[Ran, list[Point]]:
        """Runs a module, and lists its calls that changed something ``below`` a directory.

        Child processes are left alone: they look, and change nothing.
        """
        trace = self.scratch / f"trace-{next(_NUMBERS)}"
        ran = self.run(module, arguments, ["strace", "-y", "-s", "4096", "-o", str(trace), "-e", f"trace={CHANGING}"])
        return ran, list(changing_points(trace.read_text(errors="replace").splitlines(), str(below)))

    def faulted(self, module: str, arguments: Mapping[str, Any], point: Point, fault: str, below: Path) -> tuple[Ran, bool]:
        """Runs a module in which that call is killed, or fails with an error; and whether it came to that."""
        trace = self.scratch / f"trace-{next(_NUMBERS)}"
        how = "signal=KILL" if fault == KILL else f"error={fault}"
        strace = ["strace", "-o", str(trace), "-e", f"trace={point.call}", "-e", f"inject={point.call}:{how}:when={point.number}"]
        if point.path:
            strace += ["-P", str(below / point.path)]
        ran = self.run(module, arguments, strace)
        return ran, ran.killed if fault == KILL else "(INJECTED)" in trace.read_text(errors="replace")


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


_NUMBERS = _numbers()


def _ran(code: int, out: str, err: str) -> Ran:
    lines = [line for line in out.splitlines() if line.startswith("{")]
    return Ran(code, json.loads(lines[-1]) if lines else {}, err)


def changing_points(lines: Sequence[str], below: str) -> Iterator[Point]:
    counts: Counter[str] = Counter()
    for line in lines:
        found = re.match(r"(\w+)\(", line)
        if not found:
            continue
        call = found.group(1)
        counts[call] += 1
        # How often files are opened depends on what else runs on this machine: those that are made are told by their path.
        if call == "openat":
            made = re.search(rf'"{re.escape(below)}/([^"]+)", \w+\|O_CREAT', line)
            if made and not re.search(r"\d{8}T", made.group(1)):
                counts[made.group(1)] += 1
                yield Point(call, counts[made.group(1)], line, made.group(1))
            continue
        # What is written to a pipe may mention paths; a descriptor's own stands behind it.
        if call in ("write", "pwrite64", "writev") and not re.match(rf"\w+\(\d+<{re.escape(below)}", line):
            continue
        yield Point(call, counts[call], line)


def ensure_tools() -> None:
    """Installs as root on Debian what the suite and the modules need here, else says what to install."""
    install({"strace": "strace", "setfacl": "acl", "rsync": "rsync", "tmux": "tmux"})


def works_in(directory: Path) -> bool:
    """Whether a process has its working directory there."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == str(directory):
                return True
    return False


def content(path: Path) -> str:
    """The digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def files(*directories: Path) -> dict[str, tuple[Any, ...]]:
    """Real files below directories: inode, owner, mode, size, time of change of content, digest."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in everything(*directories):
        info = path.lstat()
        if stat.S_ISREG(info.st_mode):
            found[str(path)] = (info.st_ino, info.st_uid, info.st_gid, info.st_mode, info.st_size, info.st_mtime_ns, content(path))
    return found


def links(directory: Path) -> dict[str, str]:
    """Links below a directory, by path from there."""
    return {str(path.relative_to(directory)): os.readlink(path) for path in everything(directory) if path.is_symlink()}


def everything(*directories: Path) -> list[Path]:
    """All paths below directories, through no link."""
    found: list[Path] = []
    for directory in directories:
        for above, folders, names in os.walk(directory):
            found += [Path(above, name) for name in folders + names]
    return sorted(found)
