# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host fetches features from an object store by itself, with rclone, into the staging directory.

rclone runs detached and holds the staging directory's lock. Its log, in a folder of the staging directory, tells how
far it is. What has arrived is classified, and only then gets a manifest.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._formats.classify import DAMAGED, FEATURE, classify_file
from .._scan.manifest import Manifest, Wanted, is_plain_path, read_names, staging_path, token_of
from .._scan.staging import FETCH_DIR, list_staged, open_staging
from .._spec.sets import FeatureSet, name_filter
from .._system.accounts import Account
from .._system.paths import OPEN_FILE, display, key_of
from .._system.programs import ask_program, start_program
from ..errors import FeatureError
from .plan import (
    Receiving,
    Reserved,
    check_mount,
    check_room,
    lacking,
    make_staging,
    open_existing,
    search_path,
    try_lock,
)
from .present_elsewhere import held_elsewhere
from .staging import remove_fetch_work, remove_manifest, write_manifest

_PARTIAL = ".partial"

# One attempt, since the next run goes on; but a store that does not answer is noticed.
_PATIENCE = ["--retries", "1", "--low-level-retries", "3", "--contimeout", "10s", "--timeout", "60s"]
_LISTING_SECONDS = 600


@dataclass
class Fetched:
    """How far a fetch is. C(exit): rclone's code once it has ended. C(error): its last one."""

    running: bool = False
    exit: Optional[int] = None
    files: int = 0
    bytes: int = 0
    error: str = ""


@dataclass
class Classified:
    """What has arrived, classified."""

    features: int = 0
    left_out: int = 0
    present: int = 0
    samples: List[Dict[str, str]] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def start_fetch(
    feature_set: FeatureSet,
    target: str,
    account: Account,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    check: bool,
    reserved: Dict[int, Reserved],
) -> Receiving:
    """Lists the remote and starts rclone for what is not there yet. environment: rclone's, with the secrets.

    secrets: what must not be told, by the name of its variable.
    """
    rclone = shutil.which("rclone", path=search_path())
    if rclone is None:
        raise FeatureError(
            "rclone is missing on the host, which has to fetch its features: install the package rclone there"
        )
    check_mount(feature_set)
    sizes = _listing(rclone, feature_set, environment, secrets)
    result = Receiving(staging_path(target))
    fd = open_existing(result.staging, account)
    try:
        if fd is not None and not try_lock(fd):
            result.busy = True
            return result
        staged = _staged(fd, sizes)
        result.staged, result.staged_bytes = len(staged), sum(sizes[name] for name in staged)
        result.send = sorted(set(sizes) - staged)
        result.send_bytes = sum(sizes[name] for name in result.send)
        check_room(result.staging, [sizes[name] for name in result.send], reserved)
        if check:
            return result
        if fd is None:
            make_staging(result.staging)
            fd = open_staging(result.staging, account.uid)
            try_lock(fd)
        os.fchmod(fd, 0o700)
        if os.fstat(fd).st_uid != os.geteuid():
            os.fchown(fd, os.geteuid(), os.getegid())
        _clear_away(target, fd, sizes, result.staging)
        _start(rclone, feature_set, fd, sorted(sizes), environment)
        result.changed = True
        result.key = key_of(os.fstat(fd))
    finally:
        if fd is not None:
            os.close(fd)
    return result


def _listing(
    rclone: str, feature_set: FeatureSet, environment: Mapping[str, str], secrets: Mapping[str, str]
) -> Dict[str, int]:
    """Sizes by path of the remote's files that may belong to the set."""
    source = str(feature_set.source)
    command = [rclone, "lsjson", "--recursive", "--files-only", "--no-modtime", "--no-mimetype", *_PATIENCE, source]
    done = ask_program(command, _LISTING_SECONDS, environment)
    if done is None:
        raise FeatureError(f"source '{source}' did not answer within {_LISTING_SECONDS} s: look at the store")
    if done.code != 0:
        raise FeatureError(explain_rclone(source, done.errors.decode("utf-8", "replace"), secrets))
    accept, reads = name_filter(feature_set.patterns, feature_set.exclude), name_filter(feature_set.reads)
    sizes = {}
    for item in json.loads(done.output.decode("utf-8", "surrogateescape")):
        folder, _slash, name = item["Path"].rpartition("/")
        if accept(name) and reads(name) and feature_set.folders.enters(folder):
            sizes[item["Path"]] = int(item["Size"])
    if not sizes:
        raise FeatureError(
            f"source '{source}' holds no file of set '{feature_set.name}': correct 'source', 'patterns' or 'reads'"
        )
    for name in sizes:
        if not is_plain_path(name) or "\n" in name:
            raise FeatureError(f"source '{source}' has the name {display(name)}, which cannot be fetched: rename it")
    return sizes


def explain_rclone(source: str, message: str, secrets: Mapping[str, str]) -> str:
    """rclone's complaint in one sentence, without anything secret."""
    for value in secrets.values():
        if len(value) > 3:
            message = message.replace(value, "***")
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    why = lines[-1][-200:] if lines else "no reason given"
    if "didn't find section in config file" in message:
        return (
            f"source '{source}': the host's rclone knows no such remote: set its RCLONE_CONFIG_… variables in the"
            " environment of ansible-playbook"
        )
    if any(
        word in message for word in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "403")
    ):
        return f"source '{source}': the store refuses the credentials ({why}): correct the RCLONE_CONFIG_… variables"
    if any(word in message for word in ("NoSuchBucket", "directory not found", "404")):
        return f"source '{source}' does not exist in the store: correct 'source'"
    return f"source '{source}' cannot be fetched ({why}): put that right and run again, it goes on from there"


def _staged(fd: Optional[int], sizes: Mapping[str, int]) -> Set[str]:
    if fd is None:
        return set()
    found = set()
    for path in list_staged(fd).files:
        if sizes.get(path) == os.stat(path, dir_fd=fd, follow_symlinks=False).st_size:
            found.add(path)
    return found


def _clear_away(target: str, fd: int, sizes: Mapping[str, int], staging: str) -> None:
    """Removes what an earlier upload left and this one does not bring, and its manifest: it says nothing any more."""
    staged = list_staged(fd)
    ours = read_names(target)
    for path in [*staged.files, *staged.partial]:
        if path in sizes:
            continue
        if path not in ours and path not in staged.partial and not path.endswith(_PARTIAL):
            raise FeatureError(
                f"{display(os.path.join(staging, path))} is not from an upload: move it away and run again"
            )
        os.unlink(path, dir_fd=fd)
    remove_manifest(target)


def _start(
    rclone: str, feature_set: FeatureSet, fd: int, names: List[str], environment: Mapping[str, str]
) -> None:
    remove_fetch_work(fd)
    os.mkdir(FETCH_DIR, 0o700, dir_fd=fd)
    listing = os.open(FETCH_DIR + "/list", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=fd)
    with os.fdopen(listing, "wb") as file:
        file.write(b"".join(os.fsencode(name) + b"\n" for name in names))
    # Everything that rclone is told stands in its environment or in files: nothing secret in its arguments.
    # It works in the staging directory, wherever somebody may have moved that.
    script = (
        f'"$1" copy "$2" . --files-from-raw {FETCH_DIR}/list --transfers 8 --stats 1s --stats-log-level NOTICE'
        f' --use-json-log --log-file {FETCH_DIR}/log {" ".join(_PATIENCE)} </dev/null >/dev/null 2>&1;'
        f" echo $? >{FETCH_DIR}/exit.new; mv {FETCH_DIR}/exit.new {FETCH_DIR}/exit"
    )
    command = ["/bin/sh", "-c", script, "feature_fetch", rclone, str(feature_set.source)]
    start_program(command, environment, f"/proc/self/fd/{fd}", keep=(fd,))


def inspect_fetch(feature_set: FeatureSet, target: str, account: Account, secrets: Mapping[str, str]) -> Fetched:
    """How far the fetch is, from rclone's own log."""
    found = Fetched()
    fd = open_existing(staging_path(target), account)
    if fd is None:
        found.exit = -9
    else:
        try:
            # In this order: it may end between the two questions.
            found.running = not try_lock(fd)
            code = _read_work(fd, "exit")
            found.exit = int(code or b"1") if code is not None else None if found.running else -9
            found.running = found.exit is None
            _read_log(_read_work(fd, "log") or b"", found)
        finally:
            os.close(fd)
    if found.exit:
        found.error = explain_rclone(str(feature_set.source), found.error or "rclone was killed", secrets)
    return found


def _read_work(fd: int, name: str) -> Optional[bytes]:
    """The end of a file of a fetch; None where there is none."""
    try:
        file = os.open(FETCH_DIR + "/" + name, OPEN_FILE, dir_fd=fd)
    except OSError:
        return None
    try:
        return os.pread(file, 65536, max(0, os.fstat(file).st_size - 65536))
    finally:
        os.close(file)


def _read_log(log: bytes, found: Fetched) -> None:
    for line in log.splitlines():
        try:
            entry: Dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "stats" in entry:
            found.bytes, found.files = int(entry["stats"].get("bytes", 0)), int(entry["stats"].get("transfers", 0))
        elif entry.get("level") in ("error", "critical"):
            found.error = str(entry.get("msg", ""))


def finish_fetch(feature_set: FeatureSet, target: str, account: Account, sets: Sequence[FeatureSet] = ()) -> Classified:
    """Judges what has arrived, and writes the manifest of the features that no target holds. sets: all of the host."""
    staging = staging_path(target)
    fd = open_existing(staging, account)
    if fd is None or not try_lock(fd):
        raise FeatureError(f"{display(staging)} is used by another upload: wait for it, then run again")
    try:
        classified = Classified()
        manifest = _classify_staged(feature_set, fd, staging, classified)
        elsewhere = held_elsewhere(feature_set, sets, account, {one.token for one in manifest.values()})
        result = Receiving(staging)
        wanted = lacking(feature_set, target, manifest, result, elsewhere)
        classified.features, classified.present, classified.warnings = len(wanted), result.present, result.warnings
        classified.left_out += result.elsewhere
        for name in set(manifest) - set(wanted):
            os.unlink(name, dir_fd=fd)
        if not wanted:
            raise FeatureError(
                f"source '{feature_set.source}' holds no feature of set '{feature_set.name}' that the target lacks"
            )
        write_manifest(target, wanted)
        remove_fetch_work(fd)
        return classified
    finally:
        os.close(fd)


def _classify_staged(feature_set: FeatureSet, fd: int, staging: str, classified: Classified) -> Manifest:
    manifest: Manifest = {}
    first: Dict[str, str] = {}
    for path in sorted(list_staged(fd).files):
        size, kind, reason, token = _classify_one(feature_set, fd, path)
        shown = display(path)
        if kind == DAMAGED:
            raise FeatureError(
                f"{shown} of source '{feature_set.source}' is damaged ({reason}): restore or remove it in the store, and"
                f" remove {display(os.path.join(staging, path))}"
            )
        name = path if feature_set.layout == "tree" else path.rpartition("/")[2]
        twice = first.get(token) if kind == FEATURE else None
        if kind != FEATURE or twice is not None:
            classified.left_out += 1
            if len(classified.samples) < 10:
                classified.samples.append(
                    {"path": shown, "reason": reason if twice is None else f"the same feature as {twice}"}
                )
            os.unlink(path, dir_fd=fd)
            continue
        if name in manifest:
            raise FeatureError(
                f"source '{feature_set.source}' has two different features named {display(name)}: rename one, or set layout: tree"
            )
        first[token] = shown
        if name != path:
            os.rename(path, name, src_dir_fd=fd, dst_dir_fd=fd)
        manifest[name] = Wanted(size, token)
    _remove_empty_folders(fd, manifest)
    return manifest


def _classify_one(feature_set: FeatureSet, fd: int, path: str) -> Tuple[int, str, str, str]:
    file = os.open(path, OPEN_FILE, dir_fd=fd)
    try:
        info = os.fstat(file)
        classification = classify_file(file, info, path.rpartition("/")[2], feature_set.criteria)
        token = token_of(file, path, classification) if classification.kind == FEATURE else ""
        return info.st_size, classification.kind, classification.reason, token
    finally:
        os.close(file)


def _remove_empty_folders(fd: int, manifest: Manifest) -> None:
    used = {os.path.dirname(name) for name in manifest}
    for folder in sorted(list_staged(fd).folders, reverse=True):
        if not any(one == folder or one.startswith(folder + "/") for one in used):
            os.rmdir(folder, dir_fd=fd)
