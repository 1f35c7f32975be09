# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One staging directory on its way into the target: verified, planned, moved.

The site's worker does all work in the staging directory and the target. Root hands files over only in a staging directory of its own,
which nobody else can enter, and by the descriptor whose inode was verified.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple, Union

from .. import errors
from .._apply import directories, rename
from .._scan.manifest import Manifest
from .._scan.staging import PARTIAL_DIR, Staged, inspect_file, is_temporary, list_staged, temporary_name, verify_file
from .._spec import sets
from .._system import accounts, at, become
from .._system.paths import FOLLOW_DIRECTORY, OPEN_FILE, InodeKey, display, key_of
from .plan import name_foreign
from .requirements import Site
from .staging import check_folders, close_staging, remove_fetch_work, remove_files


@dataclass(frozen=True)
class PublicationPlan:
    """What is to be moved (C(names)), what rsync left (C(extra)), and whether the directory becomes the target as it is.

    C(keys): by name, the inode that was verified.
    """

    manifest: Manifest
    staged: Staged
    names: List[str]
    extra: List[str]
    whole: bool
    keys: Dict[str, InodeKey]


class Refused(Exception):
    """Why this staging directory is not published, in one message."""


class Publication:
    """One locked staging directory on its way into the target."""

    def __init__(self, feature_set: sets.FeatureSet, account: accounts.Account, site: Site, fd: int) -> None:
        self.feature_set = feature_set
        self.account = account
        self.site = site
        self.target = site.target
        self.staging = site.staging
        self.fd = fd

    def plan(self, manifest: Optional[Manifest], older: bool) -> PublicationPlan:
        """Verify everything and decide how to publish; raise Refused for what is not complete. Changes nothing. Runs as the keeper.

        older: another version's manifest is there.
        """
        if manifest is None:
            raise Refused(
                f"{display(self.staging)} has a list of what it should hold that another version of this collection wrote: run again"
                " with the source, which makes a new list and sends only what is missing"
                if older
                else f"{display(self.staging)} has no list of what it should hold: remove that directory and upload again"
            )
        with directories.opened_for(self.target) if os.path.isdir(self.target) else contextlib.nullcontext() as top:
            found: Union[PublicationPlan, str] = become.run_as(self.site.worker, self._plan_as_worker, manifest, top)
        if isinstance(found, str):
            raise Refused(found)
        if found.whole and self.site.worker.uid != self.site.keeper.uid:
            raise Refused(f"{display(self.target)} was removed meanwhile: run again")
        return found

    def carry_out(self, plan: PublicationPlan) -> None:
        """Move it. Runs as the keeper."""
        become.run_as(self.site.worker, self._settle, plan)
        rename.sync_file_system(self.fd)
        if plan.whole:
            self._become_target(plan)
            return
        with directories.opened_for(self.target) as top:
            become.run_as(self.site.worker, self._fill_target, plan, top)
        os.rmdir(self.staging)

    # --- As the worker ------------------------------------------------------------------------------------------------------

    def _plan_as_worker(self, manifest: Manifest, opened: Optional[int]) -> Union[PublicationPlan, str]:
        try:
            staged = list_staged(self.fd)
            check_folders(self.fd, self.site, staged.folders)
            top = self._target(opened)
            try:
                return self._plan(manifest, staged, top)
            finally:
                if top is not None:
                    os.close(top)
        except Refused as refusal:
            return str(refusal)

    def _target(self, opened: Optional[int]) -> Optional[int]:
        """Open the target as this account; None if it is absent."""
        if opened is not None:
            return at.folder_opened(opened, "")
        try:
            return os.open(self.target, FOLLOW_DIRECTORY)
        except FileNotFoundError:
            return None

    def _plan(self, manifest: Manifest, staged: Staged, top: Optional[int]) -> PublicationPlan:
        there = self._verify(manifest, top)
        ours = [path for path in staged.files if path not in manifest and is_temporary(path, manifest)]
        foreign = [path for path in staged.files if path not in manifest and path not in ours]
        foreign += [path for path, name in staged.partial.items() if name not in manifest]
        if foreign:
            raise Refused(name_foreign(self.staging, foreign))
        names = list(there) if top is None else self._without_arrived(manifest, list(there), top)
        return PublicationPlan(manifest, staged, names, [*staged.partial, *ours], top is None, there)

    def _verify(self, manifest: Manifest, top: Optional[int]) -> Dict[str, InodeKey]:
        """Return the inodes of the features in the staging directory; what is not there must be in the target already."""
        there: Dict[str, InodeKey] = {}
        gone: List[str] = []
        wrong: List[Tuple[str, str]] = []
        for name, wanted in manifest.items():
            reason, info = inspect_file(self.feature_set, self.fd, name, wanted)
            if info is not None and info.st_nlink != 1 and not (reason or _is_same(top, name, info)):
                reason = "has other names (hard links)"
            if reason is None and info is not None:
                there[name] = key_of(info)
            elif reason == "":
                gone.append(name)
            else:
                wrong.append((name, str(reason)))
        missing = [name for name in gone if top is None or verify_file(self.feature_set, top, name, manifest[name]) is not None]
        if wrong:
            name, reason = wrong[0]
            raise Refused(
                f"{display(self.staging)} is not what the source held: {display(name)} {reason}"
                f" ({len(wrong)} such, {len(missing)} missing): run again with the source, it sends those again"
            )
        if missing:
            raise Refused(
                f"{display(self.staging)} is incomplete: {len(missing)} of {len(manifest)} features are missing,"
                f" {display(missing[0])} is the first: run again with the source, it sends only those"
            )
        return there

    def _without_arrived(self, manifest: Manifest, names: Sequence[str], top: int) -> List[str]:
        """Leave out what the target holds; refuse, before anything is moved, a name that is taken by another file."""
        try:
            directories.check_paths(top, self.target, sorted({os.path.dirname(name) for name in names}))
        except errors.FeatureError as error:
            raise Refused(str(error)) from None
        left: List[str] = []
        for name in names:
            reason = verify_file(self.feature_set, top, name, manifest[name])
            if reason == "" or (reason is not None and _is_dangling(top, name)):
                left.append(name)
            elif reason is not None:
                raise Refused(
                    f"{display(os.path.join(self.target, name))} takes the name of an uploaded feature:"
                    " move it away and run again"
                )
        return left

    def _settle(self, plan: PublicationPlan) -> None:
        """Remove what is not published and give the files their owner and mode."""
        if self._gives_away:
            close_staging(self.fd)
        remove_files(self.fd, plan.extra)
        remove_fetch_work(self.fd)
        for folder in ("", *plan.staged.folders):
            with contextlib.suppress(FileNotFoundError), at.parent(self.fd, f"{folder}/{PARTIAL_DIR}".lstrip("/")) as (fd, name):
                at.rmdir(fd, name)
        for name in plan.names:
            fd = at.opened(self.fd, name, OPEN_FILE)
            try:
                self._check_verified(fd, name, plan)
                directories.give(fd, self.account, 0o644)
            finally:
                os.close(fd)
        if not self._gives_away:
            self._give_folders(plan.staged.folders)

    def _check_verified(self, fd: int, name: str, plan: PublicationPlan) -> None:
        """What is handed over is the inode that was verified, under one name, with the manifest's size."""
        info, wanted = os.fstat(fd), plan.manifest[name]
        if (key_of(info), info.st_size, info.st_nlink, stat.S_ISREG(info.st_mode)) != (plan.keys[name], wanted.size, 1, True):
            raise errors.FeatureError(f"{display(os.path.join(self.staging, name))} was replaced after it was verified: run again")

    @property
    def _gives_away(self) -> bool:
        return os.geteuid() == 0 and self.account.uid != 0

    def _give_folders(self, folders: Sequence[str]) -> None:
        for folder in sorted(folders, reverse=True):
            fd = at.folder_opened(self.fd, folder)
            try:
                directories.give(fd, self.account, 0o755)
            finally:
                os.close(fd)

    def _fill_target(self, plan: PublicationPlan, opened: Optional[int]) -> None:
        target = self._target(opened)
        if target is None:
            raise errors.FeatureError(f"{display(self.target)} disappeared while it was filled: run again")
        try:
            for folder in ("", *sorted(plan.staged.folders)):
                self._move_from(folder, target, [name for name in plan.names if os.path.dirname(name) == folder])
            os.fsync(target)
        finally:
            os.close(target)
        remove_files(self.fd, plan.staged.files)  # copies of what the target already holds
        for folder in sorted(plan.staged.folders, reverse=True):
            with at.parent(self.fd, folder) as (fd, name):
                at.rmdir(fd, name)

    def _move_from(self, folder: str, target: int, names: Sequence[str]) -> None:
        source_fd = at.folder_opened(self.fd, folder)
        try:
            target_fd = directories.walk(target, self.target, folder, make=True)
            try:
                for name in names:
                    base = os.path.basename(name)
                    if _is_dangling(target_fd, base):
                        _remove_link(base, target_fd, source_fd)
                    rename.move_file(base, source_fd, target_fd)
                os.fsync(target_fd)
            finally:
                os.close(target_fd)
        finally:
            os.close(source_fd)

    # --- As the keeper, who is the worker too -------------------------------------------------------------------------------

    def _become_target(self, plan: PublicationPlan) -> None:
        above, name = os.path.split(self.staging)
        parent = os.open(above, FOLLOW_DIRECTORY)
        try:
            if not self._gives_away:
                directories.give(self.fd, None, 0o755)
            rename.move_directory(name, os.path.basename(self.target.rstrip("/")), parent)
            # Root's until now: the user can change nothing before it has its last name.
            self.hand_over(plan.staged.folders)
            os.fsync(parent)
        finally:
            os.close(parent)

    def hand_over(self, folders: Sequence[str]) -> None:
        """Give the published directory to the account, folders first; nothing else is done in it afterwards."""
        if self._gives_away:
            self._give_folders(folders)
            directories.give(self.fd, self.account, 0o755)


def _is_same(top: Optional[int], name: str, info: os.stat_result) -> bool:
    """True if the target has the same inode under the same name, as after a kill between link and unlink."""
    if top is None or info.st_nlink != 2:
        return False
    try:
        with at.parent(top, name) as (folder, base):
            return key_of(at.lstat(folder, base)) == key_of(info)
    except OSError:
        return False


def _is_dangling(top: int, name: str) -> bool:
    try:
        with at.parent(top, name) as (folder, base):
            return stat.S_ISLNK(at.lstat(folder, base).st_mode) and not _leads_somewhere(folder, base)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _leads_somewhere(folder: int, name: str) -> bool:
    try:
        at.stat(folder, name)
    except FileNotFoundError:
        return False
    except OSError:
        pass
    return True


def _remove_link(name: str, fd: int, staging: int) -> None:
    """Remove a dangling link by way of the staging directory, so that a file put there meanwhile is not lost."""
    aside = temporary_name(name)  # named as rsync does: the next run clears it
    at.rename(fd, name, staging, aside)
    if not stat.S_ISLNK(at.lstat(staging, aside).st_mode):
        at.link(staging, aside, fd, name)
    at.unlink(staging, aside)
