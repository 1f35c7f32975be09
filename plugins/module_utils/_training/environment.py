# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a training of this user will find on this host: an environment, an interpreter, programs. As the training user.

Never what this module or a tmux server finds: somebody's shell may have left its traces in either.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from typing import Dict, Mapping, Optional, Tuple

from .. import errors
from .._system import accounts, paths, programs

PATH = "/usr/local/bin:/usr/bin:/bin"
_PATIENCE = 90


def find_interpreter(account: accounts.Account, virtualenv: str) -> str:
    """A Python that the user may run, for the launcher: the training's own only where there is no other."""
    for candidate in (sys.executable, shutil.which("python3", path=PATH), os.path.join(virtualenv, "bin", "python")):
        if candidate and os.access(candidate, os.X_OK):
            with contextlib.suppress(OSError):
                answer = programs.ask_program([candidate, "-I", "-c", "import json, subprocess, threading"], _PATIENCE)
                if answer and answer.code == 0:
                    return candidate
    raise errors.FeatureError(
        f"user {account.name} may run no Python 3 on this host, not even {paths.display(sys.executable)}: install python3 for all users"
    )


def login_environment(account: accounts.Account, interpreter: str, launcher: str) -> Tuple[Dict[str, str], str]:
    """The environment of a plain login of the user as the launcher finds it, and what is amiss with it."""
    try:
        answer = programs.ask_program([interpreter, "-I", "-c", launcher, "--login"], _PATIENCE, {"PATH": PATH, "LANG": "C.UTF-8"})
        environment, problem = json.loads(answer.output.decode("utf-8") if answer else "")
    except (OSError, ValueError, TypeError):
        raise errors.FeatureError(
            f"the launcher does not tell the environment of a login of user {account.name}: run a login shell as that user to see why"
        ) from None
    return dict(environment), str(problem)


def find_virtualenv(path: str, account: accounts.Account) -> str:
    """The virtual or conda environment in this folder, its whole path; empty where none is named."""
    if not path:
        return ""
    path = paths.expand_home(path, account.home)
    if not os.path.isdir(path):
        raise errors.FeatureError(f"the virtual environment {paths.display(path)} is not there for user {account.name}: {_another()}")
    marks = (os.path.join(path, *names) for names in (("conda-meta",), ("bin", "activate"), ("pyvenv.cfg",)))
    if not any(os.access(mark, os.R_OK) for mark in marks):
        raise errors.FeatureError(
            f"{paths.display(path)} is neither a virtual environment (bin/activate) nor a conda environment (conda-meta) that user"
            f" {account.name} can read: {_another()}"
        )
    return path


def find_python(virtualenv: str, login: Mapping[str, str], account: accounts.Account) -> str:
    """The interpreter of a training script."""
    if not virtualenv:
        found: Optional[str] = shutil.which("python3", path=login.get("PATH") or PATH)
        if not found:
            raise errors.FeatureError(f"user {account.name} finds no python3 on this host: install it, or set {errors.named('virtualenv')}")
        return found
    python = os.path.join(virtualenv, "bin", "python")
    if not os.access(python, os.X_OK):
        raise errors.FeatureError(
            f"the virtual environment {paths.display(virtualenv)} has no bin/python that user {account.name} may run: {_another()}"
        )
    return python


def _another() -> str:
    return f"create it, or set {errors.named('virtualenv')} (empty: the host's python3)"


def check_program(program: str, variable: str, path: str, account: accounts.Account) -> None:
    """A program without a path has to be found; whether one with a path is there is known only in its folder."""
    if not program or "/" in program or shutil.which(program, path=path):
        return
    raise errors.FeatureError(
        f"{variable}: user {account.name} finds no program '{program}' in {paths.display(path)}: install it there, or give its whole path"
    )
