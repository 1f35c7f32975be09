# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transfer that failed, in one message: the real cause, and whether running again helps. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...module_utils._upload.connector import IMPOSTOR, REFUSED
from ...module_utils.errors import named


@dataclass(frozen=True)
class Where:
    """For people: the host, who logs in there, the staging directory, and the user's own rsync options."""

    host: str
    user: str
    staging: str
    options: Sequence[str] = ()
    what: str = "the upload to"


_GONE = (
    "{host}: the process that receives the upload into {staging} has ended: run again, it goes on from there; if it ends again, the"
    " become method ends all processes of its session: use another one (e.g. sudo)"
)

# In this order. Each: what stderr says (a regular expression), and the message; {line} is the line that says so.
_CAUSES = (
    (r"ConnectionRefusedError|ConnectionResetError|BrokenPipeError|" + re.escape(IMPOSTOR), _GONE),
    (re.escape(REFUSED), "{options}: the host's side does not accept an option ({line}): leave it out"),
    (r"No space left on device", "the disk of {staging} is full: make room there and run again, it goes on from here"),
    (r"Disk quota exceeded", "the disk quota for {staging} is used up: make room there and run again, it goes on from here"),
    (r"Read-only file system", "the disk of {staging} is mounted read-only: mount it writable and run again"),
    (r"Host key verification failed", "{host}: its SSH host key is not known or has changed: add it to known_hosts"),
    (r"Permission denied \(", "{host}: SSH refused the login of the upload's rsync: it needs a key, or sshpass and a password"),
    (r"sshpass: ", "{host}: SSH refused the password of the upload's rsync ({line}): correct ansible_password, or log in by key"),
    (r"is your shell clean", "{host}: the login shell of {user} prints text into sessions without a terminal, which rsync cannot"
                             " understand: let its start-up files (.bashrc and the like) print only if the shell is"
                             " interactive"),
    (r"protocol version mismatch|protocol incompatibility",
     "{host}: its rsync and the controller's do not understand each other ({line}): use rsync 3.1 or later on both sides"),
    (r"vanished", "a file of the source vanished while it was uploaded: run again when the source does not change"),
    (r"send_files failed to open", "a file of the source cannot be read: make all of it readable, on the controller"),
    (r"unknown option|unrecognized option",
     "an rsync is too old for an option of the upload ({line}): use rsync 3.1 or later on both sides"),
    (r"error while loading shared libraries|Exec format error|symbol lookup error|Segmentation fault|"
     r"Illegal instruction", "rsync on {host} cannot be started ({line}): install the package rsync again there"),
    (r"command not found|: not found|Unknown command|cannot execute|^\w*sh: .*(Permission denied|No such file)|\(code 127\)|\(code 126\)",
     "the host's side of the upload cannot be started on {host} ({line}): install rsync there, and set ansible_python_interpreter to"
     " a Python that the connecting user may run"),
    (r"(failed to set|set_acl|chown|chgrp).*(Operation not permitted|not supported)",
     "the file system of {staging} refuses what an upload needs ({line}): choose a target on another file system"),
)  # fmt: skip

# Exit codes of lines that broke: rsync's own, and those of processes that were killed. What they had sent is kept.
_BROKEN = (10, 11, 12, 19, 20, 30, 35, 255)

# Who speaks in a line of stderr that can be a cause. Everything else is chatter: banners, what shells print, lectures.
_SPEAKERS = re.compile(
    r"(rsync|ssh|sshpass|\w*sh|/bin/\w+|feature_upload|kex_\w+|client_loop|Connection|Timeout)\b.*?[:\s]"
)
_NO_CAUSE = re.compile(
    r"rsync error:|rsync: connection unexpectedly closed|.*Permanently added|rsync: \[\w+\] (read error|write error).*Broken pipe"
)


def explain(code: int, stderr: str, where: Where) -> str:
    for option in where.options:
        if re.search(rf"(?<!\S){re.escape(option.split('=')[0])}(=\S*)?: un(known|recognized) option", stderr):
            return f"{named('rsync_opts')}: rsync has no option '{option}': correct it, or leave it out"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    names = {"host": where.host, "user": where.user, "staging": where.staging, "options": named("rsync_opts")}
    for pattern, sentence in _CAUSES:
        for line in lines:
            if re.search(pattern, line):
                return sentence.format(line=line[:160], **names)
    line = cause(lines)
    why = f" ({line[:160]})" if line else ""
    if code in _BROKEN or code < 0 or code > 128:
        return f"{where.what} {where.staging} on {where.host} broke off{why}: run again, it goes on from there"
    return f"{where.what} {where.staging} on {where.host} failed with rsync's code {code}{why}: correct that and run again"


def cause(lines: Sequence[str]) -> str:
    """The line of stderr that says most: the first of a program of ours; what only sums up, and chatter, says less."""
    spoken = [line for line in lines if _SPEAKERS.match(line)]
    for some in ([line for line in spoken if not _NO_CAUSE.match(line)], spoken):
        if some:
            return some[0]
    return ""
