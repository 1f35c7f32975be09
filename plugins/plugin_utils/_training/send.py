# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A training's project sent to a host by rsync, and how that fails in words."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named
from ansible_collections.trainprep.features.plugins.plugin_utils._training.project import Project
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login, ssh_command

_SILENCE = 300  # seconds without a byte, after which either side gives up


def receiver_words(staged: Mapping[str, Any]) -> list[str]:
    """What runs on the host, to which rsync appends its arguments: as the training user, in the folder that was made for it.

    Whoever may rename folders there cannot lead it into another one. The lock tells that it is in use, as long as it lives.
    """
    script = (
        'cd -- "$1" && [ "$(stat -c %d:%i .)" = "$2" ] || exit 76; shift 2; exec 9<.; flock -n 9 || exit 75; '
        f'exec {shlex.quote(str(staged["rsync"]))} "$@"'
    )
    words = ["/bin/sh", "-c", script, "training_project", str(staged["path"]), str(staged["key"])]
    return ["sudo", "-n", "-H", "-u", str(staged["sudo_user"]), "--", *words] if staged["sudo_user"] else words


def rsync_words(project: Project, files: str, staged: Mapping[str, Any], login: Login | None) -> list[str]:
    """The command that sends the project's files. What an earlier run has the same is copied on the host.

    login: None for this machine.
    """
    words = [
        "rsync",
        *("--links", "--perms", "--times", "--checksum", "--compress", "--chmod=u+rwX", "--no-iconv"),
        *("--from0", f"--files-from={files}", f"--timeout={_SILENCE}"),
    ]
    if staged["copy_from"]:
        words.append(f"--copy-dest={staged['copy_from']}")
    # Without SSH the remote shell is one that leaves out the host's name, so that both ways are one.
    remote = ssh_command(login) if login else ["/bin/sh", "-c", 'shift; eval "$*"', "sh"]
    address = login.rsync_address if login else "localhost"
    words += [f"--rsh={shlex.join(remote)}", f"--rsync-path={shlex.join(receiver_words(staged))}"]
    return [*words, f"{project.path}/", f"{address}:./"]


def send_project(project: Project, staged: Mapping[str, Any], login: Login | None, host: str) -> None:
    """Sends the project's files into the folder that the host has made; FeatureError where they have not all arrived."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RSYNC_")}
    with tempfile.TemporaryDirectory(prefix="project-") as work:
        files = Path(work, "files")
        # With ./ in front no name is taken for a comment or an option.
        files.write_bytes(b"".join(b"./" + os.fsencode(name) + b"\0" for name in project.files))
        command = rsync_words(project, str(files), staged, login)
        if login and login.password:
            environment["SSHPASS"] = login.password
            command = ["sshpass", "-e", *command]
        try:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except FileNotFoundError:
            raise FeatureError(f"{command[0]} is missing on the controller: install the package {command[0]} there") from None
    if done.returncode:
        raise FeatureError(explain(done.returncode, done.stderr.decode("utf-8", "replace"), host, project.path))


_CAUSES = (
    ("a password is required", "sudo asks for a password, which rsync cannot give: allow the connecting user to use sudo without"
                               " one, or connect as the training user"),
    ("may not run sudo", "the connecting user may not become the training user by sudo: allow it, or connect as the training user"),
    ("must have a tty", "sudo demands a terminal there: take requiretty out of sudoers for the connecting user"),
    ("Permission denied (", "SSH refused the login: it needs a key, or sshpass and a password"),
    ("No space left on device", "its disk is full: make room there and run again"),
    ("is your shell clean", "the login shell prints text into sessions without a terminal: let .bashrc print only where it is interactive"),
    ("vanished", "a file vanished while it was sent: run again when nobody changes the project"),
    ("failed to open", "a file cannot be read: make all of the project readable on the controller"),
)  # fmt: skip


def explain(code: int, said: str, host: str, path: str) -> str:
    """An rsync that failed, in one sentence."""
    start = f"{named('project')} {path} was not sent to {host}"
    for text, sentence in _CAUSES:
        if text in said:
            return f"{start}: {sentence}"
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("rsync error")]
    return f"{start} (rsync's code {code}{': ' + lines[-1][:160] if lines else ''}): put that right and run again"


def check_words(words: Sequence[str], become_method: str, transport: str, host: str) -> None:
    """FeatureError where rsync cannot go the way that Ansible goes."""
    if transport not in ("ssh", "local"):
        raise FeatureError(
            f"{host} is reached by the connection '{transport}', over which rsync cannot send {named('project')}: use ssh"
        )
    if words[:1] == ["sudo"] and not become_method.endswith("sudo"):
        raise FeatureError(
            f"{host}: rsync becomes the training user by sudo only, not by {become_method}: set ansible_become_method: sudo, or"
            " connect as the training user"
        )
