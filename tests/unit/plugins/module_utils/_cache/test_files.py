# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run leaves for the next one is believed only where nobody else can have written it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._cache import files


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The directory of the store, below one that is ours alone."""
    (tmp_path / "cache").mkdir(mode=0o700)
    path = tmp_path / "cache" / files.NAME
    monkeypatch.setattr(files, "place", lambda: str(path))
    return path


def test_what_was_saved_is_loaded_and_forgotten(place):
    assert files.load("look.json") is None
    assert files.save("look.json", b"one") and files.save("look.json", b"two")
    assert files.load("look.json") == b"two"
    assert os.listdir(place) == ["look.json"]
    assert (place / "look.json").stat().st_mode & 0o777 == 0o600 and place.stat().st_mode & 0o777 == 0o700
    files.forget("look.json")
    assert files.load("look.json") is None


def group_writes_the_directory(place):
    place.chmod(0o770)


def others_write_the_directory_above(place):
    place.parent.chmod(0o707)


def others_write_the_file(place):
    (place / "look.json").chmod(0o602)


def somebody_else_owns_the_file(place):
    os.chown(place / "look.json", 65534, 65534)


def somebody_else_owns_the_directory(place):
    os.chown(place, 65534, 65534)


def the_file_is_a_link(place):
    (place / "look.json").rename(place / "other")
    (place / "look.json").symlink_to("other")


def the_directory_is_a_link(place):
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def the_file_has_another_name_too(place):
    os.link(place / "look.json", place.parent / "planted")


def the_file_is_a_fifo(place):
    (place / "look.json").unlink()
    os.mkfifo(place / "look.json")


def the_file_is_too_large(place):
    (place / "look.json").write_bytes(bytes(files.MOST_BYTES + 1))


# Giving a file away takes root, as the tests on real hosts have it.
ROOTS = [somebody_else_owns_the_file, somebody_else_owns_the_directory] if os.geteuid() == 0 else []
ODD = [
    *ROOTS,
    group_writes_the_directory,
    others_write_the_directory_above,
    others_write_the_file,
    the_file_is_a_link,
    the_directory_is_a_link,
    the_file_has_another_name_too,
    the_file_is_a_fifo,
    the_file_is_too_large,
]


@pytest.mark.parametrize("make_odd", ODD)
def test_whatever_is_odd_is_not_believed(place, make_odd):
    assert files.save("look.json", b"ours")
    make_odd(place)
    assert files.load("look.json") is None


def test_a_killed_save_is_no_obstacle_and_old_files_go(place):
    assert files.save("look.json", b"ours")
    (place / "look.json.new").write_bytes(b"half")
    assert files.save("look.json", b"again") and files.load("look.json") == b"again"
    for number in range(2 * files.MOST_FILES):
        assert files.save(f"look-{number}.json", b"x")
    assert len(os.listdir(place)) == files.MOST_FILES


def test_what_is_too_large_is_not_saved(place):
    assert not files.save("look.json", bytes(files.MOST_BYTES + 1))
    assert files.load("look.json") is None


def test_where_no_directory_can_be_made_nothing_is_kept_and_nothing_fails(place):
    place.parent.rmdir()
    assert not files.save("look.json", b"ours")
    assert files.load("look.json") is None
    files.forget("look.json")
