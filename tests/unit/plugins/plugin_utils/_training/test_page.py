# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and the JSON of a fleet's trainings: what is drawn is what the logs say, whatever they say."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.history import History
from ansible_collections.trainprep.features.plugins.plugin_utils._training import files
from ansible_collections.trainprep.features.plugins.plugin_utils._training.charts import Scale, charts_of, fleet_chart
from ansible_collections.trainprep.features.plugins.plugin_utils._training.files import to_html, write_training
from ansible_collections.trainprep.features.plugins.plugin_utils._training.fleet import (
    INFO,
    Trainings,
    document,
)
from ansible_collections.trainprep.features.tests.support.charts import agree, drawn_curves, page_of

SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "training.schema.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MARKUP = "</title><script>alert('x')</script>\"'&<svg onload=x>\x1b[31m\u202e"
LOG = [
    "Epoch 1/4 - loss: 2.0 - val_loss: 2.5 - train_accuracy: 0.25 - lr: 0.001",
    "Epoch 2/4 - loss: 1.0 - val_loss: 1.5 - train_accuracy: 0.5 - lr: 0.001",
    "Epoch 3/4 - loss: nan - val_loss: 1.75 - train_accuracy: 0.75 - lr: 0.000001",
    "Epoch 4/4 - loss: 0.5 - val_loss: 2.0 - train_accuracy: 1.0 - lr: 0.000001",
]


def a_run(name, lines):
    history = History()
    history.read(lines)
    history.finish(True)
    curves = history.series.curves()
    return {
        "run": name, "started": 1.0, "ended": None, "exit_code": None, "signal": None, "axis": "epoch",
        "source": {"kind": "log", "path": "/w/log"},
        "epochs": history.epochs.total, "seconds_per_epoch": 1.5, "seconds_left": 3.0, "best": history.series.best(), "sampled": False,
        "curves": {metric: [list(point) for point in points] for metric, points in curves.items()},
    }


def a_row(run, attempts, seconds, state, changes, best):
    """A line of the table of a session's runs."""
    return {
        "run": run, "started": 1.0, "ended": seconds, "seconds": seconds, "state": state,
        "outcome": "exit code 3" if state == "failed" else "", "stopped_by": None, "attempts": attempts,
        "commit": "3f2a9c1d0b6a4e5f8a7b6c5d4e3f2a1b0c9d8e7f", "dirty": False, "command_line": "python -u x.py --lr 0.01",
        "changes": changes, "best": best, "digest": "2" * 64,
    }


BEST = {"metric": "val_loss", "epoch": 3.0, "value": 0.25, "axis": "epoch"}
ANSWER = {
    "state": "running", "healthy": True, "outcome": "", "sentence": "running", "user": "ubuntu", "directory": "/w",
    "session": {"name": "attn", "active": True},
    "process": {"running": True, "pid": 4711, "others": [], "outlived": []},
    "run": {
        "path": "/w/runs/attn/20260101T000000Z", "started": 0.0, "ended": None, "exit_code": None, "signal": None,
        "command_line": "python -u x.py", "feature_status": 1,
        "sets": ["a"],
        "commit": "3f2a9c1d0b6a4e5f8a7b6c5d4e3f2a1b0c9d8e7f", "dirty": True, "attempts": 2,
        "changes": ["--lr 0.05 → 0.01"],
    },
    "runs": [
        a_row("20260101T000000Z", 2, None, "running", ["--lr 0.05 → 0.01"], BEST),
        a_row("20251231T000000Z", 1, 7200.0, "failed", [], None),
    ],
    "log": {"path": "/w/log", "bytes": 9, "age": 3.0, "lines": ["one", "two"]},
    "progress": {
        "epoch": 4, "epochs": 4,
        "metrics": {"loss": 0.5, "val_loss": "nan"},
        "errors": [], "seconds_per_epoch": 1.5, "seconds_left": 3600.0,
    },
    "checkpoint": {"path": "/w/best.keras", "bytes": 1_500_000, "age": 130.0},
    "gpus": [{"index": 0, "name": "Tesla T4", "instance": None, "use": 97, "memory_used": 11019, "memory_total": 15360}],
    "gpu_problem": None,
    "memory": {"total": 16_000_000_000, "available": 9_000_000_000},
    "disk": {"total": None, "free": None},
    "features": {
        "count": 9, "from": "record", "problem": None, "ready": True, "status": 1,
        "sets": {"a": {
            "features": 9, "target": "/data/a", "digest": "1" * 64, "problems": [], "state": "present", "ready": True,
            "dangling": 0, "rejected": 0, "unreadable": 0,
        }},
        "data": {"digest": "2" * 64, "at_start": "2" * 64, "changed": False, "changed_sets": [], "reason": None},
    },
    "history": [a_run("20260101T000000Z", LOG), a_run("20251231T000000Z", LOG[:2])],
}


def a_fleet(**hosts):
    trainings = Trainings()
    for host, changes in hosts.items():
        trainings.saw(host, INFO, {**copy.deepcopy(ANSWER), **changes})
    return trainings


def hostile():
    info = copy.deepcopy(ANSWER)
    info["sentence"] += MARKUP
    info["run"]["command_line"] = info["run"]["path"] = info["log"]["path"] = info["checkpoint"]["path"] = MARKUP
    info["log"]["lines"] = info["progress"]["errors"] = [MARKUP]
    info["progress"]["metrics"] = {MARKUP: MARKUP}
    info["gpus"][0]["name"] = MARKUP
    info["features"]["sets"] = {MARKUP: {**info["features"]["sets"]["a"], "target": MARKUP, "problems": [MARKUP], "digest": MARKUP}}
    info["features"]["data"].update(digest=MARKUP, at_start=MARKUP, changed=True, changed_sets=[MARKUP])
    info["history"][0].update(run=MARKUP, curves={"loss": [[1.0, 1.0]], f"loss_{MARKUP}": [[1.0, 1.0], [2.0, 2.0]]})
    trainings = a_fleet(good={})
    trainings.saw(MARKUP, INFO, info)
    trainings.lost("gone", {"msg": MARKUP})
    trainings.failed("odd", INFO, {"msg": MARKUP})
    return trainings


FLEETS = {
    "one": a_fleet(a={}),
    "never started": a_fleet(
        a={
            "state": "never started", "healthy": False, "run": None, "history": [], "checkpoint": None,
            "log": {"path": None, "bytes": None, "age": None, "lines": []},
        },
    ),
    "without curves": a_fleet(a={"history": None}, b={"history": [a_run("x", [])]}), "hostile": hostile(),
}


@pytest.mark.parametrize("trainings", FLEETS.values(), ids=FLEETS)
def test_the_document_has_its_schema_and_the_page_is_well_formed_and_needs_nothing_else(trainings):
    report = document(trainings, "monitor_training.yml", NOW)
    jsonschema.validate(report, SCHEMA, cls=jsonschema.Draft202012Validator)
    text = to_html(report)
    page = page_of(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "use", "foreignobject", "animate"} & set(page.tags)
    assert [
        value
        for name, value in page.attributes
        if name in ("src", "href", "xlink:href", "action") and not value.startswith(("#", "report.html"))
    ] == []
    assert [name for name, _value in page.attributes if name.startswith("on")] == []
    assert "\x1b" not in text and "\u202e" not in text
    assert ("<dt>Data</dt>" in text) is any(host["run"] for host in report["hosts"])  # else there is nothing to compare with
    assert page.tags.count("svg") == sum(len(charts_of(host["runs"])) for host in report["hosts"])


def test_what_is_drawn_is_what_the_logs_say():
    report = document(a_fleet(a={}), "p", NOW)
    drawn = drawn_curves(to_html(report))
    for run in ANSWER["history"]:
        for metric, points in run["curves"].items():
            expected = [tuple(point) for point in points if point[1] is not None]
            assert agree(drawn[(run["run"], metric)], expected), metric
    assert len(drawn) == sum(len(run["curves"]) for run in ANSWER["history"])


def test_a_value_that_is_no_number_breaks_the_line():
    (loss,) = [chart for chart in charts_of(ANSWER["history"][:1]) if chart.title == "loss"]
    (line,) = [line for line in loss.lines if line.metric == "loss"]
    assert line.path.count("M") == 1 and line.path.count("L") == 1 and len(line.dots) == 1


def test_charts_have_the_twins_together_the_best_epoch_and_the_newest_run_on_top():
    charts = charts_of(ANSWER["history"])
    assert [chart.title for chart in charts] == ["loss", "accuracy", "learning rate"]
    assert [(line.metric, line.newest) for line in charts[0].lines] == [
        ("loss", False),
        ("val_loss", False),
        ("loss", True),
        ("val_loss", True),
    ]
    assert charts[0].best == (charts[0].x.at(2.0), "best val_loss 1.5 at epoch 2")
    assert charts[0].summary == "loss: training from 2 to 0.5 at epoch 4; validation from 2.5 to 2 at epoch 4"
    assert [chart.y.logarithmic for chart in charts] == [False, False, True]


def test_one_point_is_no_curve():
    assert charts_of([a_run("x", LOG[:1])]) == []


def test_one_chart_has_the_newest_run_of_each_host_and_those_that_need_attention_on_top():
    report = document(
        a_fleet(a={"state": "failed", "healthy": False}, b={}, c={"history": [a_run("x", LOG[:1])]}, d={"history": None}), "p", NOW,
    )
    chart = fleet_chart(report["hosts"])
    assert (chart.title, chart.axis) == ("validation loss", "epoch")
    assert [(line.run, line.stage) for line in chart.lines] == [("b", "healthy"), ("a", "attention")]
    drawn = drawn_curves(to_html(report))
    assert agree(drawn[("a", "val_loss")], [tuple(point) for point in ANSWER["history"][0]["curves"]["val_loss"]])
    assert fleet_chart(report["hosts"][:1]) is None and fleet_chart([]) is None


def test_a_failed_host_comes_first_with_its_last_lines_before_its_curves():
    text = to_html(document(a_fleet(a={}, b={"state": "failed", "healthy": False, "sentence": "failed (exit code 1: KeyError)"}), "p", NOW))
    page = text.partition('id="host-b"')[2]
    assert page and 'id="host-a"' in page
    assert page.index("failed (exit code 1: KeyError)") < page.index("last lines of") < page.index("<svg")
    # Filters need no script: a verdict that no host has needs none.
    assert text.count('id="show-failed"') == 1 and 'id="show-killed"' not in text


@pytest.mark.parametrize("there", [True, False])
def test_the_two_pages_are_linked(tmp_path, there):
    if there:
        (tmp_path / "report.html").write_text("")
    write_training(str(tmp_path), document(a_fleet(a={}), "p", NOW))
    assert ('href="report.html"' in (tmp_path / "training.html").read_text()) is there


def test_no_more_charts_than_can_be_looked_at():
    lines = [
        f"Epoch {epoch} " + " ".join(f"train_m{number}_loss: {epoch}.5" for number in range(12)) for epoch in range(3)
    ]
    assert len(charts_of([a_run("x", lines)])) == 5


TICKS = [
    (Scale(1, 30, 0, 290), ["5", "10", "15", "20", "25", "30"]),
    (Scale(0, 1, 0, 100), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
    (Scale(1e-6, 1e-3, 0, 3, True), ["1e-06", "1e-05", "0.0001", "0.001"]),
    (Scale(-1, 1, 0, 1), ["-1", "-0.5", "0", "0.5", "1"]),
    (Scale(1e8, 3e8, 0, 1), ["1e+08", "1.5e+08", "2e+08", "2.5e+08", "3e+08"]),
    (Scale(2.0, 6.0, 0, 4), ["2", "3", "4", "5", "6"]),
]


@pytest.mark.parametrize(("scale", "texts"), TICKS)
def test_ticks_are_round_numbers_at_their_places(scale, texts):
    assert [text for _place, text in scale.ticks()] == texts
    assert all(place == scale.at(float(text)) for place, text in scale.ticks())


NUMBERS = [[1.0], [0.0, 0.0], [-3.0], [1e300, -1e300], [1.7e308, -1.7e308], [5e-324], [1e-300, 1e300], [1e15, 1e15 + 1]]


@pytest.mark.parametrize("values", NUMBERS)
def test_any_numbers_can_be_drawn(values):
    curve = [[float(place), value] for place, value in enumerate(values)]
    for chart in charts_of([{"run": "r", "axis": "epoch", "best": None, "curves": {"loss": curve}}]):
        assert len(chart.y.ticks()) <= 8 and len(chart.x.ticks()) <= 8
        assert "nan" not in str(chart.lines) and "inf" not in str(chart.lines)


def test_hosts_that_could_not_be_looked_at_are_told_with_their_sentence():
    trainings = a_fleet(**{"gpu-10": {}, "gpu-2": {"state": "failed", "healthy": False, "sentence": "failed (exit code 3)"}})
    trainings.lost("gpu-1", {"msg": "timed out"})
    trainings.failed("gpu-3", INFO, {"msg": "this host has no account 'trainer'"})
    # A failed check keeps what is known of the host where Ansible does not print it.
    known = {**copy.deepcopy(ANSWER), "state": "failed", "healthy": False, "sentence": "failed (exit code 3)"}
    verdict = {"state": "failed", "healthy": False, "msg": "the training is not healthy", "report_dir": "reports"}
    trainings.failed("gpu-2", INFO, {**verdict, "invocation": {"training": known}})
    report = document(trainings, "p", NOW)
    assert trainings.report_dir == "reports"
    assert [(host["host"], host["state"], host["healthy"], host["message"]) for host in report["hosts"]] == [
        ("gpu-1", "unreachable", False, "timed out."),
        ("gpu-2", "failed", False, "failed (exit code 3)."),
        ("gpu-3", "unknown", False, "this host has no account 'trainer'."),
        ("gpu-10", "running", True, "running."),
    ]
    assert report["summary"]["healthy"] == 1 and report["hosts"][1]["runs"] == ANSWER["history"]
    assert report["hosts"][3]["expected_end"] == "2026-01-01T13:00:00Z" and report["hosts"][1]["expected_end"] is None


def test_hosts_that_do_not_train_on_the_same_data_are_told():
    other = copy.deepcopy(ANSWER["features"])
    other["sets"]["a"].update(features=8, digest="3" * 64)
    report = document(a_fleet(a={}, b={}, c={"features": other}), "p", NOW)
    assert [(entry["set"], [group["hosts"] for group in entry["groups"]]) for entry in report["differing"]] == [("a", [["a", "b"], ["c"]])]
    assert "The hosts do not train on the same data of a." in to_html(report)
    assert document(a_fleet(a={}, b={}), "p", NOW)["differing"] == []
    # A host without a training trains on nothing.
    never = {"features": other, "state": "never started", "run": None}
    assert document(a_fleet(a={}, b={}, c=never), "p", NOW)["differing"] == []


def test_both_files_are_written(tmp_path):
    report = document(a_fleet(a={}), "p", NOW)
    assert write_training(str(tmp_path / "new"), report) == [str(tmp_path / "new/training.json"), str(tmp_path / "new/training.html")]
    assert json.loads((tmp_path / "new/training.json").read_text()) == report


def test_without_the_callback_each_host_adds_itself_to_the_page_of_this_run(tmp_path, monkeypatch):
    folder = tmp_path / "reports"
    for host in ("b", "a", "b"):
        assert files.add_host(str(folder), host, ANSWER, "p") == [str(folder / "training.json"), str(folder / "training.html")]
    report = json.loads((folder / "training.json").read_text())
    jsonschema.validate(report, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert [host["host"] for host in report["hosts"]] == ["a", "b"]
    # Another run of Ansible starts again; the callback, if it is enabled, writes by itself.
    monkeypatch.setattr(files.run_id, "run_id", lambda: "another")
    files.add_host(str(folder), "c", ANSWER, "p")
    assert [host["host"] for host in json.loads((folder / "training.json").read_text())["hosts"]] == ["c"]
    monkeypatch.setattr(files, "is_listening", lambda name: True)
    assert files.add_host(str(folder), "d", ANSWER, "p") == []
    (folder / "training.json").write_text("damaged")
    assert files.add_host("", "d", ANSWER, "p") == []


def test_the_table_of_the_session_s_runs():
    page = to_html(document(a_fleet(a={}), "m.yml", NOW))
    row = page[page.index("<th>Against the run before</th>") :]
    assert "<td>1970-01-01 00:00</td>" not in row and 'title="python -u x.py --lr 0.01"' in row
    for words in ("–, 2 attempts", "2 h", "failed, exit code 3", "val_loss 0.25 at epoch 3", "<code>--lr 0.05 → 0.01</code>",
                  ">3f2a9c1d0b6a</code>", ">222222222222</code>"):  # fmt: skip
        assert words in row, words
    assert ", with uncommitted changes" in page
