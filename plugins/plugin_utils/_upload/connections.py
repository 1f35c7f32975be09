# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SSH connections of an upload: opened while the host is still being prepared, so that no rsync waits for its own.

What a connection costs is round trips, a dozen of them; and where the line is fast, the cipher.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from types import TracebackType

from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login, ssh_command

# OpenSSH before 10 prefers a cipher that no processor has instructions for: with these a connection costs half as much.
_SLOW = "chacha20-poly1305@openssh.com"
_FAST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
# Of a path above a socket, in bytes: the kernel takes 107 for the whole, of which ssh, which makes it under another name, needs 17.
_LONGEST = 75
_PATIENCE = 10.0
_CLOSING = 5.0


def choose_ciphers(said: str, has_instructions: bool) -> str | None:
    """The ciphers in the order that costs least, from what C(ssh -G) says; None where theirs is right.

    None is added: what a policy or the user leaves out stays out. has_instructions: whether this processor has some for AES.
    """
    lines = [line.partition(" ")[2] for line in said.splitlines() if line.startswith("ciphers ")]
    allowed = lines[0].strip().split(",") if lines else []
    fast = [cipher for cipher in _FAST if cipher in allowed]
    if not (has_instructions and fast and allowed[0] == _SLOW):
        return None
    return ",".join([*fast, *(cipher for cipher in allowed if cipher not in fast)])


def cipher_options(login: Login) -> list[str]:
    """What the SSH command line gains for a bulk transfer; nothing where SSH does not say which it allows."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            has_instructions = any(
                "aes" in line.split() for line in file if line.startswith(("flags", "Features"))
            )
        words = [*ssh_command(login), "-G", "--", login.bare_host]
        said = subprocess.run(words, text=True, capture_output=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL, check=False)
        ciphers = choose_ciphers(said.stdout, has_instructions)
        return ["-o", f"Ciphers={ciphers}"] if ciphers else []
    return []


class Connections:
    """Connections that wait for rsyncs, ended when the block ends.

    Where one cannot be opened, its rsync opens its own, and says what is wrong. So it is with a password, which is given to each rsync.
    """

    def __init__(self, login: Login, directory: str) -> None:
        """Opens nothing yet. directory: for their sockets, where its path is short."""
        self._login = login
        self._options = cipher_options(login)
        self._parent = directory
        self._directory: str | None = None
        self._waiting: list[tuple[str, subprocess.Popen[bytes]]] = []

    def open(self, count: int) -> None:
        """Starts to open so many connections, and does not wait for them."""
        if self._login.password:
            return
        with contextlib.suppress(OSError):
            # The run's own directory goes with the run, however that ends.
            parent = self._parent if len(os.fsencode(self._parent)) <= _LONGEST else "/tmp"
            self._directory = tempfile.mkdtemp(prefix="c", dir=parent)
            for number in range(count):
                self._start(os.path.join(self._directory, str(number)))

    def _start(self, path: str) -> None:
        """Starts a connection that lasts as long as our end of its input, or as long as an rsync uses it."""
        words = [*self._options_first(ssh_command(self._login, path, master=True)), *self._to(), "cat >/dev/null"]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._waiting.append((path, process))

    def commands(self, count: int) -> Iterator[list[str]]:
        """The remote shells of so many rsyncs, each as soon as its connection is there."""
        end = time.monotonic() + _PATIENCE
        for number in range(count):
            path, process = self._waiting[number] if number < len(self._waiting) else (None, None)
            is_open = path is not None and process is not None and _is_open(path, process, end)
            yield self._options_first(ssh_command(self._login, path if is_open else None))

    def _options_first(self, words: Sequence[str]) -> list[str]:
        """Of two values of an option SSH takes the first."""
        return [words[0], *self._options, *words[1:]]

    def _to(self) -> list[str]:
        user = ["-l", self._login.user] if self._login.user else []
        return [*user, "--", self._login.bare_host]

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for _path, process in self._waiting:
            # Not only the end of its input, which the host would have to answer: its rsync has ended, nobody uses it.
            process.terminate()
            if process.stdin:
                with contextlib.suppress(OSError):
                    process.stdin.close()
                process.stdin = None
        end = time.monotonic() + _CLOSING
        for _path, process in self._waiting:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


def _is_open(path: str, process: subprocess.Popen[bytes], end: float) -> bool:
    """Waits for the connection's socket until the end, a time.monotonic()."""
    while process.poll() is None and time.monotonic() < end:
        if os.path.exists(path):
            return True
        time.sleep(0.01)
    return False
