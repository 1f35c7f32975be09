# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a complete staging directory to the target's content, never over anything, at any time to be killed.

What makes it so: a feature is only ever moved, in one step; the manifest goes last, so that as long as anything is
left to do the host knows it; and each step can be found done by the next run.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from typing import Any, Collection, Dict, List, Optional, Sequence

from .. import errors
from .._apply import rename
from .._scan.manifest import manifest_path, read_manifest, read_names, staging_path
from .._scan.staging import list_staged, verify_file
from .._spec.sets import FeatureSet
from .._system import accounts, become, paths
from . import requirements
from .publication import Publication, Refused
from .staging import LOCK_SECONDS, open_existing, remove_manifest, try_lock


@dataclass
class Published:
    """What was, or in check mode would be, published of one set. C(refused): one message each, nothing was done."""

    published: int = 0
    bytes: int = 0
    changed: bool = False
    whole_directory: bool = False
    refused: List[str] = field(default_factory=list)


def publish(
    feature_set: FeatureSet, account: accounts.Account, check: bool, lock_seconds: float = LOCK_SECONDS
) -> Published:
    """Publishes the staging directory of a resolved set if it is complete, as the user who may write there.

    FeatureError if the disk fails, or its file system cannot do what it takes.
    """
    target = feature_set.target
    if not (_may_exist(staging_path(target)) or _may_exist(manifest_path(target))):
        return Published()
    site = requirements.find_site(target, account)
    rename.load()
    published: Published = become.run_as(site.keeper, publish_here, feature_set, site, account, check, lock_seconds)
    return published


def _may_exist(path: str) -> bool:
    """True also if another user's directory hides it."""
    try:
        os.lstat(path)
    except OSError as error:
        return not isinstance(error, (FileNotFoundError, NotADirectoryError))
    return True


def publish_here(
    feature_set: FeatureSet, site: requirements.Site, account: accounts.Account, check: bool, lock_seconds: float = LOCK_SECONDS
) -> Published:
    """Publish as C(publish) does, in this process, which is the site's keeper's."""
    result = Published()
    try:
        fd = _open_locked(site, lock_seconds)
        if fd is None:
            _finish(feature_set, site, account, result, check)
            return result
        try:
            publication = Publication(feature_set, account, site, fd)
            plan = publication.plan(read_manifest(site.target), bool(read_names(site.target)))
            result.published = len(plan.names)
            result.bytes = sum(plan.manifest[name].size for name in plan.names)
            result.whole_directory, result.changed = plan.whole, True
            if not check:
                publication.carry_out(plan)
                remove_manifest(site.target)
                _sync_directory(os.path.dirname(site.staging))
        finally:
            os.close(fd)
    except Refused as refusal:
        result.refused.append(str(refusal))
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        where = f" at {paths.display(name)}" if name else ""
        raise errors.FeatureError(
            f"publishing {paths.display(site.staging)} stopped{where} ({error.strerror}): nothing is lost, put that right and run again"
        ) from None
    return result


def _open_locked(site: requirements.Site, seconds: float) -> Optional[int]:
    end = time.monotonic() + seconds
    while True:
        fd = open_existing(site)
        if fd is None:
            return None
        # The process that held the lock before may have published it: then the name now means something else.
        if try_lock(fd):
            if _is_still(site.staging, fd):
                return fd
            os.close(fd)
            continue
        os.close(fd)
        if time.monotonic() >= end:
            raise Refused(
                f"{paths.display(site.staging)} is still being written by an upload (waited {seconds:.0f} s for it):"
                " it may be one whose controller has gone; wait until it ends, then run again"
            )
        time.sleep(0.5)


def _is_still(path: str, fd: int) -> bool:
    try:
        return paths.key_of(os.lstat(path)) == paths.key_of(os.fstat(fd))
    except FileNotFoundError:
        return False


def _finish(feature_set: FeatureSet, site: requirements.Site, account: accounts.Account, result: Published, check: bool) -> None:
    """Finish a publication that was killed after its files had their last names: hand over, remove the manifest."""
    manifest = read_manifest(site.target) if os.path.lexists(manifest_path(site.target)) else None
    if manifest is None:
        return
    try:
        fd = os.open(site.target, paths.FOLLOW_DIRECTORY)
    except OSError:
        return
    try:
        if any(verify_file(feature_set, fd, name, wanted) is not None for name, wanted in manifest.items()):
            return
        result.changed = True
        if check:
            return
        info = os.fstat(fd)
        if site.worker.uid == info.st_uid == 0 and stat.S_IMODE(info.st_mode) == 0o700:
            # As it was renamed, and not the user's yet.
            Publication(feature_set, account, site, fd).hand_over(list_staged(fd).folders)
        remove_manifest(site.target)
    finally:
        os.close(fd)


def _sync_directory(path: str) -> None:
    fd = os.open(path, paths.FOLLOW_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish_sets(
    sets: Sequence[FeatureSet], account: accounts.Account, names: Collection[str], check_mode: bool, part: Dict[str, Any]
) -> None:
    """Publish the sets of these names. part: C(sets) and C(diff) are filled as it goes; FeatureError after all if one was refused."""
    unknown = sorted(set(names) - {one.name for one in sets})
    if unknown:
        raise errors.FeatureError(f"{errors.named('uploaded')} has '{unknown[0]}', which is none of the sets: name one of them")
    refused: List[str] = []
    for one in (one for one in sets if one.name in names):
        result = publish(one, account, check_mode)
        if result.changed or result.refused:
            part["sets"][one.name] = dict(vars(result))
            refused += result.refused
        if result.changed:
            after = f"{result.published} uploaded features, {result.bytes} bytes\n"
            part["diff"].append({"before_header": one.target, "after_header": one.target, "before": "", "after": after})
    if refused:
        raise errors.FeatureError(" ".join(refused))
