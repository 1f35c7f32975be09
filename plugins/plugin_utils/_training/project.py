# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A training's project on the controller: which of its files are sent, and which commit they are."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named

# Of whoever runs Ansible from a hook of git: they would lead to that other repository.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


@dataclass(frozen=True)
class Project:
    """A folder's files, as paths below it. C(commit) and C(dirty) are None where git keeps none of it."""

    path: str
    files: tuple[str, ...]
    commit: str | None = None
    dirty: bool | None = None

    def record(self) -> dict[str, Any]:
        """What the run's record says of it."""
        return {"path": self.path, "files": len(self.files), "commit": self.commit, "dirty": self.dirty}


def read_project(path: str) -> Project:
    """The project in this folder: all of it but what its .gitignore files name, and .git itself."""
    if not os.path.isdir(path):
        raise FeatureError(f"{named('project')} '{path}' is not a folder on the controller: give the folder of the project")
    if _git(path, "rev-parse", "--is-inside-work-tree", check=False) == "true":
        files = tuple(sorted(_listed(path)))
        commit = _git(path, "rev-parse", "--verify", "--quiet", "HEAD", check=False) or None
        dirty = bool(_git(path, "status", "--porcelain", "--", "."))
        return Project(path, files, commit, dirty)
    return Project(path, tuple(sorted(_walked(path))))


def check_start(project: Project, script: str, program: str) -> None:
    """What is to be started has to be among the files that are sent."""
    for name, option in ((script, "script_name"), (program if "/" in program else "", "command")):
        if not name or (os.path.isabs(name) and option == "command"):
            continue
        if os.path.normpath(name) not in project.files:
            raise FeatureError(
                f"{named(option)}: '{name}' is not among the files of {named('project')} {project.path} that are sent: give its path"
                " below the project, and see that no .gitignore names it"
            )


def _git(path: str, *arguments: str, check: bool = True) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    # Looking changes nothing, not even the index.
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(["git", "-C", path, *arguments], env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        if check:
            raise FeatureError(
                f"git is missing on the controller, which tells what the .gitignore files of {named('project')} leave out:"
                " install the package git"
            ) from None
        return ""
    said = os.fsdecode(done.stderr).strip()
    if done.returncode and (check or "dubious ownership" in said):
        why = said.splitlines()[0] if said else "no reason given"
        raise FeatureError(f"{named('project')} {path}: git {arguments[0]} fails ({why})")
    return os.fsdecode(done.stdout).strip("\n") if done.returncode == 0 else ""


def _listed(path: str, prefix: str = "") -> Iterator[str]:
    """What git keeps, and what it would: submodules with their own files, nothing that is gone."""
    for name in _git(path, "ls-files", "-co", "--exclude-standard", "-z").split("\0"):
        whole = os.path.join(path, name)
        if not name or not os.path.lexists(whole):
            continue
        if os.path.isdir(whole) and not os.path.islink(whole):
            yield from _listed(whole, f"{prefix}{name.rstrip('/')}/")
        else:
            yield prefix + name


def _walked(path: str) -> Iterator[str]:
    """A folder that git does not keep. Its .gitignore files are read by git all the same, from a repository with nothing in it."""
    files, ignores = [], False
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != ".git"]
        # A link to a folder is a link.
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        ignores = ignores or ".gitignore" in names
        files += [os.path.relpath(os.path.join(folder, name), path) for name in names + links]
    if not ignores:
        yield from files
        return
    with tempfile.TemporaryDirectory(prefix="project-") as empty:
        _git(empty, "init", "--quiet", "--bare", ".")
        options = (f"--git-dir={empty}", f"--work-tree={path}")
        for name in _git(path, *options, "ls-files", "-o", "--exclude-standard", "-z").split("\0"):
            if name and not name.endswith("/"):
                yield name
