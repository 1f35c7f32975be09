# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a complete staging directory to the target's content, never over anything, at any time to be killed.

What makes it so: a feature is only ever moved, in one step; the manifest goes last, so that as long as anything is
left to do the host knows it; and each step can be found done by the next run.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Collection, Dict, List, Optional, Sequence

from .. import errors
from .._scan import staging_paths
from .._scan.manifest import read_manifest
from .._scan.staging import open_staging, verify_file
from .._spec.sets import FeatureSet
from .._system import accounts, capabilities, owners, paths
from . import requirements
from .publication import Publication, Refused
from .staging import LOCK_SECONDS, remove_manifest, try_lock


@dataclass
class Published:
    """What was, or in check mode would be, published of one set. C(refused): one sentence each, nothing was done."""

    published: int = 0
    bytes: int = 0
    changed: bool = False
    whole_directory: bool = False
    refused: List[str] = field(default_factory=list)


def publish(
    feature_set: FeatureSet, account: accounts.Account, check: bool, lock_seconds: float = LOCK_SECONDS
) -> Published:
    """Publishes the staging directory of a resolved set where it is complete, as the user who may write there.

    FeatureError where the disk fails, or its file system cannot do what it takes.
    """
    target = feature_set.target
    staging = staging_paths.staging_path(target)
    if not (_may_exist(staging) or _may_exist(staging_paths.manifest_path(target))):
        return Published()
    writer = capabilities.choose_writer(os.path.dirname(staging), account, requirements.needs_of(target))
    published: Published = owners.as_owner(writer, publish_here, feature_set, target, account, check, lock_seconds)
    return published


def _may_exist(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # not ours to know, perhaps another user's
    return True


def publish_here(
    feature_set: FeatureSet, target: str, account: accounts.Account, check: bool, lock_seconds: float = LOCK_SECONDS
) -> Published:
    """As publish, in this process."""
    result = Published()
    try:
        fd = _open_locked(staging_paths.staging_path(target), account, lock_seconds)
        if fd is None:
            _clear_leftover(feature_set, target, result, check)
            return result
        try:
            publication = Publication(feature_set, target, account, fd)
            plan = publication.plan()
            result.published = len(plan.names)
            result.bytes = sum(plan.manifest[name].size for name in plan.names)
            result.whole_directory, result.changed = plan.whole, True
            if not check:
                publication.carry_out(plan)
        finally:
            os.close(fd)
    except Refused as refusal:
        result.refused.append(str(refusal))
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        where = f" at {paths.display(name)}" if name else ""
        raise errors.FeatureError(
            f"publishing {paths.display(staging_paths.staging_path(target))} stopped{where} ({error.strerror}): nothing is lost,"
            " put that right and run again"
        ) from None
    return result


def _open_locked(path: str, account: accounts.Account, seconds: float) -> Optional[int]:
    """The locked staging directory, None where there is none."""
    end = time.monotonic() + seconds
    while True:
        try:
            fd = open_staging(path, account.uid)
        except FileNotFoundError:
            return None
        # Whoever held the lock before may have published it: then the name stands for something else now.
        if try_lock(fd):
            if _is_still(path, fd):
                return fd
            os.close(fd)
            continue
        os.close(fd)
        if time.monotonic() >= end:
            raise Refused(
                f"{paths.display(path)} is still being written by an upload (waited {seconds:.0f} s for it):"
                " it may be one whose controller has gone; wait until it ends, then run again"
            )
        time.sleep(0.5)


def _is_still(path: str, fd: int) -> bool:
    try:
        return paths.key_of(os.lstat(path)) == paths.key_of(os.fstat(fd))
    except FileNotFoundError:
        return False


def _clear_leftover(feature_set: FeatureSet, target: str, result: Published, check: bool) -> None:
    """A publication was killed when all was done but removing the manifest."""
    manifest = read_manifest(target) if os.path.lexists(staging_paths.manifest_path(target)) else None
    if manifest is None:
        return
    try:
        fd = os.open(target, paths.FOLLOW_DIRECTORY)
    except OSError:
        return
    try:
        if all(verify_file(feature_set, fd, name, wanted) is None for name, wanted in manifest.items()):
            result.changed = True
            if not check:
                remove_manifest(target)
    finally:
        os.close(fd)


def publish_sets(
    sets: Sequence[FeatureSet],
    account: accounts.Account,
    names: Optional[Collection[str]],
    done: Dict[str, Any],
    check_mode: bool,
    wait: float = LOCK_SECONDS,
) -> Dict[str, Any]:
    """The result of a publication: changed, sets, diff; with C(msg) and C(failed) where a set was refused.

    names: of the sets to publish, None for all. done: is filled as it goes, so that what was done before a FeatureError is told too.
    """
    unknown = sorted(set(names or ()) - {one.name for one in sets})
    if unknown:
        raise errors.FeatureError(
            f"feature_transfer: names has '{unknown[0]}', which is none of the sets: name one of them, or leave names out"
        )
    diff: List[Dict[str, str]] = []
    for one in sets:
        if names is not None and one.name not in names:
            continue
        result = publish(one, account, check_mode, wait)
        if not result.changed and not result.refused:
            continue
        done[one.name] = {
            "published": result.published,
            "bytes": result.bytes,
            "whole_directory": result.whole_directory,
            "refused": result.refused,
            "changed": result.changed,
        }
        if result.changed:
            diff.append({
                "before_header": one.target,
                "after_header": one.target,
                "before": "",
                "after": f"{result.published} uploaded features, {result.bytes} bytes\n",
            })
    told: Dict[str, Any] = {"changed": any(one["changed"] for one in done.values()), "sets": done, "diff": diff}
    refused = [sentence for one in done.values() for sentence in one["refused"]]
    return {**told, "failed": True, "msg": " ".join(refused)} if refused else told
