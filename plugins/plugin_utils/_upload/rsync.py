# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command lines of an upload, and its exit codes in words. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

# Exit codes of the receiving side, which no rsync uses.
BUSY, REPLACED = 75, 76
_BUSY_WORD, _REPLACED_WORD = "feature_upload: busy", "feature_upload: replaced"

# What the log says of each file that was sent: what changed, bytes on the line, its length.
LOG_FORMAT = "sent %i %b %l"

# rsync's own variables on the controller must not change what an upload does. Empty is as good as unset for each.
NEUTRAL_ENVIRONMENT = dict.fromkeys(
    (
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
    ),
    "",
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
        raise FeatureError("prepare_features_rsync_opts must be a list of rsync options, such as ['--bwlimit=5m']")
    checked = []
    for option in options:
        text = str(option)
        if not text.startswith("-"):
            raise FeatureError(
                f"prepare_features_rsync_opts: '{text}' is no option: write each as one item, with '=' before its value"
            )
        short = not text.startswith("--") and _FORBIDDEN_LETTERS & set(re.split("[BM@]", text[1:])[0])
        if _FORBIDDEN.match(text) or short or text in ("-", "--"):
            raise FeatureError(
                f"prepare_features_rsync_opts: '{text}' would change what is uploaded or where it gathers: leave it out"
            )
        checked.append(text)
    return checked


def rsync_options(files_from: str, log: str, tree: bool, more: Sequence[str], rsh: str | None) -> list[str]:
    """The options of an upload, each quoted as C(ansible.posix.synchronize) needs it.

    files_from: NUL-separated list of paths below the source. tree: keep the folders. rsh: the remote shell.
    """
    options = [
        "--times",
        "--omit-dir-times",
        "--copy-links",
        "--no-compress",
        "--no-iconv",
        # Also where both sides are one host: a file that broke off goes on where it stopped.
        "--no-whole-file",
        "--partial-dir=.rsync-partial",
        "--chmod=D0755,F0644",
        "--from0",
        f"--files-from={files_from}",
        "--relative" if tree else "--no-relative",
        f"--log-file={log}",
        f"--log-file-format={LOG_FORMAT}",
        *more,
    ]
    if rsh is not None:
        options.append(f"--rsh={rsh}")
    return [shlex.quote(option) for option in options]


def files_list(paths: Sequence[bytes]) -> bytes:
    """What C(--files-from) reads. With ./ in front no name is taken for a comment or an option."""
    return b"".join(b"./" + path + b"\0" for path in paths)


def ssh_command(options: Mapping[str, Any], with_password: bool) -> str:
    """The remote shell, set as the host's own SSH connection is, but not shared with it and not compressing.

    options: of the connection plugin.
    """
    words = [str(options.get("ssh_executable") or "ssh"), "-S", "none"]
    for key in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        # -C is in Ansible's default arguments; features are floats, which compressing only slows down.
        words += [word for word in shlex.split(str(options.get(key) or "")) if word != "-C"]
    if options.get("host_key_checking") is False:
        words += ["-o", "StrictHostKeyChecking=no"]
    if options.get("port"):
        words += ["-o", f"Port={options['port']}"]
    if options.get("private_key_file"):
        words += ["-o", f'IdentityFile="{options["private_key_file"]}"']
    if not with_password:
        words += ["-o", "BatchMode=yes"]
    if options.get("timeout"):
        words += ["-o", f"ConnectTimeout={options['timeout']}"]
    # A line that went dead is noticed after a minute, on this side.
    words += ["-o", "Compression=no", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]
    return " ".join(shlex.quote(word) for word in words)


def receiver_command(rsync: str, staging: str, key: str, sudo_user: str | None) -> str:
    """What runs on the receiving side, to which rsync appends its arguments.

    It enters the staging directory and makes sure that it is the one that was prepared (key: st_dev:st_ino), so that
    nobody who may rename it can lead a privileged rsync elsewhere; then it takes the lock on a descriptor that rsync
    inherits and holds as long as it lives, also when its connection has gone.
    """
    # On its way here the module expands what looks like a variable: the path travels with its dollars in disguise.
    disguised = staging.replace("\\", "\\\\").replace("$", "\\0044")
    script = (
        f'cd -- "$(printf %b "$1")" && [ "$(stat -c %d:%i .)" = "$2" ] || {{ echo "{_REPLACED_WORD}" >&2; exit {REPLACED}; }}; '
        f"shift 2; exec 9<.; flock -n -E {BUSY} 9; "
        f'[ $? -ne {BUSY} ] || {{ echo "{_BUSY_WORD}" >&2; exit {BUSY}; }}; '
        f'umask 022; exec {shlex.quote(rsync)} "$@"'
    )
    words = ["sudo", "-n", "-H", "-u", sudo_user, "--"] if sudo_user else []
    words += ["/bin/sh", "-c", script, "feature_upload", disguised, key]
    return " ".join(shlex.quote(word) for word in words)


# Later entries are less specific. Each: what stderr says, and the sentence.
_EXPLANATIONS = (
    (_BUSY_WORD, "another upload is writing into {where}: wait until it ends, then run again"),
    (_REPLACED_WORD, "{where} was removed or replaced while the upload began: run again"),
    ("No space left on device", "the disk of {where} is full: make room there and run again, it goes on from here"),
    ("Disk quota exceeded", "the disk quota for {where} is used up: make room there and run again, it goes on from here"),
    ("Read-only file system", "the disk of {where} is mounted read-only: mount it writable and run again"),
    ("a password is required", "{host}: sudo asks for a password, which rsync cannot give: allow the connecting user to use"
                               " sudo without one"),
    ("Host key verification failed", "{host}: its SSH host key is not known or has changed: add it to known_hosts"),
    ("Permission denied (", "{host}: SSH refused the login of the upload's rsync: it needs a key, or sshpass and a password"),
    ("sshpass", "sshpass is missing on the controller, where it gives rsync the SSH password: install the package sshpass,"
                " or log in by key"),
    ("vanished", "a file of the source vanished while it was uploaded: run again when nobody changes the source"),
    ("send_files failed to open", "a file of the source cannot be read: make all of it readable, on the controller"),
    ("rsync: command not found", "rsync is missing on {host}: install the package rsync there"),
    ("unknown option", "an rsync is too old for an option of the upload: use rsync 3.1 or later on both sides"),
    ("unrecognized option", "an rsync is too old for an option of the upload: use rsync 3.1 or later on both sides"),
)  # fmt: skip


def explain(code: int, message: str, host: str, where: str, more: Sequence[str] = ()) -> str:
    """An rsync that failed, in one sentence. where: the staging directory, for people. more: the user's own options."""
    for option in more:
        if re.search(rf"(?<!\S){re.escape(option.split('=')[0])}(=\S*)?: un(known|recognized) option", message):
            return f"prepare_features_rsync_opts: rsync knows no option '{option}': correct it, or leave it out"
    for text, sentence in _EXPLANATIONS:
        if text in message:
            return sentence.format(host=host, where=where)
    if code == BUSY:
        return _EXPLANATIONS[0][1].format(host=host, where=where)
    last = [line for line in message.splitlines() if line.strip() and not line.startswith("rsync error")]
    why = f" ({last[0].strip()[:160]})" if last else ""
    if code in (10, 11, 12, 19, 20, 30, 35, 255) or code < 0 or code > 128:
        return f"the upload to {where} on {host} broke off{why}: run again, it goes on from there"
    return f"the upload to {where} on {host} failed with rsync's code {code}{why}: put that right and run again"
