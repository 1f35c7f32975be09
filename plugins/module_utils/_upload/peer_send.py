# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host hands one set's features to another host, once: the training user's process reads, the connecting user's key lets in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from functools import partial
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from .. import errors
from .._scan import directories, identity, manifest, model, places
from .._spec import folders, names
from .._spec.sets import FeatureSet
from .._system import accounts, become, paths
from . import connector, peer_key, requirements, service

# Seconds in which the receiver has to come.
IDLE = 300.0

_CALL = re.compile(r"rsync --server --sender -[A-Za-z]*e(?P<protocol>[0-9]*\.?[A-Za-z]*)(?P<more>( -\S+)*) \. \./?\Z")
_LIMIT = re.compile(r" (--bwlimit=[0-9.]+[KkMmGg]?)(?= |\Z)")


class Recipient(NamedTuple):
    """Who may have the set: its public key, its own address, and the transfer's name."""

    key: str
    address: str
    token: str


def sender_arguments(asked: Sequence[str]) -> Tuple[str, List[str]]:
    """Return why a call is refused, or C("") and the arguments of the rsync that runs in its place. Pure.

    Whatever the receiver asks for, it gets the whole directory, read-only; only its protocol and its limit are its own.
    """
    found = _CALL.match(asked[0]) if len(asked) == 1 else None
    if found is None:
        return "anything but an rsync that receives", []
    limit = _LIMIT.findall(found.group("more"))
    return "", ["--server", "--sender", f"-LOtre{found.group('protocol')}", "--timeout=300", *limit[:1], ".", "./"]


def offer(one: FeatureSet, account: accounts.Account, connecting: accounts.Account, receiver: Recipient) -> Dict[str, Any]:
    """Make a set's features available to one receiver. Return what it holds, and how the receiver recognises this host.

    one: resolved. account: the training user. FeatureError if the set cannot be handed on.
    """
    keys = peer_key.host_keys()
    if not keys:
        raise errors.FeatureError("/etc/ssh holds no ssh_host_*_key.pub by which another host could recognise this one")
    requirements.check_tools()
    peer_key.check_sshd(connecting, receiver.address)
    token = peer_key.check_token(receiver.token)
    reader, writer = os.pipe()
    pulse = service.make_pulse()
    try:
        packed, address = become.run_as(account, _start, one, connecting.uid, pulse, writer)
        words = connector.connector_words(sys.executable, address.name, address.uid)
        end = time.time() + peer_key.LIFETIME
        permission = peer_key.Permission(receiver.key, receiver.address, " ".join(map(shlex.quote, words)), token, end)
        become.run_as(connecting, _let_in, permission, connecting.home, reader)
    except BaseException:
        service.stop(pulse)
        raise
    finally:
        os.close(reader)
        os.close(writer)
    return {"manifest": packed, "host_keys": keys}


def _start(one: FeatureSet, uid: int, pulse: Any, writer: int) -> Tuple[str, service.Address]:
    """As the training user. The service keeps C(writer) open as long as it lives."""
    found, links = _features(one)
    directory = tempfile.mkdtemp(prefix="trainprep-peer-")
    fd = os.open(directory, paths.OPEN_DIRECTORY)
    try:
        for name, path in links.items():
            link = os.path.join(directory, name)
            os.makedirs(os.path.dirname(link), mode=0o700, exist_ok=True)
            os.symlink(path, link)
        terms = service.Terms(
            uid=uid,
            transfers=1,
            command=_gently([shutil.which("rsync", path=requirements.search_path()) or "rsync"]),
            arguments=sender_arguments,
            pulse=pulse,
            idle=IDLE,
            held=(writer,),
            after=partial(shutil.rmtree, directory, True),
        )
        return manifest.pack_manifest(found), service.start(fd, terms)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    finally:
        os.close(fd)


def _gently(command: List[str]) -> List[str]:
    """With the least claim on processor and disk: a training may be running here."""
    for program, options in (("ionice", ["-c3"]), ("nice", ["-n10"])):
        found = shutil.which(program, path=requirements.search_path())
        command = [found, *options, *command] if found else command
    return command


def _features(one: FeatureSet) -> Tuple[manifest.Manifest, Dict[str, str]]:
    """What the target holds, and where it is, by name below the target. FeatureError for what lies outside the set's directories."""
    options = directories.ScanOptions(recursive=one.layout == "tree", as_glob=True)
    scan = directories.scan_directory(places.look_up(one.target), names.name_filter(one.reads), one.criteria, {}, options)
    entries = [entry for entry in scan.entries if entry.is_feature and not folders.in_hidden_folder(entry.path)]
    if not entries:
        raise errors.FeatureError(f"{paths.display(one.target)} holds no features any more")
    tokens = _tokens(one.target, entries)
    declared = [os.path.realpath(path) for path in (one.target, *one.legacy)]
    links = {entry.path: os.path.join(one.target, entry.path) for entry in entries}
    for path in links.values():
        real = os.path.realpath(path)
        if not any(paths.is_below(real, directory) for directory in declared):
            raise errors.FeatureError(
                f"{paths.display(path)} is a link to {paths.display(real)}, outside the directories of feature set '{one.name}':"
                " it is not handed to other hosts; add that directory to legacy"
            )
    return {entry.path: manifest.Wanted(entry.size, token) for entry, token in zip(entries, tokens)}, links


def _tokens(target: str, entries: Sequence[model.Entry]) -> List[str]:
    unchecked = [(target, entry) for entry in entries if entry.classification.identity is None]
    digests = iter(identity.Contents().digests(identity.WHOLE, unchecked))

    def digest() -> bytes:
        found = next(digests)
        if not isinstance(found, bytes):
            raise errors.FeatureError(f"a feature in {paths.display(target)} cannot be read ({found[1]})")
        return found

    return [manifest.token_of(entry.classification, digest) for entry in entries]


def _let_in(permission: peer_key.Permission, home: str, reader: int) -> None:
    """As the connecting user: the key is there until the service has ended, whoever ends it."""
    os.environ.pop("TZ", None)  # sshd reads the expiry in the host's own time zone
    time.tzset()
    peer_key.add_key(home, permission)
    service.detach((reader,), partial(_remove_at_end, home, permission.token, reader))


def _remove_at_end(home: str, token: str, reader: int) -> None:
    os.read(reader, 1)
    peer_key.remove_key(home, token)
