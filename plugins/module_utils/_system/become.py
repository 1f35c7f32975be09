# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work done in a child process that has become another account.

Privilege is dropped, not simulated: only a process that is the training user knows what modes, ACLs, mount options and network file
systems together let that user do.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import pickle
import signal
from functools import partial
from typing import Any, Callable, NoReturn, Tuple

from .. import errors
from . import accounts

_PACKAGE = __name__.rpartition("._system.")[0] + "."
_PLAIN = {"bytearray", "complex", "frozenset", "set"}
_CODECS = ("ascii", "latin-1", "unicode_escape", "utf-8")
# If this is 1, other processes of a user can enter one that became that user (proc_sys_fs(5)).
_DUMPABLE = "/proc/sys/fs/suid_dumpable"


def run_as(account: accounts.Account, function: Callable[..., Any], *args: Any) -> Any:
    """Return C(function(*args)), run in a child process that has become the account; in this process if it is that account already.

    Open descriptors in the arguments stay open in the child. The result may be made of built-in types and of the classes of this
    package. FeatureError and OSError of the function are raised here again; any other exception, and a missing right to become that
    user, end in FeatureError. The function must not import anything: the user may be unable to read this program's files, or root's
    Python.
    """
    return begin_as(account, function, *args)()


def begin_as(account: accounts.Account, function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """Start the same concurrently with this process; call what this returns, once, for the result."""
    own = os.geteuid()
    if own == account.uid:
        return partial(function, *args)
    if own != 0:
        me = accounts.user_name(own)
        raise errors.FeatureError(
            f"cannot become user {account.name} to see what that user may read: user {me} has no right to: "
            f"set {errors.named('become')} to true or {errors.named('user')} to {me}"
        )
    _check_kernel(account)
    for codec in _CODECS:
        codecs.lookup(codec)  # a codec is a module, imported at its first use
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _child(account, function, args, reader, writer)
    os.close(writer)

    def answer() -> Any:
        try:
            # To the end of the pipe before waiting: a child with much to say blocks until it is read.
            with os.fdopen(reader, "rb") as stream:
                said = stream.read()
        finally:
            status = os.waitpid(child, 0)[1]
        return _unpack(account, said, status)

    return answer


def _check_kernel(account: accounts.Account) -> None:
    with contextlib.suppress(OSError), open(_DUMPABLE, "rb") as setting:
        if setting.read().strip() == b"1":
            raise errors.FeatureError(
                f"fs.suid_dumpable is 1 on this host, so any process of user {account.name} could enter one that root started for that"
                " user: set it to 0 or 2 (sysctl -w fs.suid_dumpable=2)"
            )


def _unpack(account: accounts.Account, answer: bytes, status: int) -> Any:
    ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
    try:
        kind, value = _Unpickler(io.BytesIO(answer)).load()
    except (EOFError, ValueError, TypeError, AttributeError, ImportError, IndexError, pickle.UnpicklingError) as error:
        raise errors.FeatureError(
            f"the work as user {account.name} ended early ({ended}; {error}): run again, and report it"
            f" at {errors.REPORT_TO} if it stays so"
        ) from None
    if kind == "result":
        return value
    if kind == "feature_error":
        failure = errors.FeatureError(value[0])
        failure.trace = value[1]
        raise failure
    number, text, path = value
    raise OSError(number, text, path)


def _child(account: accounts.Account, function: Callable[..., Any], args: Tuple[Any, ...], reader: int, writer: int) -> NoReturn:
    """The whole life of the child: it never returns, and runs no handler or buffer of its parent."""
    code = 1
    try:
        os.close(reader)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        try:
            _become(account)
            answer: Tuple[str, Any] = ("result", function(*args))
        except errors.FeatureError as error:
            answer = ("feature_error", (str(error), error.trace))
        except OSError as error:
            answer = ("os_error", (error.errno, error.strerror, error.filename))
        except BaseException as error:  # pylint: disable=broad-except
            internal = errors.internal_error(f"the work as user {account.name} failed", error)
            answer = ("feature_error", (str(internal), internal.trace))
        with os.fdopen(writer, "wb") as stream:
            pickle.dump(answer, stream, protocol=4)
        code = 0
    finally:
        os._exit(code)


def _become(account: accounts.Account) -> None:
    """Become the account for good: groups first, while we still may change them."""
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if os.getresuid() != (account.uid,) * 3 or os.getresgid() != (account.gid,) * 3 or _effective_capabilities():
        raise errors.FeatureError(
            f"cannot become user {account.name}: this system keeps root's rights in a process that gave them up, "
            "so what that user may read is unknown: run without a security context that does so"
        )


def _effective_capabilities() -> int:
    """What Linux says this process may still do beyond its uid; 0 on other systems."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"CapEff:"):
                    return int(line.split()[1], 16)
    except FileNotFoundError:
        pass
    return 0


class _Unpickler(pickle.Unpickler):
    """Reads what a less privileged process wrote: data, and instances of this package's classes, nothing that runs.

    The kernel keeps other processes of that user out of the child, see C(_check_kernel); this does not rely on it.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name in _PLAIN:
            return super().find_class(module, name)
        if module.startswith(_PACKAGE) and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                # Without this, a class takes the state of an instance for its own.
                found.__setstate__ = _set_state  # type: ignore[attr-defined]
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not expected here")


def _set_state(self: Any, state: Any) -> None:
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            object.__setattr__(self, name, value)
