# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of all hosts: outcomes, terminal, JSON, page."""

from __future__ import annotations

import json

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils._report.files import (
    link_to_trainings,
    to_html,
    to_json,
    write_report,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._report.fleet import Fleet, document, natural
from ansible_collections.trainprep.features.plugins.plugin_utils._report.table import fleet_table
from ansible_collections.trainprep.features.tests.support.charts import page_of

PREFIX = "trainprep.features."
MARKUP = "<script>alert('x')</script>\"&\x1b[31m"


def facts(name="wav2vec", ready=True, status=3, problems=(), **target):
    path = target.pop("path", "/data/wav2vec")
    return {
        "feature_status": status,
        "features_ready": ready,
        "feature_sets": {
            name: {
                "status": status, "ready": ready, "problems": list(problems), "warnings": [], "features": 7442, "to_link": 0,
                "target": {"path": path, "state": "present", "features": 7442, "links": 7442, **target},
                "legacy": [{"path": "/old", "state": "present", "features": 7442, "rejected": 12}],
                "access": {"user": "ubuntu", "unreadable": 0},
            }
        },
    }  # fmt: skip


def looked(fleet, host, **changes):
    fleet.saw(host, PREFIX + "feature_facts", {"ansible_facts": facts(**changes)})


def mixed() -> Fleet:
    fleet = Fleet()
    looked(fleet, "gpu-10")
    fleet.saw("gpu-10", PREFIX + "feature_links", {"changed": True, "sets": {"wav2vec": {"linked": 7442}}})
    looked(fleet, "gpu-2", ready=False, status=None, problems=["/old may not be listed: make it readable"])
    fleet.failed("gpu-2", PREFIX + "feature_report", "Report", {"state": "present", "report_dir": "/r", "msg": "/old may not be listed"})
    fleet.lost("gpu-1", {"msg": "Failed to connect to the host via ssh: timed out"})
    fleet.failed("gpu-3", PREFIX + "feature_facts", "Look", {"msg": "this host has no account 'trainer'"})
    return fleet


def report_of(fleet: Fleet):
    return document(fleet, "prepare_features.yml", "2026-11-22T12:00:00Z")


def terminal(fleet: Fleet, width: int) -> list[str]:
    return [line for line, _outcome in fleet_table(report_of(fleet), width)]


def test_outcomes_and_their_sentences():
    report = report_of(mixed())
    assert [(host["host"], host["outcome"], host["message"]) for host in report["hosts"]] == [
        ("gpu-1", "unreachable", "Failed to connect to the host via ssh: timed out."),
        ("gpu-2", "not_ready", "/old may not be listed."),
        ("gpu-3", "failed", "this host has no account 'trainer'."),
        ("gpu-10", "ready", ""),
    ]
    assert report["summary"] == {
        "hosts": 4, "changed": 1, "ready": 1, "would_be_ready": 0, "done": 0, "not_ready": 1,
        "failed": 1, "unreachable": 1, "not_looked_at": 0,
    }  # fmt: skip
    assert report["hosts"][1]["sets"][0]["status"] is None
    assert report["hosts"][3]["sets"][0]["linked"] == 7442


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([("saw", "feature_facts", {"ansible_facts": facts()})], "ready"),
        ([("saw", "feature_facts", {"ansible_facts": facts(ready=False)})], "not_ready"),
        ([("saw", "feature_report", {"state": "present"})], "not_looked_at"),
        ([("saw", "feature_facts", {"ansible_facts": facts()}), ("failed", "feature_links", {"msg": "disk full"})], "failed"),
        ([("saw", "feature_facts", {"ansible_facts": facts(ready=False)}),
          ("failed", "feature_report", {"msg": "the callback is not enabled"})], "failed"),
        ([("saw", "feature_facts", {"ansible_facts": facts(ready=False)}), ("saw", "feature_report", {"state": "absent"})], "done"),
        ([("saw", "feature_facts", {"ansible_facts": facts(ready=False)}), ("saw", "feature_facts", {"ansible_facts": facts()})], "ready"),
    ],
)  # fmt: skip
def test_outcome(events, outcome):
    fleet = Fleet()
    for kind, action, result in events:
        if kind == "saw":
            fleet.saw("h", PREFIX + action, result)
        else:
            fleet.failed("h", PREFIX + action, "a task", result)
    assert report_of(fleet)["hosts"][0]["outcome"] == outcome


def test_nothing_is_to_do_with_state_absent():
    fleet = Fleet()
    looked(fleet, "a", ready=False)
    fleet.hosts["a"].facts["feature_sets"]["wav2vec"]["to_link"] = 8
    assert report_of(fleet)["hosts"][0]["sets"][0]["to_do"] == ["Run again to link what the target lacks."]
    fleet.saw("a", PREFIX + "feature_report", {"state": "absent"})
    assert report_of(fleet)["hosts"][0]["sets"][0]["to_do"] == [] and "what to do" not in to_html(report_of(fleet)).lower()


def test_failure_of_a_loop_and_of_a_foreign_task():
    fleet = Fleet()
    fleet.failed("a", PREFIX + "feature_upload", "Upload", {"msg": "One or more items failed", "results": [
        {"failed": False, "msg": "fine"}, {"failed": True, "msg": "rsync ended with 23"}]})  # fmt: skip
    fleet.failed("b", "ansible.builtin.command", "Mount it", {"msg": "non-zero return code"})
    assert [host["message"] for host in report_of(fleet)["hosts"]] == ["rsync ended with 23.", "Mount it: non-zero return code."]


def test_report_directory_is_learnt_from_a_report_that_fails_too():
    assert mixed().report_dir == "/r"


def test_what_blocks_is_below_the_row():
    lines = terminal(mixed(), 160)
    assert lines[0].split() == ["HOST", "SET", "RESULT", "STATUS", "FEATURES", "DONE"]
    number = next(number for number, line in enumerate(lines) if line.startswith("gpu-2"))
    assert "NOT READY" in lines[number] and "unknown" in lines[number]
    assert lines[number + 1] == "  ! /old may not be listed: make it readable."
    assert "7,442" in next(line for line in lines if line.startswith("gpu-10"))


@pytest.mark.parametrize("width", [30, 40, 60, 79, 80, 100, 160])
def test_no_line_is_longer_than_the_terminal(width):
    lines = terminal(mixed(), width)
    assert [line for line in lines if len(line) > width] == []
    joined = " ".join(" ".join(lines).split())
    for part in ("gpu-1", "gpu-2", "gpu-3", "gpu-10", "this host has no account 'trainer'", "timed out", "4 hosts: 1 ready"):
        assert part in joined


def test_narrow_terminal_stacks():
    lines = terminal(mixed(), 50)
    assert "HOST" not in lines[0]
    assert lines[-1] == "Unreachable: gpu-1"
    assert "gpu-10: wav2vec, result READY, status target and" in lines


def test_ready_rows_can_be_told_apart_by_the_caller():
    kinds = {line.split()[0]: outcome for line, outcome in fleet_table(report_of(mixed()), 80) if line.startswith("gpu")}
    assert kinds == {"gpu-1": "unreachable", "gpu-2": "not_ready", "gpu-3": "failed", "gpu-10": "ready"}


def test_quiet_hosts_are_one_row_and_problems_appear_once():
    fleet = Fleet()
    for host in ("a", "b"):
        two = facts(problems=[] if host == "a" else ["/mnt is not a mount point"], ready=host == "a")
        two["feature_sets"]["second"] = {**two["feature_sets"]["wav2vec"]}
        fleet.saw(host, PREFIX + "feature_prepare", {"ansible_facts": two})
    lines = terminal(fleet, 100)
    assert [line.split()[:3] for line in lines if line.startswith("a")] == [["a", "2", "sets"]]
    assert sum("/mnt is not a mount point" in line for line in lines) == 1
    assert [line for line in terminal(fleet, 50) if line.startswith("a")] == ["a: 2 sets, result READY, status target and legacy,"]


def test_attention_comes_first_with_its_message():
    fleet = mixed()
    fleet.lost("gpu-30", {"msg": "Failed to connect to the host via ssh: timed out"})
    page = to_html(report_of(fleet))
    overview = page[page.index("Needs attention") : page.index("All hosts")]
    assert overview.count("timed out") == 1 and "gpu-1<" in overview and "gpu-30<" in overview and "gpu-10<" not in overview
    assert page.index('id="host-gpu-3"') < page.index('id="host-gpu-10"')


def test_pages_are_linked_if_both_exist(tmp_path):
    write_report(str(tmp_path), report_of(mixed()))
    assert "training.html" not in (tmp_path / "report.html").read_text()
    (tmp_path / "training.html").touch()
    write_report(str(tmp_path), report_of(mixed()))
    assert '<a href="training.html">' in (tmp_path / "report.html").read_text()


def test_a_page_of_trainings_written_later_is_linked(tmp_path):
    write_report(str(tmp_path), report_of(mixed()))
    link_to_trainings(str(tmp_path))
    assert (tmp_path / "report.html").read_text() == to_html(report_of(mixed()), True)
    (tmp_path / "report.json").write_text("{}")
    link_to_trainings(str(tmp_path))
    link_to_trainings(str(tmp_path / "none"))
    assert '<a href="training.html">' in (tmp_path / "report.html").read_text()


def test_hosts_are_in_natural_order():
    assert sorted(["gpu-10", "gpu-2", "a", "10", "gpu-2b"], key=natural) == ["10", "a", "gpu-2", "gpu-2b", "gpu-10"]


def test_one_shared_target_is_told_once():
    fleet = Fleet()
    shared = {"type": "nfs4", "source": "10.0.0.5:/features"}
    for host in ("a", "b"):
        looked(fleet, host, filesystem=shared)
    looked(fleet, "c", filesystem={**shared, "source": "10.0.0.6:/features"})
    looked(fleet, "d", path="/elsewhere", filesystem=shared)
    looked(fleet, "e")
    report = report_of(fleet)
    assert report["shared"] == [{"path": "/data/wav2vec", **shared, "hosts": ["a", "b"]}]
    assert "/data/wav2vec is one directory that a and b share (nfs4 10.0.0.5:/features)" in " ".join(" ".join(terminal(fleet, 80)).split())
    assert "is one directory that a and b share" in to_html(report)


def hostile() -> Fleet:
    fleet = Fleet()
    looked(fleet, MARKUP, name=MARKUP, ready=False, problems=[MARKUP], path="/data/" + MARKUP)
    raw = fleet.hosts[MARKUP].facts["feature_sets"][MARKUP]
    raw["rejected"] = {"count": 1, "samples": [{"path": MARKUP + "\udcff", "reason": MARKUP}]}
    fleet.failed(MARKUP, PREFIX + "feature_links", MARKUP, {"msg": MARKUP})
    return fleet


def test_markup_in_names_stays_text_on_the_page():
    text = to_html(report_of(hostile()))
    page = page_of(text)
    assert "script" not in page.tags
    assert "\x1b" not in text
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&amp;\\x1b[31m") >= 6
    text.encode("utf-8")


@pytest.mark.parametrize("fleet", [mixed(), hostile()], ids=["mixed", "hostile"])
def test_page_is_well_formed_and_needs_nothing_else(fleet):
    page = page_of(to_html(report_of(fleet)))
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    targets = [value for name, value in page.attributes if name in ("src", "href", "action", "data", "srcset")]
    assert [value for value in targets if not value.startswith("#")] == []
    assert ("name", "viewport") in page.attributes


def test_page_has_a_bar_for_each_directory():
    fleet = Fleet()
    looked(fleet, "a", features=6, rejected=3, damaged=1, dangling=0)
    bars = [line for line in to_html(report_of(fleet)).splitlines() if 'class="bar"' in line]
    assert len(bars) == 2
    assert 'style="width:0.08%"' in bars[0] and '"damaged"' in bars[0] and '"other"' in bars[0]
    assert '<i class="feature" style="width:99.84%">' in bars[1]


def of_data(**hosts) -> Fleet:
    """Hosts, each with the digest of its data, how many features it has, and whether it is ready."""
    fleet = Fleet()
    for host, (digest, features, *ready) in hosts.items():
        found = facts(features=features, ready=ready != [False])
        found["feature_sets"]["wav2vec"].update(digest=digest)
        fleet.saw(host, PREFIX + "feature_facts", {"ansible_facts": found})
    return fleet


DIFFERING = [
    (of_data(a=("1" * 64, 9), b=("1" * 64, 9)), []),
    # Of one host nothing is known.
    (of_data(a=("1" * 64, 9), b=(None, 9)), []),
    # One is not ready.
    (of_data(a=("1" * 64, 9), b=("2" * 64, 8, False)), []),
    (of_data(a=("2" * 64, 8), b=("1" * 64, 9), c=("1" * 64, 9)), [(["b", "c"], 9), (["a"], 8)]),
]


@pytest.mark.parametrize(("fleet", "groups"), DIFFERING)
def test_hosts_that_do_not_train_on_the_same_data_are_told(fleet, groups):
    report = report_of(fleet)
    assert [(group["hosts"], group["features"]) for entry in report["differing"] for group in entry["groups"]] == groups
    for text in (" ".join(terminal(fleet, 200)), to_html(report)):
        assert ("do not train on the same data of wav2vec" in text) is bool(groups)


def test_the_sentence_on_differing_data_names_hosts_counts_and_digests():
    fleet = of_data(**{f"gpu-{number}": ("1" * 64, 8690) for number in range(12)}, other=("2" * 64, 8689))
    assert "\n".join(line for line in terminal(fleet, 400) if "same data" in line) == (
        "! The hosts do not train on the same data of wav2vec. gpu-0, gpu-1, gpu-2, gpu-3, gpu-4, gpu-5, gpu-6, gpu-7, gpu-8, gpu-9"
        " and 2 more: 8,690 features, digest 111111111111; other: 8,689 features, digest 222222222222."
    )


def test_files_are_written_whole_and_replace_earlier_ones(tmp_path):
    folder = tmp_path / "new" / "folder"
    for fleet in (hostile(), mixed()):
        paths = write_report(str(folder), report_of(fleet))
    assert paths == [str(folder / "report.json"), str(folder / "report.html")]
    assert sorted(entry.name for entry in folder.iterdir()) == ["report.html", "report.json"]
    assert json.loads((folder / "report.json").read_text()) == report_of(mixed())
    assert (folder / "report.html").read_text(encoding="utf-8") == to_html(report_of(mixed()))


def test_a_file_in_the_way_is_an_error_that_leaves_no_scratch_file(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError):
        write_report(str(tmp_path), report_of(mixed()))
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_json_has_no_control_character_that_a_host_could_choose():
    text = to_json(report_of(hostile()))
    assert text.isascii() and "\x1b" not in text and "\\u001b" not in text


def test_a_failed_step_tells_what_was_done_before():
    """Of two sets the second one failed: the links of the first are on the disk (case 40)."""
    fleet, done = Fleet(), {"wav2vec": {"linked": 8}}
    result = {"changed": True, "msg": "disk full", "sets": done, "ansible_facts": facts(ready=False)}
    fleet.failed("gpu", PREFIX + "feature_prepare", "Inspect", result)
    (host,) = document(fleet, "p.yml", "2026-01-01T00:00:00Z")["hosts"]
    assert (host["outcome"], host["changed"], host["sets"][0]["did"]) == ("failed", True, ["linked 8 features"])


def test_a_failed_step_replaces_the_problems_that_it_was_to_clear():
    """"A host may hold them" is not true any more after a transfer that found none."""
    fleet, found = Fleet(), facts(ready=False, status=0, problems=["a host may hold them", "x.npz is damaged"])
    found["feature_sets"]["wav2vec"]["planned"] = ["a host may hold them"]
    fleet.saw("gpu", PREFIX + "feature_prepare", {"ansible_facts": found, "sets": {}})
    assert report_of(fleet)["hosts"][0]["sets"][0]["problems"] == ["a host may hold them.", "x.npz is damaged."]
    fleet.failed("gpu", PREFIX + "feature_upload", "Upload", {"msg": "no host holds them"})
    (host,) = report_of(fleet)["hosts"]
    assert (host["message"], host["sets"][0]["problems"]) == ("no host holds them.", ["x.npz is damaged."])


def test_a_run_in_check_mode_tells_what_it_would_do():
    fleet, sent = Fleet(), {"sets": {"wav2vec": {"sent": 6}}}
    fleet.check_mode = True
    fleet.saw("gpu", PREFIX + "feature_prepare", {"ansible_facts": facts(), "sets": {}})
    fleet.saw("gpu", PREFIX + "feature_upload", sent)
    assert fleet.check_mode and fleet.hosts["gpu"].done[-1] == sent
