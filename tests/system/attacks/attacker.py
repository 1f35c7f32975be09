# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside a host, as the user who owns the legacy directory: exchanges names under the role's hands, until ended.

    attacker.py KIND      prints the number of exchanges when its standard input ends

Each KIND lets a name of ours stand, in turn, for our own object and for a link to somebody's private one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import select
import sys
import time

HOME = "/home/ubuntu"
LEGACY = f"{HOME}/models/features"
TARGET = f"{HOME}/target"
ASIDE = f"{HOME}/aside"
LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_EXCHANGE = 2


def exchange(one: str, other: str) -> bool:
    """Exchanges two names in one step: at no time is either missing."""
    return LIBC.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE) == 0


def link(name: str, text: str) -> str:
    path = f"{ASIDE}/{name}"
    if not os.path.lexists(path):
        os.symlink(text, path)
    return path


def close_again(directory: str) -> None:
    """Takes back what was granted, so that every run has something to grant."""
    try:
        names = [".", *os.listdir(directory)]
    except OSError:
        return  # not ours just now
    for name in names:
        try:
            descriptor = os.open(os.path.join(directory, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if "system.posix_acl_access" in os.listxattr(descriptor):
                os.removexattr(descriptor, "system.posix_acl_access")
            os.fchmod(descriptor, 0o700 if name == "." else 0o600)
        except OSError:
            pass
        finally:
            os.close(descriptor)


def take_away(target: str) -> None:
    """So that the next run has a target to make."""
    if not os.path.islink(f"{HOME}/place"):
        with contextlib.suppress(OSError):
            os.rename(target, f"{target}-{time.monotonic_ns()}")


def pairs(kind: str) -> list[tuple[str, str]]:
    names = sorted(name for name in os.listdir(LEGACY) if name.startswith("cremad_"))
    if kind == "legacy":
        return [(LEGACY, link("legacy", "/home/other/private"))]
    if kind == "own":
        return [(LEGACY, link("own", f"{HOME}/diary"))]
    if kind == "foreign":
        return [(LEGACY, f"{HOME}/models/roots")]
    if kind == "parent":
        return [(f"{HOME}/models", link("parent", "/srv/private"))]
    if kind == "folder":
        return [(f"{LEGACY}/folder", link("folder", "/root/private"))]
    if kind == "file":
        return [(f"{LEGACY}/{name}", link(name, f"/home/other/private/{name}")) for name in names]
    if kind == "hard":
        return [(f"{LEGACY}/{name}", f"{ASIDE}/hard_{name}") for name in names[:2]]
    if kind == "fifo":
        path = f"{ASIDE}/fifo"
        if not os.path.lexists(path):
            os.mkfifo(path)
        return [(f"{LEGACY}/{names[0]}", path)]
    if kind == "target":
        return [(TARGET, link("target", "/srv/private"))]
    if kind == "above":
        return [(f"{HOME}/place", link("above", "/srv/private"))]
    if kind == "entry":
        return [(f"{TARGET}/{name}", link("entry_" + name, f"/root/private/{name}")) for name in names]
    raise SystemExit(f"unknown kind {kind}")


def main() -> None:
    chosen = pairs(sys.argv[1])
    print("ready", flush=True)
    done = 0
    exchanged = dict.fromkeys(chosen, False)
    while not select.select([sys.stdin], [], [], 0)[0]:
        pair = random.choice(chosen)
        if exchange(*pair):
            done += 1
            exchanged[pair] = not exchanged[pair]
        if random.random() < 0.02:
            if sys.argv[1] == "above":
                take_away(f"{HOME}/place/target")
            for directory in (LEGACY, f"{LEGACY}/folder"):
                if os.path.isdir(directory) and not os.path.islink(directory):
                    close_again(directory)
    for pair, is_exchanged in exchanged.items():
        if is_exchanged:
            exchange(*pair)
    print(done, flush=True)


main()
