# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

import os

import pytest
import yaml
from ansible_collections.trainprep.features.plugins.action.feature_files_info import report_lines, sets_block
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import FEATURE, classify_file
from ansible_collections.trainprep.features.plugins.module_utils._scan.walk import Bounds
from ansible_collections.trainprep.features.plugins.module_utils._spec.names import name_filter
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.files_info import (
    Group,
    entry_of,
    files_info,
    legacy_of,
)
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, naming
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_formats as made
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import (
    FEATURE_MEMBERS,
    PLAIN,
    archive,
    members,
    npy,
    one,
    wav2vec,
)


def place(directory, **files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name.replace("__", ".")).write_bytes(content)


def look(*paths, bounds=None):
    """The module's result, and what the action adds to it."""
    account = find_account(None)
    found = files_info([str(path) for path in paths], account, *([bounds] if bounds else []))
    text = sets_block(found["groups"])
    return {**found, "text": text, "report": [*report_lines(found), *text.splitlines()]}


def feature(rows, seed):
    return archive({**FEATURE_MEMBERS, **members(wav2vec_features=wav2vec(rows, seed))})


@pytest.fixture
def mixed(tmp_path):
    top = tmp_path / "old"
    place(top / "wav2vec", a__npz=feature(2, b"\1"), b__npz=feature(5, b"\2"), copy__npz=feature(5, b"\2"), cut__npz=PLAIN[:-9])
    place(top / "hubert", a__safetensors=made.safetensors(), b__safetensors=made.safetensors())
    place(top / "more", x__h5=made.hdf5(), notes__txt=b"see the paper", old__pt=made.trap(os.mkdir, "/nonexistent/x"))
    (top / "more/link.npz").symlink_to(top / "wav2vec/a.npz")
    (top / "more/gone.npz").symlink_to(top / "nothing")
    (top / "more/folder").symlink_to(top / "wav2vec")
    place(top / ".hidden", a__npz=PLAIN)
    return top


def test_groups_counts_and_samples(mixed):
    told = look(mixed)
    groups = {group["kind"]: group for group in told["groups"]}
    assert sorted(groups) == ["hdf5", "npz", "safetensors"]
    npz = groups["npz"]
    assert npz["arrays"]["wav2vec_features"] == {"dtype": "float32", "shape": [None, 768]}
    assert npz["arrays"]["emotion"] == {"dtype": "str", "shape": []}
    assert [npz[key] for key in ("files", "features", "duplicates", "links")] == [3, 2, 1, 1]
    assert npz["directories"] == [{"path": f"{mixed}/wav2vec", "files": 3}, {"path": f"{mixed}/more", "files": 1}]
    assert groups["safetensors"]["arrays"] == {"wav2vec_features": {"dtype": "float32", "shape": [2, 3]}}
    assert told["damaged"]["count"] == 1
    assert told["damaged"]["samples"][0]["path"] == f"{mixed}/wav2vec/cut.npz"
    assert told["other"]["count"] == 2
    assert told["other"]["endings"] == {".pt": 1, ".txt": 1}
    assert told["links"] == {"files": 1, "directories": 1, "dangling": 1}
    assert (told["cut_short"], told["unreadable"]["count"], told["groups_left_out"]) == ([], 0, 0)


def test_each_entry_is_a_set_that_accepts_its_files(mixed):
    for group in look(mixed)["groups"]:
        (parsed,) = parse_sets([group["entry"]])
        accepted = 0
        for directory in parsed.legacy:
            for name in os.listdir(directory):
                path = os.path.join(directory, name)
                if name_filter(parsed.patterns)(name) and os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        info = os.fstat(file.fileno())
                        accepted += classify_file(file.fileno(), info, name, parsed.criteria).kind == FEATURE
        assert accepted == group["files"], group


def test_one_block_declares_all_sets(mixed):
    with naming({"variable_prefix": "prepare_features_"}):
        found = look(mixed)
    assert yaml.safe_load(found["text"]) == {"prepare_features_sets": [group["entry"] for group in found["groups"]]}
    assert "\n".join(found["report"]).endswith(found["text"].rstrip())


def test_sets_have_names_of_their_own(mixed):
    names = [group["entry"]["name"] for group in look(mixed)["groups"]]
    assert sorted(names) == ["more", "wav2vec_features", "wav2vec_features_2"]


def test_lines_for_a_person(mixed):
    report = look(mixed)["report"]
    assert report[0].startswith("3 npz files, 0.0 MB, 1 of them duplicates, 1 link to them: ")
    assert "  - name: wav2vec_features" in report
    assert "1 dangling link" in report
    assert any(line.startswith("1 file damaged (e.g. ") and line.endswith("cut.npz, which is truncated (no directory at its end))")
               for line in report)  # fmt: skip


def test_names_that_clash_keep_their_folders(tmp_path):
    for number, folder in enumerate(("one", "two")):
        place(tmp_path / folder, x__npz=feature(2, bytes([number])))
    (group,) = look(tmp_path)["groups"]
    assert group["entry"]["layout"] == "tree"
    place(tmp_path / "two", x__npz=feature(2, b"\0"))
    (group,) = look(tmp_path)["groups"]
    assert "layout" not in group["entry"]


def test_many_directories_are_few_in_the_entry(tmp_path):
    for number in range(30):
        place(tmp_path / f"speakers/s{number:02}", x__npz=feature(2, bytes([number])))
    (group,) = look(tmp_path)["groups"]
    assert group["entry"]["legacy"] == [f"{tmp_path}/speakers"]
    assert (len(group["directories"]), group["directories_left_out"]) == (10, 20)


@pytest.mark.parametrize(
    ("directories", "roots", "legacy"),
    [
        (["/a", "/a/b", "/a b", "/ab"], ["/"], ["/a", "/a b", "/ab"]),
        ([f"/r/{n}/x" for n in range(11)], ["/r"], ["/r"]),
        ([f"/r{n}" for n in range(11)], [f"/r{n}" for n in range(11)], sorted(f"/r{n}" for n in range(11))),
    ],
)
def test_directories_of_an_entry(directories, roots, legacy):
    assert legacy_of(directories, roots) == legacy


@pytest.mark.parametrize(
    ("directories", "legacy"),
    [
        (["/data/speech", "/old"], ["/old"]),
        (["/data/speech/deep", "/data/speech2"], ["/data/speech2"]),
        (["/data/speech"], []),
    ],
)
def test_a_target_that_has_features_is_no_legacy_directory_of_its_own(directories, legacy):
    group = Group("npz", {"speech": ("<f4", [2])}, endings={".npz"}, directories=dict.fromkeys(directories, 1))
    entry = entry_of(group, set(), ["/"])
    assert (entry["target"], entry["legacy"]) == ("/data/speech", legacy)
    assert parse_sets([entry])


def test_arrays_of_objects_and_of_no_name(tmp_path):
    place(tmp_path / "a", x__npz=archive({**FEATURE_MEMBERS, **members(meta=npy("|O", (1,), b"\x80\x04N."))}))
    place(tmp_path / "b", x__npy=npy(), y__npy=npy(shape=(7, 768)))
    place(tmp_path / "c", x__npz=one(npy("|O", (1,), b"\x80\x04N.")))
    place(tmp_path / "d", x__npy=npy(">f4"))
    told = look(tmp_path)
    entries = {group["directories"][0]["path"][-1]: group["entry"] for group in told["groups"]}
    assert "meta" not in entries["a"]["arrays"]
    assert entries["b"]["arrays"] == {"array": {"dtype": "float32", "shape": [None, 768]}}
    assert entries["d"]["arrays"] == {"array": {"dtype": ">f4", "shape": [2, 768]}}
    assert told["other"]["samples"][0]["reason"] == "holds Python objects, which only a pickle can load"
    assert parse_sets(list(entries.values()))


def test_it_is_bounded(mixed):
    assert look(mixed, bounds=Bounds(entries=3))["cut_short"][0].startswith("3 names were read before ")
    assert look(mixed, bounds=Bounds(seconds=-1))["cut_short"][0].startswith("-1 seconds had passed")
    assert f"{mixed}/hubert is more than 0 levels deep" in look(mixed, bounds=Bounds(depth=0))["cut_short"]


def test_its_size_does_not_grow_with_the_files(tmp_path):
    sizes = []
    for count in (30, 300):
        for number in range(count):
            place(tmp_path / "x", **{f"{number}__npz": PLAIN[:-number - 1], f"{number}__txt": b"x"})
        sizes.append(len(repr(look(tmp_path))))
    assert sizes[1] < sizes[0] + 100


def test_a_missing_directory_and_bad_paths(tmp_path):
    told = look(tmp_path / "none")
    assert told["unreadable"] == {"count": 1, "samples": [f"{tmp_path}/none cannot be listed (No such file or directory)"]}
    with pytest.raises(FeatureError, match="paths: 'old' is a relative path"):
        look("old")
    with pytest.raises(FeatureError, match="paths is empty"):
        look()


def test_nothing_there(tmp_path):
    assert look(tmp_path)["report"] == ["no files"]
