# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sender's permission for one transfer: a key in authorized_keys that runs one command, from one address, for a short time.

It is added and removed by a process that is the connecting user, whose file this is.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import ipaddress
import os
import re
import shutil
import stat
import time
from typing import Iterator, List, NamedTuple, Optional

from .. import errors
from .._system import accounts, at, paths, programs

# How long the key is accepted for a new connection, in seconds. One that is open by then goes on.
LIFETIME = 600.0

_FILE = "authorized_keys"
_MARK = "trainprep.features:"
_MARKED = re.compile(rb" trainprep\.features:([0-9a-f]{32}):([0-9]+)\s*\Z")
_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}={0,3}\Z")
_HOST_KEY = re.compile(r"(?:ssh|ecdsa)-[A-Za-z0-9-]+ [A-Za-z0-9+/]+={0,3}\Z")
_TOKEN = re.compile(r"[0-9a-f]{32}\Z")


class Permission(NamedTuple):
    """What is allowed: C(key) (public) may run C(command) from C(address). C(token): the transfer's; C(end): time.time()."""

    key: str
    address: str
    command: str
    token: str
    end: float


def check_token(token: str) -> str:
    """Return the name of a transfer, 32 hexadecimal digits; FeatureError for anything else."""
    if not _TOKEN.match(token):
        raise errors.FeatureError("the name of a transfer between hosts must be 32 hexadecimal digits: leave it to feature_upload")
    return token


def key_line(permission: Permission) -> str:
    """Return the line for authorized_keys; FeatureError for a key or address that is none. Pure but for the local time zone."""
    if not _KEY.match(permission.key):
        raise errors.FeatureError("the receiver's public key is not an Ed25519 key: install OpenSSH 7.2 or later on both hosts")
    try:
        address = str(ipaddress.ip_address(permission.address))
    except ValueError:
        raise errors.FeatureError("the receiver gave no IP address of its own: leave peers to feature_upload") from None
    if "\n" in permission.command or "\\" in permission.command:
        raise ValueError("a forced command is one line without backslashes")
    expiry = time.strftime("%Y%m%d%H%M%S", time.localtime(permission.end))
    command = permission.command.replace('"', '\\"')
    mark = f"{_MARK}{check_token(permission.token)}:{int(permission.end)}"
    return f'restrict,from="{address}",expiry-time="{expiry}",command="{command}" {permission.key} {mark}\n'


def without(text: bytes, token: Optional[str], now: float) -> bytes:
    """Return the text of an authorized_keys file without the token's line and without expired lines of ours. Pure."""

    def stays(line: bytes) -> bool:
        marked = _MARKED.search(line)
        return not marked or (marked[1].decode("ascii") != token and float(marked[2]) > now)

    return b"".join(line for line in text.splitlines(keepends=True) if stays(line))


def check_sshd(user: accounts.Account, address: str) -> None:
    """Raise FeatureError if sshd does not accept keys from the user's authorized_keys. Only root gets an answer from it."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
    question = f"user={user.name},host={address},addr={address}"
    said = sshd and programs.ask_program([sshd, "-T", "-C", question], 10, {"PATH": os.defpath, "LC_ALL": "C"})
    if said and said.code == 0:
        reason = refusal(said.output.decode("utf-8", "replace"), user)
        if reason:
            raise errors.FeatureError(reason)


def refusal(settings: str, user: accounts.Account) -> str:
    """Return why sshd will not accept a key in the user's authorized_keys, empty if it may. settings: what C(sshd -T) prints. Pure."""
    found = dict(line.split(" ", 1) for line in settings.splitlines() if " " in line)
    files = found.get("authorizedkeysfile", "").replace("%h", user.home).replace("%u", user.name).split()
    if found.get("pubkeyauthentication") == "no":
        return f"its sshd accepts no keys of {user.name} (PubkeyAuthentication no in sshd_config)"
    if files and not any(os.path.join(user.home, file) == os.path.join(user.home, ".ssh", _FILE) for file in files):
        return (
            f"its sshd reads the keys of {user.name} from {found['authorizedkeysfile']} (AuthorizedKeysFile in sshd_config), and not from"
            " .ssh/authorized_keys: add that there"
        )
    return ""


def add_key(home: str, permission: Permission) -> None:
    """Append the permission to the authorized_keys of the current user. OSError, FeatureError."""
    line = key_line(permission).encode("ascii")
    with _locked(home, make=True) as directory:
        text = without(_read(directory), None, time.time())
        _write(directory, text + (b"" if not text or text.endswith(b"\n") else b"\n") + line, permission.token)


def remove_key(home: str, token: str) -> None:
    """Remove the token's line from the authorized_keys of the current user. OSError."""
    with contextlib.suppress(FileNotFoundError), _locked(home, make=False) as directory:
        before = _read(directory)
        after = without(before, token, time.time())
        if after != before:
            _write(directory, after, token)


@contextlib.contextmanager
def _locked(home: str, make: bool) -> Iterator[int]:
    """A descriptor of ~/.ssh; concurrent transfers change the file one after the other."""
    path = os.path.join(home, ".ssh")
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
    directory = os.open(path, paths.OPEN_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def _read(directory: int) -> bytes:
    try:
        fd = at.open_name(directory, _FILE, paths.OPEN_FILE)
    except FileNotFoundError:
        return b""
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise errors.FeatureError("~/.ssh/authorized_keys is not a regular file: peers need one that the connecting user can extend")
        return file.read()


def _write(directory: int, text: bytes, token: str) -> None:
    """Replace the file in one step, with its mode."""
    mode = 0o600
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(at.lstat(directory, _FILE).st_mode)
    name = f".{_FILE}.{token}"
    with contextlib.suppress(FileNotFoundError):
        at.unlink(directory, name)
    fd = at.create(directory, name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fchmod(fd, mode)
            os.fsync(fd)
        at.rename(directory, name, directory, _FILE)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            at.unlink(directory, name)
        raise


def host_keys(directory: str = "/etc/ssh") -> List[str]:
    """Return the public keys by which this host's sshd is known, each as C(type base64)."""
    found = []
    for path in sorted(glob.glob(os.path.join(directory, "ssh_host_*_key.pub"))):
        with contextlib.suppress(OSError, ValueError):
            with open(path, encoding="ascii") as file:
                key = " ".join(file.read(16384).split()[:2])
            if _HOST_KEY.match(key):
                found.append(key)
    return found


def known_hosts(address: str, port: int, keys: List[str]) -> str:
    """Return the known_hosts by which a receiver recognises its sender; FeatureError for keys that are none. Pure."""
    if not keys or not all(_HOST_KEY.match(key) for key in keys):
        raise errors.FeatureError(f"{paths.display(address)} gave no usable host key of its sshd (/etc/ssh/ssh_host_*_key.pub)")
    name = address if port == 22 else f"[{address}]:{port}"
    return "".join(f"{name} {key}\n" for key in keys)
