# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over real directories that changes or refusals get in the way of."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan import directories
from ansible_collections.trainprep.features.plugins.module_utils._scan.directories import scan_directory
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import (
    PRESENT,
    UNREADABLE,
    find_places,
    look_up,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.become import run_as
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    NOBODY,
    feature,
    features,
    link,
    unprivileged,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_scan import (
    NPZ,
    QUESTION,
    found,
    scan,
    seen,
)


def test_a_file_that_vanishes_between_listing_and_reading_is_no_error(tmp_path, monkeypatch):
    features(tmp_path, "a.npz", "b.npz", "c.npz")
    features(tmp_path / "x", "d.npz")
    really = os.open

    def vanishing(path, flags, *arguments, **options):
        if path in ("b.npz", "x"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return really(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", vanishing)
    result = scan(tmp_path)
    assert sorted(seen(result)) == ["a.npz", "c.npz"]
    assert (result.state, result.gap_count) == (PRESENT, 0)


def test_a_file_that_became_a_link_is_not_followed(tmp_path, monkeypatch):
    feature(tmp_path / "secret")
    features(tmp_path / "old", "a.npz")
    really = os.scandir

    class Exchanging:
        """Lists the directory as it was a moment ago."""

        def __init__(self, listing):
            self.listing = listing

        def __enter__(self):
            with self.listing as listing:
                self.items = [item for item in listing if item.is_file(follow_symlinks=False)]
            os.unlink(tmp_path / "old/a.npz")
            link(tmp_path / "old/a.npz", "../secret")
            return iter(self.items)

        def __exit__(self, *_error):
            return None

    monkeypatch.setattr(os, "scandir", lambda fd: Exchanging(really(fd)))
    result = scan(tmp_path / "old")
    assert found(result) == []
    assert result.gap_count == 1


def test_a_directory_that_cannot_be_listed_is_unreadable(tmp_path):
    features(tmp_path / "old", "a.npz")
    with unprivileged(tmp_path) as account:
        os.chmod(tmp_path / "old", 0o311)
        try:
            result = run_as(account, scan, tmp_path / "old")
        finally:
            os.chmod(tmp_path / "old", 0o755)
    assert (result.state, result.entries) == (UNREADABLE, [])
    assert f"{tmp_path}/old" in result.gaps[0] and "Permission denied" in result.gaps[0]


def test_a_sub_folder_or_file_that_cannot_be_read_leaves_a_doubt(tmp_path):
    features(tmp_path / "old", "a.npz", "b.npz")
    features(tmp_path / "old/x", "c.npz")
    link(tmp_path / "old/alias", "x/c.npz")
    with unprivileged(tmp_path) as account:
        os.chmod(tmp_path / "old/x", 0)
        os.chmod(tmp_path / "old/a.npz", 0)
        os.chmod(tmp_path / "old/b.npz", 0o444)
        try:
            result = run_as(account, scan, tmp_path / "old")
        finally:
            os.chmod(tmp_path / "old/x", 0o755)
    assert (result.state, found(result)) == (PRESENT, ["b.npz"])
    said = sorted(result.gaps)
    assert result.gap_count == len(said) == 3
    assert all("Permission denied" in sentence for sentence in said)
    assert [sentence.split(" ")[0] for sentence in said] == [f"{tmp_path}/old/{n}" for n in ("a.npz", "alias", "x")]


def test_doubts_do_not_grow_with_the_files(tmp_path, monkeypatch):
    features(tmp_path, *[f"{number}.npz" for number in range(30)])

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(directories, "_classifier", lambda *_arguments: refuse)
    result = scan(tmp_path)
    assert (result.gap_count, len(result.gaps)) == (30, 10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a training user to ask")
class TestAskedAsTheTrainingUser:
    """What is refused to a squashed root on a network file system; the refusal is put in, the rest is real."""

    @pytest.fixture(autouse=True)
    def refuse_root(self, tmp_path, monkeypatch):
        features(tmp_path / "home/old", "a.npz")
        really_open, really_stat = os.open, os.stat

        def refused(path, name):
            return os.geteuid() == 0 and str(path).endswith(name) and self.closed == name

        def open_(path, *arguments, **options):
            if refused(path, "/old"):
                raise PermissionError(13, "Permission denied", path)
            return really_open(path, *arguments, **options)

        def stat_(path, *arguments, **options):
            if refused(path, "home/old"):
                raise PermissionError(13, "Permission denied", path)
            return really_stat(path, *arguments, **options)

        monkeypatch.setattr(os, "open", open_)
        monkeypatch.setattr(os, "stat", stat_)

    @pytest.mark.parametrize("closed", ["/old", "home/old"])
    def test_a_directory_is_looked_at_again(self, tmp_path, closed):
        self.closed = closed
        with unprivileged(tmp_path) as account:
            (place,) = find_places([str(tmp_path / "home/old")], account)
            result = scan_directory(place, NPZ, QUESTION, {}, account=account)
            assert scan_directory(look_up(place.path), NPZ, QUESTION, {}).state == UNREADABLE
        assert (place.state, result.state, found(result)) == (PRESENT, PRESENT, ["a.npz"])
        assert stat.S_ISDIR(result.info.st_mode) and result.info.st_uid == 0

    def test_but_not_where_the_user_may_not_either(self, tmp_path):
        self.closed = "/old"
        with unprivileged(tmp_path) as account:
            os.chmod(tmp_path / "home", 0o700)
            result = scan_directory(look_up(str(tmp_path / "home/old"), account), NPZ, QUESTION, {}, account=account)
            os.chmod(tmp_path / "home", 0o755)
        assert result.state == UNREADABLE
        assert account == NOBODY
