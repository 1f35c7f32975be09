# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of one host: what it says, and that it is fit for any terminal."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.trainprep.features.plugins.action.feature_report import shipped_note
from ansible_collections.trainprep.features.plugins.plugin_utils._report.model import set_entry
from ansible_collections.trainprep.features.plugins.plugin_utils._report.text import coloured, failures, host_report
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import (
    count,
    listed,
    plain,
    sentence,
    size,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import shipped_sets

OLD = "/home/ubuntu/audio_emotion/models/wav2vec"


def one_set(**changes):
    """The facts of a ready set, with changes; ``target`` is merged."""
    raw = {
        "status": 3,
        "ready": True,
        "problems": [],
        "warnings": [],
        "obstacles": [],
        "features": 8,
        "to_link": 0,
        "to_upload": False,
        "required": "any",
        "target": {
            "path": "/data/wav2vec", "state": "present", "features": 8, "links": 8, "dangling": 0, "stray": 0,
            "rejected": 0, "bytes": 4_500_000, "owner": "ubuntu", "group": "ubuntu", "mode": "0755",
        },
        "incoming": {"state": "absent", "features": 0, "complete": False},
        "legacy": [{"path": OLD, "state": "present", "features": 8, "rejected": 0, "bytes": 4_500_000, "same_as": None}],
        "access": {"user": "ubuntu", "unreadable": 0, "to_grant": 0, "samples": []},
        "rejected": {"count": 0, "samples": []},
        "conflicts": {"count": 0, "samples": []},
    }  # fmt: skip
    raw["target"].update(changes.pop("target", {}))
    raw.update(changes)
    return raw


def facts(ready=True, status=3, **sets):
    return {"feature_status": status, "features_ready": ready, "feature_sets": sets or {"wav2vec": one_set()}}


def lines(raw, done=(), **options):
    return host_report("gpu-1", facts(wav2vec=raw), done, **options)


def text(raw, done=(), **options):
    """The whole report as one line, so that a sentence is found however it is wrapped."""
    return " ".join(" ".join(lines(raw, done, **options)).split())


LACKING = one_set(
    status=2, ready=False, to_link=8, problems=["/data/wav2vec lacks 8 features that legacy directories hold"],
    target={"state": "absent", "features": 0, "links": 0},
)  # fmt: skip
LOCKED = one_set(
    ready=False,
    problems=["user trainer cannot read 8 of the features"],
    access={
        "user": "trainer", "unreadable": 8, "to_grant": 2,
        "samples": [{"path": f"{OLD}/a.npz", "reason": "/home/ubuntu (0750 ubuntu:ubuntu): user trainer lacks search permission"}],
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "done", "options", "said", "not_said"),
    [
        pytest.param(
            one_set(), {}, {},
            ["wav2vec: READY", "3: target and legacy, 8 distinct features",
             "8 features (all links, 4.5 MB); ubuntu:ubuntu 0755", f"{OLD}: 8 features (4.5 MB)",
             "done nothing to change", "ubuntu can read every feature"],
            ["TO DO", "PROBLEM", "warning"], id="nothing-to-do",
        ),
        pytest.param(
            one_set(), [{"changed": True, "sets": {"wav2vec": {"linked": 8, "replaced": 1, "removed": 2}}}], {},
            ["done linked 8 features, 1 of them in place of dangling links", "removed 2 links"], ["nothing"], id="linked",
        ),
        pytest.param(
            LACKING, [{"sets": {"wav2vec": {"linked": 8}}}], {"check_mode": True},
            ["check mode: nothing was changed", "plan would link 8 features", "Run without --check to link", "absent"],
            ["linked 8", "Run again"], id="check-mode-not-enough",
        ),
        pytest.param(
            {**LACKING, "will_be_ready": True, "planned": LACKING["problems"]}, [{"sets": {"wav2vec": {"linked": 8}}}],
            {"check_mode": True}, ["wav2vec: would be ready", "plan would link 8 features"], ["NOT READY", "PROBLEM", "TO DO"],
            id="check-mode",
        ),
        pytest.param(
            one_set(ready=False, problems=["too few"], expected=9, source="/srv/features"), {}, {},
            ["TO DO Run with prepare_features_top_up=true to complete the set from its source (/srv/features)."], [], id="top-up",
        ),
        pytest.param(
            one_set(ready=False, problems=["too few"], expected=9, source="/srv/features", to_upload=True), {}, {},
            ["Run again to upload"], ["top_up"], id="topped-up-already",
        ),
        pytest.param(one_set(ready=False, problems=["too few"], expected=9), {}, {}, [], ["top_up"], id="no-source"),
        pytest.param(LACKING, {}, {}, ["NOT READY", "PROBLEM /data/wav2vec lacks 8", "Run again to link"], ["--check"], id="lacking"),
        pytest.param(
            LOCKED, {}, {},
            ["trainer CANNOT READ 8 features (a grant would open 2 of them)",
             "/home/ubuntu (0750 ubuntu:ubuntu): user trainer lacks search permission", "prepare_features_permissions=grant"],
            ["can read every"], id="unreadable",
        ),
        pytest.param(
            {**LOCKED, "access": {**LOCKED["access"], "to_grant": 8}}, {}, {"check_mode": True},
            ["(a grant would open them)", "Run with prepare_features_permissions=grant"], ["without --check"], id="check-grants-nothing",
        ),
        pytest.param(
            LOCKED, [{"sets": {"wav2vec": {"directories": 1}}}], {"check_mode": True}, ["Run without --check to grant"],
            ["prepare_features_permissions"], id="check-mode-grants",
        ),
        pytest.param(
            one_set(status=None, ready=False, problems=["/old may not be listed: make it readable"], features=0), {}, {},
            ["status null: unknown", "done nothing: the status is unknown", "PROBLEM /old may not be listed"],
            ["TO DO"], id="cannot-be-told",
        ),
        pytest.param(
            one_set(status=0, ready=False, features=0, legacy=[], target={"state": "absent", "features": 0}), {}, {},
            ["empty, allowed", "0: no features"], ["NOT READY", "can read"], id="may-stay-empty",
        ),
        pytest.param(
            one_set(target={"rejected": 5, "damaged": 2, "dangling": 3, "stray": 1}), {}, {},
            ["3 files of another kind, 2 damaged files, 3 dangling links, 1 stray link"], [], id="in-the-target",
        ),
        pytest.param(
            one_set(legacy=[{"path": "/a", "state": "absent"}, {"path": "/b", "state": "absent"},
                            {"path": "/c", "state": "present", "features": 8, "same_as": OLD},
                            {"path": "/d", "state": "present", "features": 0, "rejected": 530},
                            {"path": "/e", "state": "unreadable"}]), {}, {},
            ["absent: /a, /b", f"/c: the same directory as {OLD}", "/d: no feature, 530 files of another kind",
             "/e: CANNOT BE READ"], [], id="legacy-directories",
        ),
        pytest.param(
            one_set(), [{"results": [{"sets": {"wav2vec": {"sent": 3, "sent_bytes": 1500, "resumed": 5}}}]},
                        {"sets": {"wav2vec": {"published": 8}}},
                        {"sets": {"wav2vec": {"granted": 8, "directories": 2, "warnings": ["no ACLs here"]}}}], {},
            ["uploaded 3 features (1.5 kB), 5 were there from an earlier try", "published 8 features",
             "granted access to 8 files and 2 directories", "warning no ACLs here."], [], id="uploaded",
        ),
        pytest.param(
            one_set(fetched_from="gpu-7"), [{"sets": {"wav2vec": {"sent": 3, "fetched_from": "gpu-7"}}}], {},
            ["received 3 features from gpu-7"], [], id="from-a-peer",
        ),
        pytest.param(
            one_set(rejected={"count": 20, "samples": [{"path": "/x/1.npz", "reason": "other"}, {"path": "/x/2.npz", "reason": "other"},
                                                       {"path": "/x/3.npz", "reason": "truncated"}]}), {}, {},
            ["/x/1.npz: other", "/x/3.npz: truncated", "and 18 more files"], ["/x/2.npz"], id="one-example-for-each-reason",
        ),
        pytest.param(
            one_set(target={"filesystem": {"type": "nfs4", "source": "10.0.0.5:/f"}}), {}, {}, ["on nfs4 10.0.0.5:/f"], [], id="nfs"
        ),
        pytest.param(LACKING, {}, {"state": "absent"}, ["state absent"], ["NOT READY", "TO DO", "PROBLEM", "removed"], id="absent"),
    ],
)  # fmt: skip
def test_says(raw, done, options, said, not_said):
    report = text(raw, done, **options)
    assert [part for part in said if part not in report] == []
    assert [part for part in not_said if part in report] == []


@pytest.mark.parametrize("raw", [one_set(), LACKING, LOCKED], ids=["ready", "lacking", "locked"])
@pytest.mark.parametrize("width", [80, 60])
def test_fits_the_terminal_and_keeps_paths_whole(raw, width):
    for line in lines(raw, width=width):
        assert len(line) <= width or len(line.split()[-1]) > width - 20, line
        assert line == line.rstrip()
    assert any(OLD in line for line in lines(raw, width=width))


def test_host_line_tells_ready_from_not_ready():
    assert lines(one_set())[1] == "gpu-1: READY, status 3: target and legacy"
    not_ready = host_report("gpu-1", facts(ready=False, status=None, wav2vec=LACKING))
    assert not_ready[1] == "gpu-1: NOT READY, status null: unknown"
    assert host_report("gpu-1", {})[1] == "gpu-1: no feature set was inspected"


def test_short_report_is_one_line_if_nothing_happened():
    quiet = one_set()
    assert lines(quiet, detail="short") == ["gpu-1: READY, status 3: target and legacy; 8 features, unchanged"]
    for raw, done in ((quiet, [{"sets": {"wav2vec": {"linked": 8}}}]), ({**quiet, "warnings": ["odd"]}, []), (LACKING, [])):
        found = facts(ready=raw["ready"], wav2vec=raw)
        assert host_report("gpu-1", found, done, detail="short") == host_report("gpu-1", found, done, detail="full")


def test_shipped_sets_are_noted():
    shipped = {one["name"]: one_set(declared=one) for one in shipped_sets()}
    assert shipped_note(facts(**shipped)) == "shipped sets, since prepare_features_sets is not set"
    assert shipped_note(facts()) == ""
    shipped["wav2vec"]["declared"] = {**shipped["wav2vec"]["declared"], "target": "/data/other"}
    assert shipped_note(facts(**shipped)) == ""


def test_note_is_on_the_first_line():
    assert "gpu-1: READY, status 3: target and legacy; the shipped sets" in text(one_set(), note="the shipped sets")


@pytest.mark.parametrize("enabled", [True, False])
def test_colours_follow_ansible(monkeypatch, enabled):
    monkeypatch.setattr("ansible.utils.color.ANSIBLE_COLOR", enabled)
    shown = coloured([*lines(one_set()), *host_report("NOT READY", facts(ready=False, wav2vec=LACKING))])
    assert ("\033[0;32mREADY\033[0m, status" in shown) is enabled
    assert ("\033[0;31mNOT READY\033[0m\n" in shown) is enabled
    assert ("    \033[1mTO DO\033[0m    Run again" in shown) is enabled
    if not enabled:
        assert shown.isascii() and "\033" not in shown


def test_hostile_names_cannot_reach_the_terminal():
    raw = one_set(problems=["move \x1b[2Jaway\r\nREADY"], ready=False)
    raw["rejected"] = {"count": 1, "samples": [{"path": "/data/\x1b]0;x\x07\udcff.npz", "reason": "no\narchive"}]}
    report = lines(raw)
    assert all(line.isprintable() for line in report)
    assert r"\x1b]0;x\x07\udcff.npz" in " ".join(report)
    "\n".join(report).encode("utf-8")


@pytest.mark.parametrize("step", [None, {}, {"skipped": True}, "", [], {"results": [None]}, {"sets": None}])
def test_a_step_that_did_not_run_counts_nothing(step):
    assert set(set_entry("wav2vec", one_set(), [step], False)["counts"].values()) == {0}


BLOCKED = one_set(status=None, ready=False, problems=["unknown", "x"], obstacles=["unknown"])
EMPTY = one_set(status=0, ready=False, problems=["nothing", "no source"], obstacles=["no source"])


@pytest.mark.parametrize(
    ("sets", "fail_on", "check_mode", "expected"),
    [
        ([one_set()], "unready", False, []),
        ([LACKING], "unready", False, LACKING["problems"]),
        ([LACKING, LACKING], "unready", False, LACKING["problems"]),
        ([LACKING], "unready", True, []),
        ([LACKING], "obstacles", False, []),
        ([LACKING, BLOCKED], "unready", False, ["unknown"]),
        ([LACKING, BLOCKED], "obstacles", False, ["unknown"]),
        ([BLOCKED], "unready", True, ["unknown"]),
        ([EMPTY], "unready", False, ["no source"]),
        ([EMPTY], "obstacles", False, ["no source"]),
        ([EMPTY], "unready", True, []),
        ([BLOCKED, LACKING], "nothing", False, []),
        ([], "unready", False, []),
    ],
)
def test_what_ends_a_run_as_failed(sets, fail_on, check_mode, expected):
    ready = all(one["ready"] for one in sets)
    found = facts(ready, None, **{f"set{index}": one for index, one in enumerate(sets)})
    assert failures(found if sets else {}, fail_on, check_mode) == expected


def test_input_is_left_as_it_was():
    raw = one_set()
    before = copy.deepcopy(raw)
    set_entry("wav2vec", raw, [], False)
    assert raw == before


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (count(0, "feature"), "no feature"),
        (count(1, "feature"), "1 feature"),
        (count(8690, "feature"), "8,690 features"),
        (size(999), "999 bytes"),
        (size(3_600_000_000), "3.6 GB"),
        (size(4_500_000_000_000), "4.5 TB"),
        (listed([]), ""),
        (listed(["a"]), "a"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (plain("ü–ok"), "ü–ok"),
        (plain("a\tb"), "a\\tb"),
        (sentence("two\n words"), "two words."),
        (sentence("done."), "done."),
    ],
)
def test_words(value, expected):
    assert value == expected
