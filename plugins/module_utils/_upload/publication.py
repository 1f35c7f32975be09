# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One staging directory on its way into the target: verified, planned, moved."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import List, Tuple

from .._apply import directories, rename
from .._scan import staging_paths
from .._scan.manifest import Manifest, read_manifest, read_names
from .._scan.staging import PARTIAL_DIR, Staged, is_temporary, list_staged, temporary_name, verify_file
from .._spec import sets
from .._system import accounts
from .._system.paths import FOLLOW_DIRECTORY, OPEN_DIRECTORY, OPEN_FILE, display
from .plan import name_foreign
from .staging import remove_fetch_work, remove_manifest


@dataclass(frozen=True)
class PublicationPlan:
    """What is to be moved (C(names)), what an rsync left (C(extra)), and whether the directory becomes the target as it is."""

    manifest: Manifest
    staged: Staged
    names: List[str]
    extra: List[str]
    whole: bool


class Refused(Exception):
    """Why this staging directory is not published, in one sentence."""


class Publication:
    """One locked staging directory on its way into the target."""

    def __init__(self, feature_set: sets.FeatureSet, target: str, account: accounts.Account, fd: int) -> None:
        self.feature_set = feature_set
        self.target = target
        self.account = account
        self.fd = fd
        self.staging = staging_paths.staging_path(target)

    def plan(self) -> PublicationPlan:
        """Verifies everything and decides how; refuses what is not complete. Changes nothing."""
        manifest = read_manifest(self.target)
        if manifest is None:
            raise Refused(
                f"{display(self.staging)} has a list of what it should hold that another version of this collection wrote: run again"
                " with the source, which makes the list anew and sends only what is missing"
                if read_names(self.target)
                else f"{display(self.staging)} has no list of what it should hold: remove that directory and upload again"
            )
        staged = list_staged(self.fd)
        there, gone = self._verify(manifest)
        extra = self._extra(staged, manifest)
        whole = not gone and self._can_replace()
        names = there if whole else self._without_arrived(manifest, there)
        return PublicationPlan(manifest, staged, names, extra, whole)

    def carry_out(self, plan: PublicationPlan) -> None:
        """Moves it."""
        for path in plan.extra:
            os.unlink(path, dir_fd=self.fd)
        remove_fetch_work(self.fd)
        self._remove_folders(["", *plan.staged.folders], PARTIAL_DIR)
        self._give_to_account(plan.names, plan.staged.folders)
        rename.sync_file_system(self.fd)
        if plan.whole:
            self._replace_target(plan.staged.folders)
        else:
            self._fill_target(plan.names, plan.staged)
        remove_manifest(self.target)
        _sync_directory(os.path.dirname(self.staging))

    def _verify(self, manifest: Manifest) -> Tuple[List[str], List[str]]:
        """(names in the staging directory, names that have already been published); refuses what is not complete."""
        there: List[str] = []
        gone: List[str] = []
        wrong: List[Tuple[str, str]] = []
        for name, wanted in manifest.items():
            reason = verify_file(self.feature_set, self.fd, name, wanted)
            if reason is None:
                there.append(name)
            elif reason == "":
                gone.append(name)
            else:
                wrong.append((name, reason))
        missing = self._not_in_target(manifest, gone)
        if wrong:
            name, reason = wrong[0]
            raise Refused(
                f"{display(self.staging)} is not what the source held: {display(name)} {reason}"
                f" ({len(wrong)} such, {len(missing)} missing): run again with the source, it sends those anew"
            )
        if missing:
            raise Refused(
                f"{display(self.staging)} is incomplete: {len(missing)} of {len(manifest)} features are missing,"
                f" {display(missing[0])} is the first: run again with the source, it sends only those"
            )
        return there, gone

    def _not_in_target(self, manifest: Manifest, names: List[str]) -> List[str]:
        try:
            fd = os.open(self.target, FOLLOW_DIRECTORY)
        except OSError:
            return names
        try:
            return [name for name in names if verify_file(self.feature_set, fd, name, manifest[name]) is not None]
        finally:
            os.close(fd)

    def _extra(self, staged: Staged, manifest: Manifest) -> List[str]:
        """What rsync left beside the features. Anything else is not ours to publish or to remove."""
        ours = [path for path in staged.files if path not in manifest and is_temporary(path, manifest)]
        foreign = [path for path in staged.files if path not in manifest and path not in ours]
        if foreign:
            raise Refused(name_foreign(self.staging, foreign))
        return [*staged.partial, *ours]

    def _can_replace(self) -> bool:
        """Whether the whole directory can become the target: it is absent, or an empty directory and no link."""
        try:
            info = os.lstat(self.target)
        except FileNotFoundError:
            return True
        if not stat.S_ISDIR(info.st_mode):
            return False
        return not os.listdir(self.target) and info.st_dev == os.fstat(self.fd).st_dev

    def _without_arrived(self, manifest: Manifest, names: List[str]) -> List[str]:
        """Refuses, before anything is moved, where a name is taken by another file."""
        directory = os.open(self.target, FOLLOW_DIRECTORY)
        left: List[str] = []
        try:
            for name in names:
                reason = verify_file(self.feature_set, directory, name, manifest[name])
                if reason == "":
                    left.append(name)
                elif reason is not None and not self._is_dangling(name):
                    raise Refused(
                        f"{display(os.path.join(self.target, name))} takes the name of an uploaded feature:"
                        " move it away and run again"
                    )
                elif reason is not None:
                    left.append(name)
        finally:
            os.close(directory)
        return left

    def _is_dangling(self, name: str) -> bool:
        path = os.path.join(self.target, name)
        return os.path.islink(path) and not os.path.exists(path)

    def _give_to_account(self, names: List[str], folders: List[str]) -> None:
        """Files 0644, folders 0755, all of the training user's. Through descriptors that follow no link."""
        for paths, flags, mode in ((names, OPEN_FILE, 0o644), (folders, OPEN_DIRECTORY, 0o755)):
            for path in paths:
                fd = os.open(path, flags, dir_fd=self.fd)
                try:
                    self._own(fd, mode)
                finally:
                    os.close(fd)

    def _own(self, fd: int, mode: int) -> None:
        info = os.fstat(fd)
        if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (self.account.uid, self.account.gid):
            os.fchown(fd, self.account.uid, self.account.gid)
        if stat.S_IMODE(info.st_mode) != mode:
            os.fchmod(fd, mode)

    def _replace_target(self, folders: List[str]) -> None:
        parent = directories.open_directory(os.path.dirname(self.staging))
        try:
            if os.path.lexists(self.target):
                old = os.open(self.target, OPEN_DIRECTORY)
                try:
                    rename.copy_attributes(old, self.fd)
                finally:
                    os.close(old)
            else:
                self._own(self.fd, 0o755)
            rename.move_directory(os.path.basename(self.staging), os.path.basename(self.target.rstrip("/")), parent)
            os.fsync(parent)
        finally:
            os.close(parent)

    def _fill_target(self, names: List[str], staged: Staged) -> None:
        target = directories.open_directory(self.target)
        try:
            for folder in sorted(staged.folders):
                self._make_folder(target, folder)
            for folder in ["", *staged.folders]:
                self._move_from(folder, target, [name for name in names if os.path.dirname(name) == folder])
            os.fsync(target)
        finally:
            os.close(target)
        for path in staged.files:
            _unlink_if_there(path, self.fd)  # copies of what the target already holds
        self._remove_folders(sorted(staged.folders, reverse=True), "")
        os.rmdir(self.staging)

    def _make_folder(self, target: int, folder: str) -> None:
        try:
            os.mkdir(folder, 0o700, dir_fd=target)
        except FileExistsError:
            return
        fd = os.open(folder, OPEN_DIRECTORY, dir_fd=target)
        try:
            self._own(fd, 0o755)
        finally:
            os.close(fd)

    def _move_from(self, folder: str, target: int, names: List[str]) -> None:
        source_fd = os.open(folder or ".", OPEN_DIRECTORY, dir_fd=self.fd)
        target_fd = os.open(folder or ".", FOLLOW_DIRECTORY, dir_fd=target)
        try:
            for name in names:
                base = os.path.basename(name)
                if self._is_dangling(name):
                    _remove_link(base, target_fd, source_fd)
                rename.move_file(base, source_fd, target_fd)
            os.fsync(target_fd)
        finally:
            os.close(source_fd)
            os.close(target_fd)

    def _remove_folders(self, folders: List[str], name: str) -> None:
        for folder in folders:
            try:
                os.rmdir(os.path.join(folder, name) if name else folder, dir_fd=self.fd)
            except FileNotFoundError:
                continue


def _remove_link(name: str, fd: int, staging: int) -> None:
    """Removes a dangling link by way of the staging directory, so that a file put there meanwhile is not lost."""
    aside = temporary_name(name)  # as rsync's are called: the next run clears it
    os.rename(name, aside, src_dir_fd=fd, dst_dir_fd=staging)
    if not stat.S_ISLNK(os.stat(aside, dir_fd=staging, follow_symlinks=False).st_mode):
        os.link(aside, name, src_dir_fd=staging, dst_dir_fd=fd, follow_symlinks=False)
    os.unlink(aside, dir_fd=staging)


def _unlink_if_there(path: str, fd: int) -> None:
    try:
        os.unlink(path, dir_fd=fd)
    except FileNotFoundError:
        return


def _sync_directory(path: str) -> None:
    fd = os.open(path, FOLLOW_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
