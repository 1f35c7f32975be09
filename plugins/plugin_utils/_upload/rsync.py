# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command lines of rsync, how many run at once, and their processes."""

from __future__ import annotations

import math
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...module_utils.errors import FeatureError, named
from ..ssh import Login, data_command, start

# What the log says of each file that was sent: what changed, bytes on the line, its length.
LOG_FORMAT = "sent %i %b %l"

# Seconds without a byte, after which either side gives up.
_SILENCE = 300

# rsync's own variables on the controller must not change what an upload does.
VARIABLES = (
    "RSYNC_CHECKSUM_LIST",
    "RSYNC_COMPRESS_LIST",
    "RSYNC_CONNECT_PROG",
    "RSYNC_ICONV",
    "RSYNC_OLD_ARGS",
    "RSYNC_PARTIAL_DIR",
    "RSYNC_PROTECT_ARGS",
    "RSYNC_PROXY",
    "RSYNC_RSH",
    "RSYNC_SHELL",
)

# More options may slow an upload down or limit it, but not take away what makes it safe.
_FORBIDDEN = re.compile(
    r"--(del(ete(-.*)?)?|remove-source-files|remove-sent-files|inplace|append(-verify)?|write-devices|delay-updates|"
    r"partial-dir|no-partial|temp-dir|backup(-dir)?|dry-run|list-only|files-from|from0|no-from0|relative|no-relative|"
    r"rsh|rsync-path|log-file(-format)?|out-format|chmod|owner|group|perms|super|fake-super|daemon|server|sender|"
    r"copy-dest|compare-dest|link-dest|only-write-batch|read-batch|filter|exclude(-from)?|include(-from)?|"
    r"update|existing|ignore-existing|ignore-non-existing|max-size|min-size)(=.*)?\Z"
)
_FORBIDDEN_LETTERS = set("nebuFfRTogpa0")


def check_options(options: Sequence[Any]) -> list[str]:
    """The user's additional rsync options; FeatureError for one that would break the upload's promises."""
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise FeatureError(f"{named('rsync_opts')} must be a list of rsync options, such as ['--bwlimit=5m']")
    checked = []
    for option in options:
        text = str(option)
        if not text.startswith("-"):
            raise FeatureError(
                f"{named('rsync_opts')}: '{text}' is not an option: write each as one item, with '=' before its value"
            )
        short = not text.startswith("--") and _FORBIDDEN_LETTERS & set(re.split("[BM@]", text[1:])[0])
        if _FORBIDDEN.match(text) or short or text in ("-", "--"):
            raise FeatureError(
                f"{named('rsync_opts')}: '{text}' would change what is uploaded or where it gathers: leave it out"
            )
        checked.append(text)
    return checked


@dataclass(frozen=True)
class Sending:
    """What one rsync sends. C(files): the NUL-separated list of paths below the source; C(tree): whether to keep their folders."""

    source: str
    files: str
    log: str
    tree: bool
    more: Sequence[str] = ()


def rsync_options(sending: Sending) -> list[str]:
    return [
        "--times",
        "--omit-dir-times",
        "--copy-links",
        "--no-compress",
        "--no-iconv",
        # Also if both sides are one host: a file that broke off goes on where it stopped.
        "--no-whole-file",
        "--partial-dir=.rsync-partial",
        "--chmod=D0755,F0644",
        "--from0",
        f"--files-from={sending.files}",
        "--relative" if sending.tree else "--no-relative",
        f"--timeout={_SILENCE}",
        f"--log-file={sending.log}",
        f"--log-file-format={LOG_FORMAT}",
        *sending.more,
    ]


def remote_options(connector: Sequence[str], login: Login | None) -> tuple[list[str], str]:
    """Return the options by which rsync reaches the host, and the host's address. login: None if the host is this machine.

    connector: what runs on the host as the connecting user in place of rsync, which appends its arguments (see
    module_utils/_upload/connector.py).
    """
    # Without SSH the remote shell is one that drops the host's name, so that both ways are one.
    shell = data_command(login) if login else ["/bin/sh", "-c", 'shift; eval "$*"', "sh"]
    options = [f"--rsh={shlex.join(shell)}", f"--rsync-path={shlex.join(connector)}"]
    return options, login.rsync_address if login else "localhost"


def send_command(options: Sequence[str], source: str, connector: Sequence[str], login: Login | None) -> list[str]:
    """Return the controller's rsync, which starts the host's by the connector."""
    remote, address = remote_options(connector, login)
    return ["rsync", *options, *remote, f"{source}/", f"{address}:./"]


def files_list(paths: Sequence[bytes]) -> bytes:
    """What C(--files-from) reads. With ./ in front no name is taken for a comment or an option."""
    return b"".join(b"./" + path + b"\0" for path in paths)


def share_out(sizes: Sequence[int], streams: int) -> list[list[int]]:
    """Distribute the numbers of files to streams that have about the same to send; each stream keeps the files' order."""
    shares: list[list[int]] = [[] for _stream in range(max(1, min(streams, len(sizes))))]
    loads = [0] * len(shares)
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        least = loads.index(min(loads))
        shares[least].append(number)
        loads[least] += sizes[number] + 1
    return [sorted(share) for share in shares]


# A line is long from this round trip on, in seconds: one connection cannot keep enough under way to fill it.
_LONG = 0.010
# What one has under way at most: of SSH's window of 2 MiB some 1.7 MB, since the other end opens it in steps.
_UNDER_WAY = 1.7e6
# What the streams are to carry together, in bytes a second: 1 Gbit/s. So many at least, as a line that loses packets wants them; and no
# more than a host lets in that has not logged in yet (MaxStartups is 10).
_RATE = 125e6
_STREAMS_OF_LONG_LINES = (4, 8)
_MOST_STREAMS = 16


def check_streams(value: Any) -> int | None:
    """The number of streams that the user wants; None for auto. FeatureError for anything else."""
    text = str(value).strip().lower()
    if text in ("auto", ""):
        return None
    if not text.isdigit() or not 1 <= int(text) <= _MOST_STREAMS:
        raise FeatureError(
            f"{named('streams')}: '{value}' is not a number of connections: set auto, or 1 to {_MOST_STREAMS}"
        )
    return int(text)


def choose_streams(wanted: int | None, options: Sequence[str], round_trip: float | None) -> int:
    """How many streams an upload has; round_trip: seconds. A limit on the bandwidth is one on each stream, so that it chooses one."""
    if wanted is not None:
        return wanted
    if round_trip is None or round_trip < _LONG or any(option.startswith("--bwlimit") for option in options):
        return 1
    least, most = _STREAMS_OF_LONG_LINES
    return max(least, min(most, math.ceil(_RATE * round_trip / _UNDER_WAY)))


@dataclass(frozen=True)
class Ended:
    """How one rsync ended."""

    code: int
    stderr: str


def run_streams(commands: Iterable[Sequence[str]], work: Path, login: Login | None) -> list[Ended]:
    """Run the commands concurrently. login: None on this machine.

    One that fails does not end the others: what they send need not be sent again.
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment["LC_ALL"] = "C"
    null = subprocess.DEVNULL
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    try:
        for number, command in enumerate(commands):
            said = work / f"stderr{number}"
            with said.open("wb") as stderr:
                running.append((start(command, login, env=environment, stdin=null, stdout=null, stderr=stderr), said))
        codes = [process.wait() for process, _said in running]
    finally:
        for process, _said in running:
            if process.poll() is None:
                process.terminate()
    return [Ended(code, said.read_text("utf-8", "replace")) for code, (_process, said) in zip(codes, running, strict=True)]


def first_failure(ended: Sequence[Ended]) -> Ended | None:
    """The most telling failure: a stream with a message before one that merely broke."""
    failed = [one for one in ended if one.code != 0]
    return min(failed, key=lambda one: not one.stderr.strip(), default=None)
