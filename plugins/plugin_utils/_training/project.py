# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A training's project on the controller: the files to send, and their commit."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shlex
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...module_utils._system.accounts import user_name
from ...module_utils.errors import FeatureError, named

# Of whoever runs Ansible from a hook of git: they would lead to that other repository.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")
# The project's own rules alone: the deployer's global ignore file, or .git/info/exclude, must not change what a training gets.
_CONFIGURED = ("-c", f"core.excludesFile={os.devnull}", "-c", "core.fsmonitor=false")
_FOREIGN_CHECKOUT = re.compile(r"dubious ownership in repository at '(.*)'")
_IGNORE = ("--exclude-per-directory=.gitignore",)
# As unpack.py of the role deploy_training, which reads both, names them.
_MANIFEST, _FILES = "manifest.json", "files/"


@dataclass(frozen=True)
class Project:
    """A folder's files, as paths below it. C(commit) and C(dirty) are None where git keeps none of it."""

    path: str
    files: tuple[str, ...]
    commit: str | None = None
    dirty: bool | None = None


def read_project(path: str) -> Project:
    """Return the project in a folder: all of its files except those that its .gitignore files name, and .git itself."""
    if not os.path.isdir(path):
        where = "from the current directory or from the playbook's"
        raise FeatureError(f"{named('project')} '{path}' is not a folder on the controller: give its path, {where}")
    if not _is_checkout(path):
        return Project(path, tuple(sorted(_walked(path))))
    # In a merge one name is listed several times.
    return Project(path, tuple(sorted(set(_listed(path)))), *read_commit(path))


def read_commit(path: str) -> tuple[str | None, bool | None]:
    """Return the commit that a folder of a checkout is at, and whether its files differ from it; (None, None) outside a checkout."""
    if not _is_checkout(path):
        return None, None
    commit = _git(path, "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip() or None
    status = ("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=none", "--", ".")
    return commit, bool(_git(path, *status) or _git(path, "ls-files", "-o", *_IGNORE, "-z"))


def check_start(project: Project, script: str, program: str) -> None:
    """What is to be started has to be among the files that are sent."""
    is_sent = "/" in program and not os.path.isabs(program)
    for name, option in ((script, "script"), (program if is_sent else "", "command")):
        if name and os.path.normpath(name) not in project.files:
            raise FeatureError(
                f"{named(option)}: '{name}' is not among the files of {named('project')} {project.path} that are sent: give its path"
                " below the project, and see that no .gitignore names it"
            )


def _is_checkout(path: str) -> bool:
    """True if git keeps this folder; false too for one that an outer checkout ignores as a whole."""
    if _git(path, "rev-parse", "--is-inside-work-tree", check=False).strip() != "true":
        return False
    return bool(_git(path, "ls-files", "-co", *_IGNORE, "-z")) or not _git(path, "check-ignore", ".", check=False)


def _git(path: str, *arguments: str, check: bool = True) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    # Looking changes nothing, not even the index; git's errors are recognised in English.
    environment.update(GIT_OPTIONAL_LOCKS="0", LC_ALL="C")
    try:
        done = subprocess.run(["git", "-C", path, *_CONFIGURED, *arguments], env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        if check:
            raise FeatureError(
                f"git is missing on the controller, which tells what the .gitignore files of {named('project')} leave out:"
                " install the package git"
            ) from None
        return ""
    said = os.fsdecode(done.stderr).strip()
    foreign = _FOREIGN_CHECKOUT.search(said)
    if done.returncode and foreign:
        raise FeatureError(_say_foreign(path, foreign[1]))
    if done.returncode and check:
        why = said.splitlines()[0] if said else "no reason given"
        raise FeatureError(f"{named('project')} {path}: git {arguments[0]} fails ({why})")
    return os.fsdecode(done.stdout) if done.returncode == 0 else ""


def _say_foreign(path: str, checkout: str) -> str:
    """The message for a checkout that git does not read, since other accounts could have put commands into its configuration."""
    places = (checkout, os.path.join(checkout, ".git"))
    owners = {os.lstat(place).st_uid for place in places if os.path.lexists(place)} - {os.geteuid()}
    me, owner = user_name(os.geteuid()), " and ".join(map(user_name, sorted(owners))) or "another account"
    return (
        f"{named('project')} {path}: git does not read the checkout {checkout} for {me}, since it belongs to {owner}: run Ansible as"
        f" {owner}, or chown the checkout to {me}, or trust it: git config --global --add safe.directory {shlex.quote(checkout)}"
    )


def _listed(path: str, prefix: str = "") -> Iterator[str]:
    """Yield the tracked files and the new ones that are not ignored; submodules with their own files, nothing that is gone."""
    for name in _git(path, "ls-files", "-co", *_IGNORE, "-z").split("\0"):
        whole = os.path.join(path, name)
        if not name or not os.path.lexists(whole):
            continue
        if os.path.isdir(whole) and not os.path.islink(whole):
            yield from _listed(whole, f"{prefix}{name.rstrip('/')}/")
        else:
            yield prefix + name


def _walked(path: str) -> Iterator[str]:
    """Yield the files of a folder outside any checkout; git reads its .gitignore files all the same, with an empty repository."""
    files, ignores = [], False
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != ".git"]
        # A link to a folder is a link.
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        ignores = ignores or ".gitignore" in names
        files += [os.path.relpath(os.path.join(folder, name), path) for name in names + links if name != ".git"]
    if not ignores:
        yield from files
        return
    with tempfile.TemporaryDirectory(prefix="project-") as empty:
        _git(empty, "init", "--quiet", "--bare", ".")
        options = (f"--git-dir={empty}", f"--work-tree={path}")
        for name in _git(path, *options, "ls-files", "-o", *_IGNORE, "-z").split("\0"):
            if name.endswith("/"):
                # A checkout inside, whose files git leaves to that one.
                yield from _listed(os.path.join(path, name), name)
            elif name:
                yield name


def manifest_of(project: Project) -> dict[str, list[Any]]:
    """Return [mode, bytes, nanoseconds, SHA-256] of each file of a project, and [text] of each link."""
    found: dict[str, list[Any]] = {}
    for name in project.files:
        path = os.path.join(project.path, name)
        try:
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                found[name] = [os.readlink(path)]
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                found[name] = [info.st_mode & 0o777 | 0o600, info.st_size, info.st_mtime_ns, digest]
        except OSError as error:
            raise FeatureError(
                f"{named('project')}: {path} cannot be read ({error.strerror}): make all of the project readable on the controller"
            ) from None
    return found


def pack_project(project: Project, manifest: dict[str, list[Any]], places: Iterable[int], archive: str) -> None:
    """Write an archive of the manifest and the files at these places of it."""
    names = list(manifest)
    with tarfile.open(archive, "w:gz", compresslevel=4, format=tarfile.PAX_FORMAT) as tar:
        head = tarfile.TarInfo(_MANIFEST)
        data = json.dumps(manifest).encode()
        head.size = len(data)
        tar.addfile(head, io.BytesIO(data))
        for name in (names[place] for place in places if 0 <= place < len(names)):
            path = os.path.join(project.path, name)
            try:
                with open(path, "rb") as stream:
                    member = tarfile.TarInfo(_FILES + name)
                    member.size = os.fstat(stream.fileno()).st_size
                    tar.addfile(member, stream)
            except OSError as error:
                raise FeatureError(
                    f"{named('project')}: {path} cannot be read ({error.strerror or error}): run again when the project no longer changes"
                ) from None
