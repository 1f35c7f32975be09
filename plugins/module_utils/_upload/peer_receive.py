# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host receives one set's features from another host: a key pair for this transfer, rsync over SSH, and every byte verified."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shlex
import shutil
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .. import errors
from .._scan.manifest import Manifest
from .._scan.staging import verify_file
from .._spec.sets import FeatureSet
from .._system import paths, programs
from . import peer_key, requirements, staging
from .plan import UploadPlan

_REACH_SECONDS = 4.0
# Before each attempt, in seconds: sshd turns some of many callers away (MaxStartups), and all receivers of a fleet call at once.
_PAUSES = (0.0, 0.3, 1.0)
_SILENCE = 300
_LITTER_SECONDS = 86400.0
# Processors have instructions for AES: the last one takes twice the time, and is for an sshd that allows no other.
_CIPHERS = "Ciphers=aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr,chacha20-poly1305@openssh.com"
_WILDCARDS = re.compile(r"([*?\[\\])")


class PeerSender(NamedTuple):
    """The host that sends. C(token): the transfer's name, under which the receiver's key is kept."""

    name: str
    address: str
    port: int
    user: str
    host_keys: Sequence[str]
    token: str
    options: Sequence[str] = ()


def reach(peers: Sequence[Mapping[str, Any]]) -> Dict[str, str]:
    """Return, for each peer whose sshd answers here, the address of this host that it sees.

    peers: C(name), C(address), C(port) of each.
    """
    if not peers:
        return {}
    with ThreadPoolExecutor(min(32, len(peers))) as pool:
        answers = list(pool.map(_own_address, peers))
    return {str(peer["name"]): address for peer, address in zip(peers, answers) if address}


def _own_address(peer: Mapping[str, Any]) -> Optional[str]:
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            with socket.create_connection((str(peer["address"]), int(peer["port"])), _REACH_SECONDS) as connection:
                connection.settimeout(_REACH_SECONDS)
                with contextlib.suppress(ConnectionResetError):
                    if connection.recv(4) == b"SSH-":
                        return str(connection.getsockname()[0])
        except (OSError, UnicodeError):
            return None
    return None


def check_programs() -> None:
    """FeatureError if a program is missing that a transfer needs here."""
    requirements.check_tools()
    for command in ("ssh-keygen", "ssh"):
        _client(command)


def make_key(token: str) -> str:
    """Make a key pair for one transfer, as the current user; return the public key. FeatureError, OSError."""
    keygen = _client("ssh-keygen")
    directory = _directory(token)
    _sweep()
    os.mkdir(directory, 0o700)
    file = os.path.join(directory, "key")
    done = programs.ask_program([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], 60, requirements.environment())
    if done is None or done.code != 0:
        forget_key(token)
        raise errors.FeatureError(f"{keygen} on the host made no key: see what it says there")
    with open(file + ".pub", encoding="ascii") as public:
        return " ".join(public.read().split()[:2])


def _sweep() -> None:
    """Remove what runs that were killed left a day ago: keys that no host accepts any more."""
    for path in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), "trainprep-peer-*")):
        with contextlib.suppress(OSError):
            info = os.lstat(path)
            if info.st_uid == os.geteuid() and info.st_mtime < time.time() - _LITTER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _client(command: str) -> str:
    path = shutil.which(command, path=requirements.search_path())
    if path is None:
        raise errors.FeatureError(f"{command} is missing on the host: install the package openssh-client (openssh-clients) there")
    return path


def forget_key(token: str) -> None:
    """Remove the key pair, as the user who made it."""
    directory = _directory(token)
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(directory).st_uid == os.geteuid():
            shutil.rmtree(directory, ignore_errors=True)


def _directory(token: str) -> str:
    return os.path.join(tempfile.gettempdir(), f"trainprep-peer-{peer_key.check_token(token)}")


def transfer(one: FeatureSet, wanted: Manifest, sender: PeerSender, fd: int, plan: UploadPlan) -> None:
    """Have rsync receive what is missing into the locked staging directory, as its owner; verify it. FeatureError if that fails.

    wanted: all that the sender holds. What has arrived by then stays for the next sender.
    """
    directory = _directory(sender.token)
    info = os.lstat(directory)
    if info.st_uid != os.geteuid() or info.st_mode & 0o077:
        raise errors.FeatureError(f"{directory} is not the directory that this transfer's key was written to: run again")
    _write(directory, "known_hosts", peer_key.known_hosts(sender.address, sender.port, list(sender.host_keys)))
    # What is here already is not sent again: the sender has rsync leave it out.
    _write(directory, "exclude", "".join(f"/{_pattern(name)}\0" for name in sorted(set(wanted) - set(plan.send))))
    done = programs.ask_program(_command(directory, sender), None, requirements.environment(), directory=fd)
    if done is None or done.code:
        raise errors.FeatureError(f"{sender.name} did not send the features: {_reason(done, sender.user) if done else 'no end'}")
    _verify(one, sender, fd, plan)


def _write(directory: str, name: str, text: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _pattern(name: str) -> str:
    """The pattern of rsync that matches this name alone: a backslash escapes only if there is a wildcard."""
    return _WILDCARDS.sub(r"\\\1", name) if re.search(r"[*?\[]", name) else name


def _command(directory: str, sender: PeerSender) -> List[str]:
    host = sender.address
    ssh = [
        _client("ssh"), "-F", "/dev/null", "-S", "none", "-p", str(sender.port), "-l", sender.user, "-i", f"{directory}/key",
        *(f"-o{option}" for option in (
            f"UserKnownHostsFile={directory}/known_hosts", "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "BatchMode=yes",
            "IdentitiesOnly=yes", "IdentityAgent=none", "PreferredAuthentications=publickey", "Compression=no", "LogLevel=ERROR",
            "ConnectTimeout=20", _CIPHERS, "ServerAliveInterval=15", "ServerAliveCountMax=4", "ClearAllForwardings=yes",
        )),
    ]  # fmt: skip
    rsync = shutil.which("rsync", path=requirements.search_path()) or "rsync"
    return [
        rsync, "--recursive", "--times", "--omit-dir-times", "--no-whole-file", "--no-iconv", "--partial-dir=.rsync-partial",
        "--chmod=D0755,F0644", "--from0", f"--exclude-from={directory}/exclude", f"--timeout={_SILENCE}", *sender.options,
        f"--rsh={shlex.join(ssh)}", f"{f'[{host}]' if ':' in host else host}:./", "./",
    ]  # fmt: skip


def _reason(done: programs.Answer, user: str) -> str:
    lines = [line.strip() for line in done.errors.decode("utf-8", "replace").splitlines()]
    useful = [line for line in lines if line and not line.startswith(("rsync error", "rsync: connection unexpectedly"))]
    if useful and "Permission denied (" in useful[-1]:
        return (
            f"{useful[-1][:200]} Its sshd did not accept the key in ~{user}/.ssh/authorized_keys: look there at AuthorizedKeysFile,"
            " AllowUsers and PubkeyAuthentication in sshd_config; keys that expire need OpenSSH 7.7"
        )
    return useful[-1][:200] if useful else f"rsync ended with code {done.code}"


def _verify(one: FeatureSet, sender: PeerSender, fd: int, plan: UploadPlan) -> None:
    """Every byte: a sender is believed in nothing. What is not as its manifest says is removed, so that another can send it."""
    thorough = replace(one, verify="full")
    bad = []
    for name in plan.send:
        reason = verify_file(thorough, fd, name, plan.wanted[name])
        if reason is not None:
            bad.append(f"{paths.display(name)} {reason or 'did not arrive'}")
            staging.remove_files(fd, [name])
    if bad:
        raise errors.FeatureError(
            f"{sender.name} sent {len(bad)} of {len(plan.send)} files that are not what it said it holds (e.g. {bad[0]}): they changed"
            " there meanwhile, or that host is not to be trusted"
        )
