# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""READY is said of what a trainer's glob finds in a target, and of nothing else."""

from __future__ import annotations

import glob
import os
import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._steps.facts import facts
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    copy,
    feature,
    features,
    link,
    links,
    npy,
    run,
    see,
    tree,
    unprivileged,
)

TREE = {"layout": "tree"}


def told(*sets, **options):
    found = facts(see(*sets, **options))
    return found["features_ready"], found["feature_sets"]


def safetensors(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = b'{"wav2vec_features":{"dtype":"F32","shape":[1,768],"data_offsets":[0,3072]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<768f", *([number] * 768)))
    return path


def opaque(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes([number]) * 3000)
    return path


FORMATS = {
    "npy": (npy, ".npy", {}),
    "safetensors": (safetensors, ".safetensors", {}),
    "any": (opaque, ".bin", {"format": "any", "arrays": {}}),
}


@pytest.fixture(params=FORMATS)
def unchecked(request):
    """A format without checksums: how to write a file, its ending, the set's keys."""
    write, ending, keys = FORMATS[request.param]
    return write, ending, {**keys, "patterns": [f"*{ending}"], "reads": [f"*{ending}"]}


class TestCopies:
    def test_of_one_file_in_two_targets_are_leaks_under_any_names(self, host, unchecked):
        write, ending, keys = unchecked
        write(host / f"train/a{ending}", 1)
        write(host / f"val/b{ending}", 1)
        ready, sets = told(a_set(host / "train", **keys), a_set(host / "val", **keys))
        assert not ready and sets["train"]["leaks"] == sets["val"]["leaks"] == 1
        assert f"{host}/train/a{ending} and {host}/val/b{ending}" in sets["val"]["problems"][0]

    def test_of_one_file_in_one_target_are_leaks_under_any_names(self, host, unchecked):
        write, ending, keys = unchecked
        write(host / f"train/a{ending}", 1)
        write(host / f"train/b{ending}", 1)
        assert told(a_set(host / "train", **keys))[1]["train"]["leaks"] == 1

    def test_different_files_of_one_size_are_none(self, host, unchecked):
        write, ending, keys = unchecked
        write(host / f"train/a{ending}", 1)
        write(host / f"val/b{ending}", 2)
        ready, sets = told(a_set(host / "train", **keys), a_set(host / "val", **keys))
        assert ready and sets["train"]["leaks"] == 0

    def test_are_linked_once_and_named_with_what_they_are_copies_of(self, host, unchecked):
        write, ending, keys = unchecked
        write(host / f"old/a{ending}", 1)
        write(host / f"old/b{ending}", 1)
        raw = a_set(host / "t", host / "old", **keys)
        run(raw)
        assert list(links(host / "t")) == [f"a{ending}"]
        one = told(raw)[1]["t"]
        assert one["ready"] and one["features"] == 1
        assert one["copies"] == {"count": 1, "samples": [{"path": f"{host}/t/b{ending}", "reason": f"is a copy of a{ending}"}]}

    def test_are_found_if_one_set_takes_any_file(self, host):
        copy(feature(host / "train/a.npz"), host / "val/b.npz")
        ready, sets = told(a_set(host / "train"), a_set(host / "val", format="any", arrays={}))
        assert not ready and sets["val"]["leaks"] == 1


class TestHidden:
    @pytest.mark.parametrize("folder", [".hidden", ".Trash-1000/files", "x/.cache"])
    def test_features_in_hidden_folders_do_not_count(self, host, folder):
        feature(host / "t/x/a.npz")
        feature(host / f"t/{folder}/b.npz")
        copy(host / "t/x/a.npz", host / f"t/{folder}/a.npz")
        ready, sets = told(a_set(host / "t", **TREE))
        one = sets["t"]
        assert ready and one["target"]["features"] == 1 and one["leaks"] == 0
        assert "2 hidden names in" in one["warnings"][0] and f"{folder}/" in one["warnings"][0]
        os.unlink(host / "t/x/a.npz")
        assert told(a_set(host / "t", **TREE))[1]["t"]["status"] == 0

    def test_a_hidden_folder_that_cannot_be_listed_is_not_missed(self, host):
        with unprivileged(host) as account:
            feature(host / "t/a.npz")
            (host / "t/.private").mkdir(mode=0)
            one = told(a_set(host / "t", **TREE), account=account)[1]["t"]
            assert one["ready"] and not one["warnings"]

    def test_a_hidden_folder_of_a_legacy_directory_is_not_linked_into_a_tree(self, host):
        feature(host / "old/.h/a.npz")
        raw = a_set(host / "t", host / "old", hidden=True, **TREE)
        run(raw)
        assert links(host / "t") == {}
        assert "a name that the trainer does not read" in told(raw)[1]["t"]["problems"][0]


class TestLinksToDirectories:
    def test_are_followed_as_glob_does_and_named(self, host):
        features(host / "away", "a.npz", "deep/b.npz")
        feature(host / "t/c.npz")
        link(host / "t/all", host / "away")
        ready, sets = told(a_set(host / "t", **TREE))
        one = sets["t"]
        assert ready and one["target"]["features"] == 3 == len(glob.glob(f"{host}/t/**/*.npz", recursive=True))
        assert "1 link" in one["warnings"][0] and "all: 2 features" in one["warnings"][0]

    def test_into_another_target_are_leaks(self, host):
        feature(host / "val/x/a.npz")
        feature(host / "train/b.npz")
        link(host / "train/v", host / "val")
        ready, sets = told(a_set(host / "train", **TREE), a_set(host / "val", **TREE))
        assert not ready and sets["train"]["leaks"] == sets["val"]["leaks"] == 1

    @pytest.mark.parametrize("text", [".", "../t", "x"])
    def test_that_show_features_twice_are_leaks(self, host, text):
        feature(host / "t/x/a.npz")
        link(host / "t/again", text)
        ready, sets = told(a_set(host / "t", **TREE))
        assert not ready and sets["t"]["leaks"] >= 1

    def test_without_features_are_of_no_interest(self, host):
        feature(host / "t/a.npz")
        (host / "empty").mkdir()
        link(host / "t/again", host / "empty")
        ready, sets = told(a_set(host / "t", **TREE))
        assert ready and not sets["t"]["warnings"]

    def test_above_the_target_are_a_problem(self, host):
        feature(host / "t/a.npz")
        link(host / "t/up", "..")
        ready, sets = told(a_set(host / "t", **TREE))
        assert not ready and f"{host}/t/up leads to a directory above it" in sets["t"]["problems"][0]

    def test_to_a_legacy_folder_hold_its_features_already(self, host):
        feature(host / "old/s1/a.npz")
        link(host / "t/s1", host / "old/s1")
        raw = a_set(host / "t", host / "old", **TREE)
        before = tree(host)
        for prune in ("none", "stray"):
            result = run(raw, prune=prune)
            assert not result["changed"] and tree(host) == before
        assert told(raw)[1]["t"]["ready"]

    def test_that_repeat_linked_features_are_stray(self, host):
        feature(host / "old/s1/a.npz")
        raw = a_set(host / "t", host / "old", **TREE)
        run(raw)
        link(host / "t/s2", host / "old/s1")
        assert told(raw)[1]["t"]["leaks"] == 1
        run(raw, prune="stray")
        assert links(host / "t") == {"s1/a.npz": f"{host}/old/s1/a.npz"}
        assert told(raw)[1]["t"]["ready"]

    def test_nothing_is_changed_behind_them(self, host):
        features(host / "old", "s1/a.npz", "s1/b.npz")
        link(host / "away/b.npz", host / "old/s1/gone.npz")
        link(host / "away/.trainprep-x", "nowhere")
        link(host / "t/s1", host / "away")
        before = tree(host / "away")
        for state in ("present", "absent"):
            run(a_set(host / "t", host / "old", **TREE), prune="stray", state=state)
            assert tree(host / "away") == before and links(host / "t") == {"s1": f"{host}/away"}


@pytest.mark.parametrize("keys", [{}, TREE])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/null", path), lambda path: os.symlink("/", path)])
def test_a_name_that_glob_matches_and_numpy_cannot_load_is_a_problem(host, keys, make):
    feature(host / "t/a.npz")
    make(host / "t/x.npz")
    ready, sets = told(a_set(host / "t", **keys))
    assert not ready and any(f"{host}/t/x.npz matches 'reads' but is not a regular file" in one for one in sets["t"]["problems"])


class TestListing:
    @pytest.mark.parametrize("closed", ["s1", "s1/deep"])
    def test_each_folder_that_glob_enters_has_to_be_listed(self, host, closed):
        with unprivileged(host) as account:
            feature(host / "t/s1/deep/a.npz")
            os.chmod(host / "t" / closed, 0o711 if account.uid != os.geteuid() else 0o311)
            one = told(a_set(host / "t", **TREE), account=account)[1]["t"]
            os.chmod(host / "t" / closed, 0o755)
            # Ourselves, we cannot see that there is something.
            assert not one["ready"] and (one["access"]["unreadable"] == 1 or account.uid == os.geteuid())
            assert any(f"{host}/t/{closed}" in problem for problem in one["problems"])

    def test_a_folder_without_features_need_not_be(self, host):
        with unprivileged(host) as account:
            feature(host / "t/a.npz")
            (host / "t/lost+found").mkdir(mode=0o700)
            one = told(a_set(host / "t", **TREE), account=account)[1]["t"]
            assert one["ready"]
