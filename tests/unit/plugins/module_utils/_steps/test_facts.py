# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts as the contract has them, and what they may never hold."""

from __future__ import annotations

import grp
import json
import os
import pwd
from functools import partial

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._steps.facts import facts
from ansible_collections.trainprep.features.tests.support.layout import Array, make_layout, write_npz
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    copy,
    damaged,
    feature,
    features,
    link,
    other,
    run,
    see,
    tree,
    unprivileged,
)

CONTRACT = {
    "status", "ready", "problems", "warnings", "features", "to_link", "target", "incoming", "legacy", "access", "rejected",
    "conflicts",
}  # fmt: skip
TARGET = {
    "path", "state", "features", "links", "dangling", "stray", "rejected", "bytes", "owner", "group", "mode",
}  # fmt: skip


@pytest.fixture
def host(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path


def told(*sets, **options):
    found = facts(see(*sets, **options))
    assert_small(found)
    # What Ansible's controller does with it: JSON in UTF-8.
    return json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8"))


def assert_small(value):
    if isinstance(value, dict):
        for item in value.values():
            assert_small(item)
    elif isinstance(value, (list, tuple)):
        # Ten samples; of sentences, ten of one sort and one of each other sort.
        assert len(value) <= (10 if value and isinstance(value[0], dict) else 20)
        for item in value:
            assert_small(item)


def test_a_host_with_nothing(host):
    found = told(a_set(host / "data/t", host / "old"))
    assert (found["feature_status"], found["features_ready"]) == (0, False)
    one = found["feature_sets"]["t"]
    assert set(one) >= CONTRACT
    assert set(one["target"]) >= TARGET
    assert (one["target"]["state"], one["target"]["owner"], one["target"]["mode"]) == ("absent", None, None)
    assert one["incoming"] == {"state": "absent", "features": 0, "complete": False}
    (legacy,) = one["legacy"]
    assert {key: legacy[key] for key in ("path", "state", "features", "rejected", "bytes", "same_as")} == {
        "path": str(host / "old"),
        "state": "absent",
        "features": 0,
        "rejected": 0,
        "bytes": 0,
        "same_as": None,
    }
    assert one["access"] == {"user": "me", "unreadable": 0, "to_grant": 0, "samples": []}
    assert one["rejected"] == one["conflicts"] == {"count": 0, "samples": []}


def test_each_count(host):
    features(host / "old", "a.npz", "b.npz", "x/c.npz")
    other(host / "old/v.npz")
    damaged(host / "old/d.npz")
    link(host / "alias", "old")
    (host / "empty").mkdir()
    features(host / "data/t", "mine.npz")
    copy(host / "old/a.npz", host / "data/t/a.npz")
    link(host / "data/t/b.npz", host / "old/b.npz")
    link(host / "data/t/v.npz", host / "old/v.npz")
    link(host / "data/t/gone.npz", "/nowhere")
    damaged(host / "data/t/bad.npz")
    os.chmod(host / "data/t", 0o750)
    found = told(a_set(host / "data/t", host / "alias", host / "old", host / "empty"))
    one = found["feature_sets"]["t"]
    size = sum((host / "data/t" / name).stat().st_size for name in ("mine.npz", "a.npz", "b.npz"))
    assert (found["feature_status"], one["status"], one["features"], one["to_link"]) == (3, 3, 4, 1)
    target = {key: one["target"][key] for key in TARGET}
    assert target == {
        "path": str(host / "data/t"),
        "state": "present",
        "features": 3,
        "links": 3,
        "dangling": 1,
        "stray": 1,
        "rejected": 2,
        "bytes": size,
        "owner": pwd.getpwuid(os.geteuid()).pw_name,
        "group": grp.getgrgid(os.stat(host / "data/t").st_gid).gr_name,
        "mode": "0750",
    }
    legacy = [(item["path"], item["state"], item["features"], item["rejected"], item["same_as"]) for item in one["legacy"]]
    assert legacy == [
        (str(host / "alias"), "present", 0, 0, str(host / "old")),
        (str(host / "old"), "present", 3, 2, None),
        (str(host / "empty"), "empty", 0, 0, None),
    ]
    assert one["legacy"][1]["bytes"] == sum((host / "old" / n).stat().st_size for n in ("a.npz", "b.npz", "x/c.npz"))


def test_rejected_files_are_counted_once_for_each_place_with_their_reasons(host):
    features(host / "old", "a.npz")
    for number in range(30):
        other(host / f"old/{number}.npz")
    damaged(host / "old/d.npz")
    (host / "old/e.npz").touch()
    damaged(host / "data/t/z.npz")
    rejected = told(a_set(host / "data/t", host / "old"))["feature_sets"]["t"]["rejected"]
    assert (rejected["count"], len(rejected["samples"])) == (33, 10)
    reasons = {sample["reason"] for sample in rejected["samples"]}
    # Each reason is shown, however many files of one kind there are.
    assert any("video_features" in reason and "wav2vec_features" in reason for reason in reasons)
    assert any("empty" in reason for reason in reasons)
    assert len(reasons) == 3
    assert str(host / "data/t/z.npz") in {sample["path"] for sample in rejected["samples"]}


def test_conflicts(host):
    for number in range(12):
        feature(host / f"old/{number:02}.npz", f"one {number}")
        feature(host / f"two/{number:02}.npz", f"two {number}")
    conflicts = told(a_set(host / "data/t", host / "old", host / "two"))["feature_sets"]["t"]["conflicts"]
    assert (conflicts["count"], len(conflicts["samples"])) == (12, 10)
    first = conflicts["samples"][0]
    assert first["path"] == str(host / "data/t/00.npz")
    assert str(host / "old/00.npz") in first["reason"] and str(host / "two/00.npz") in first["reason"]


ODD = [
    b"with space",
    b"quote'\"",
    b"new\nline",
    b"tab\tand escape \x1b[31m",
    b"no utf-8 \xff\xfe",
    "größe \N{PILE OF POO}".encode(),
    "\N{RIGHT-TO-LEFT OVERRIDE}".encode(),
    b"{{ lookup('pipe', 'id') }}",
]


@pytest.mark.parametrize("name", ODD, ids=[str(number) for number in range(len(ODD))])
def test_odd_names_are_shown_safely_wherever_they_stand(host, name):
    odd = os.fsdecode(name)
    target, old, two = host / "data" / odd, host / f"old {odd}", host / f"two {odd}"
    feature(old / f"{odd}.npz", "one")
    feature(two / f"{odd}.npz", "two")
    damaged(old / f"d{odd}.npz")
    damaged(target / f"{odd}z.npz")
    link(target / f"gone{odd}.npz", odd)
    link(target / f"stray{odd}.npz", old / f"d{odd}.npz")
    link(host / f"alias {odd}", old)
    link(host / f"dangling {odd}", f"/nowhere/{odd}")
    feature(target / f"1{odd}.npz", "leak")
    copy(target / f"1{odd}.npz", target / f"2{odd}.npz")
    paths = [host / f"alias {odd}", old, two, host / f"dangling {odd}"]
    found = told({**a_set(target, *paths), "name": "t"})
    assert found["feature_status"] == 3

    def assert_printable(value):
        if isinstance(value, dict):
            for item in value.values():
                assert_printable(item)
        elif isinstance(value, list):
            for item in value:
                assert_printable(item)
        elif isinstance(value, str):
            assert value.isprintable()

    assert_printable(found)
    assert found["feature_sets"]["t"]["conflicts"]["count"] == found["feature_sets"]["t"]["leaks"] == 1


def test_odd_array_names_are_shown_safely(host):
    (host / "old").mkdir()
    write_npz(host / "old/a.npz", [Array("new\nline \x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 500, "<f4", (1, 768), 4 * 768, b"")])
    (sample,) = told(a_set(host / "data/t", host / "old"))["feature_sets"]["t"]["rejected"]["samples"]
    assert sample["reason"].isprintable() and len(sample["reason"]) < 300


def size_for(root, number):
    """The facts' size on a host where as much as can be is wrong, in number."""
    for index in range(number):
        name = f"{index:04}.npz"
        feature(root / "old" / name, f"one {index}")
        feature(root / "two" / name, f"two {index}")
        damaged(root / f"old/x/d{name}")
        damaged(root / f"data/t/e{name}")
        copy(root / "old" / name, root / f"data/t/f{name}")
        copy(root / "old" / name, root / f"data/u/f{name}")
        link(root / f"data/t/g{name}", "/nowhere")
        link(root / f"data/t/s{name}", root / f"old/x/d{name}")
        os.chmod(root / f"data/t/e{name}", 0)
    found = told(a_set(root / "data/t", root / "old", root / "two"), a_set(root / "data/u"))
    assert found["feature_sets"]["t"]["leaks"] >= number
    return len(json.dumps(found))


def test_their_size_does_not_grow_with_the_files(tmp_path):
    small, large = size_for(tmp_path / "a", 20), size_for(tmp_path / "b", 200)
    # Digits of counts and of sizes, and nothing else.
    assert abs(large - small) < 100


def test_2000_files_are_told_in_as_many_words_as_20(tmp_path):
    sizes = []
    for root, number in ((tmp_path / "a", 20), (tmp_path / "b", 2000)):
        (root / "old").mkdir(parents=True)
        for index in range(number):
            damaged(root / f"old/{index:04}.npz")
        sizes.append(len(json.dumps(told(a_set(root / "data/t", root / "old")))))
    assert abs(sizes[1] - sizes[0]) < 20


def test_a_look_changes_nothing(host):
    features(host / "old", "a.npz")
    link(host / "data/t/b.npz", host / "old/b.npz")
    before = tree(host)
    told(a_set(host / "data/t", host / "old"), prune="stray", on_conflict="first")
    assert tree(host) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees more than the training user")
def test_access_is_told_with_the_component_that_blocks(host):
    features(host / "home/old", "a.npz", "b.npz")
    with unprivileged(host) as account:
        raw = a_set(host / "data/t", host / "home/old")
        os.chmod(host / "home", 0o700)
        one = facts(see(raw, account=account))["feature_sets"]["t"]
        os.chmod(host / "home", 0o755)
    assert (one["status"], one["access"]["user"], one["access"]["unreadable"]) == (2, account.name, 2)
    assert any(f"{host}/home (0700" in sample["reason"] for sample in one["access"]["samples"])
    assert one["ready"] is False


def test_the_layout_of_a_real_host_with_the_default_sets(host):
    scale = make_layout(host)
    legacy = [
        host / "home/ubuntu/audio_emotion/models/wav2vec",
        host / "home/ubuntu/emotion_project/wav2vec_features",
        host / "home/ubuntu/emotion-recognition/crema_d_features_audio",
        host / "home/ubuntu/emotion-recognition/crema_d_features",
        host / "home/ubuntu/emotion-recognition/npz_files/CREMA-D",
    ]
    sets = [
        a_set(host / "data/wav2vec_features", *legacy, exclude=["cremad_*.npz"], required="any"),
        a_set(host / "data/wav2vec_crema_d", *legacy, patterns=["cremad_*.npz"], required="any"),
    ]
    found = told(*sets)
    ravdess, crema = found["feature_sets"]["wav2vec_features"], found["feature_sets"]["wav2vec_crema_d"]
    assert found["feature_status"] == 2
    assert (ravdess["features"], crema["features"]) == (scale.ravdess, scale.crema_d)
    assert (ravdess["rejected"]["count"], crema["rejected"]["count"]) == (scale.audio + scale.npz_files, 0)
    assert ravdess["legacy"][1]["same_as"] == str(legacy[0])
    assert ravdess["legacy"][3]["state"] == "absent"
    run(*sets)
    found = told(*sets)
    assert (found["feature_status"], found["features_ready"]) == (3, True)
    assert [one["to_link"] for one in found["feature_sets"].values()] == [0, 0]
    assert found["feature_sets"]["wav2vec_crema_d"]["target"]["links"] == scale.crema_d


def staged(host, whole):
    """What an upload that was ended left next to the target; whole: all that its manifest names is there."""
    from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify, file_digest
    from ansible_collections.trainprep.features.plugins.module_utils._scan import manifest
    from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
    from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import write_manifest

    path = feature(host / "data/.t.incoming/a.npz")
    path.parent.chmod(0o700)
    with path.open("rb") as file:
        arrays = a_set(host / "data/t")["arrays"]
        size = path.stat().st_size
        classification = classify(file.fileno(), size, path.name, parse_arrays(arrays))
        wanted = {"a.npz": manifest.Wanted(size, manifest.token_of(classification, partial(file_digest, file.fileno())))}
    if not whole:
        wanted["b.npz"] = manifest.Wanted(size, "0" * 32)
    write_manifest(str(host / "data/t"), wanted)


@pytest.mark.parametrize(
    ("prepare", "keys", "expected"),
    [
        (lambda host: features(host / "data/t", "a.npz"), {}, []),
        (lambda host: features(host / "old", "a.npz"), {}, ["link"]),
        (lambda host: None, {"source": "here"}, ["upload"]),
        (lambda host: None, {"required": "false"}, []),
        (lambda host: staged(host, True), {"source": "here"}, ["publish"]),
        (lambda host: staged(host, False), {"source": "here"}, ["upload"]),
        # Nothing to upload from is an obstacle: what was uploaded whole is published all the same.
        (lambda host: staged(host, True), {}, ["publish"]),
        (lambda host: None, {}, []),
    ],
    ids=["ready", "link", "upload", "nothing", "publish", "resume", "publish-only", "obstacle"],
)
def test_the_steps_that_are_due(host, prepare, keys, expected):
    prepare(host)
    assert told(a_set(host / "data/t", host / "old", **keys))["feature_steps"] == expected
