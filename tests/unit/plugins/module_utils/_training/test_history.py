# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves in a log."""

from __future__ import annotations

import os
import resource

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training import curves
from ansible_collections.trainprep.features.plugins.module_utils._training.history import (
    History,
    curve_name,
    thin,
)
from ansible_collections.trainprep.features.plugins.module_utils._training.pace import Pace, epochs_done, pace
from ansible_collections.trainprep.features.plugins.module_utils._training.runs import Run

LOGS = {
    "keras": (
        ["Epoch 1/30", "9/9 - 12s - loss: 1.5 - accuracy: 0.5 - val_loss: 1.25 - val_accuracy: 0.25 - learning_rate: 1e-3",
         "Epoch 2/30", "9/9 - 12s - loss: 1.0 - accuracy: 0.75 - val_loss: 1.5 - val_accuracy: 0.5 - learning_rate: 5e-4"],
        {"loss": [(1, 1.5), (2, 1.0)], "accuracy": [(1, 0.5), (2, 0.75)], "val_loss": [(1, 1.25), (2, 1.5)],
         "val_accuracy": [(1, 0.25), (2, 0.5)], "learning_rate": [(1, 0.001), (2, 0.0005)]}, 30, 2),
    "keras bar": (
        ["Epoch 1/2", " 1/9 [>....] - ETA: 9s - loss: 9.0\b\b\b\b\b\b9/9 [====] - 3s 2ms/step - loss: 1.5", "Epoch 2/2"],
        {"loss": [(1, 1.5)]}, 2, 1),
    "keras without a terminal": (
        # Each step is a line there, with the mean of the epoch so far.
        ["Epoch 1/2", " 1/4 [>....] - loss: 4.0", " 2/4 [=>...] - loss: 3.0", " 4/4 [====] - 3s - loss: 2.0 - val_loss: 2.5", "Epoch 2/2",
         " 1/4 [>....] - loss: 1.0"],
        {"loss": [(1 / 3, 4.0), (2 / 3, 3.0), (1, 2.0), (1 + 1 / 3, 1.0)], "val_loss": [(1, 2.5)]}, 2, 1.25),
    "keras says where it saves": (
        ["Epoch 1/2", "9/9 - loss: 1.5 - val_loss: 2.0", "Epoch 1: val_loss improved from inf to 2.0, saving model to best.keras",
         "Epoch 2/2", "9/9 - loss: 1.0 - val_loss: 2.5", "Epoch 2: val_loss did not improve from 2.0"],
        {"loss": [(1, 1.5), (2, 1.0)], "val_loss": [(1, 2.0), (2, 2.5)]}, 2, 2),
    "one line an epoch": (
        ["Epoch 1/10 - Train Loss: 0.5, Train Acc: 50.0%, Val Loss: 0.75, Val Acc: 25%", "Epoch 2/10 - Train Loss: 0.25, Val Loss: nan"],
        {"loss": [(1, 0.5), (2, 0.25)], "accuracy": [(1, 0.5)], "val_loss": [(1, 0.75), (2, None)], "val_accuracy": [(1, 0.25)]}, 10, 2),
    "several in an epoch": (
        ["Epoch 1/2", "loss: 4", "loss: 3", "val_loss: 3", "Epoch 2/2", "loss: 2"],
        # The second epoch goes on: it will tell as often as the first.
        {"loss": [(0.5, 4), (1, 3), (1.5, 2)], "val_loss": [(1, 3)]}, 2, 2),
    "lightning bar": (
        ["\rEpoch 0:  50%|███     | 5/10, v_num=1, train_loss=3.0\rEpoch 0: 100%|██| 10/10 [00:12, train_loss=2.0, val_loss=1.5]",
         "\rEpoch 1: 100%|██| 10/10 [00:12, v_num=1, train_loss=1.0, val_loss=1.25]"],
        {"loss": [(0, 2), (1, 1)], "val_loss": [(0, 1.5), (1, 1.25)]}, None, 2),
    "dictionaries": (
        ["{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.5}", "{'eval_loss': 2.0, 'eval_runtime': 9.0, 'epoch': 1.0}",
         "{'loss': '1.5', 'learning_rate': '2.5e-05', 'epoch': '1.5'}"],
        {"loss": [(0.5, 2.5), (1.5, 1.5)], "learning_rate": [(0.5, 5e-5), (1.5, 2.5e-5)], "val_loss": [(1.0, 2.0)]}, None, 1.5),
    "no epoch": (["step 10 loss=3.0", "step 20 loss=2.0", "step 30 loss=1.0"], {"loss": [(1, 3), (2, 2), (3, 1)]}, None, None),
    "a summary is no point": (
        ["Epoch 1/1 loss: 1.0 val_loss: 2.0", "Training complete: best val_loss: 2.0 in epoch 1", "Final loss: 1.0"],
        {"loss": [(1, 1.0)], "val_loss": [(1, 2.0)]}, 1, 1),
    "begun anew for another fold": (
        ["Epoch 1/2 loss: 3", "Epoch 2/2 loss: 2", "Epoch 1/2 loss: 3.5"], {"loss": [(1, 3), (2, 2), (2, None), (1, 3.5)]}, 2, 1),
    "no curve": (["seed: 42", "Loaded 8690 feature files", "time=3.5 eta: 12"], {}, None, None),
    "only nan": (["Epoch 1/2 loss: nan"], {}, 2, 1),
    "an epoch that is none": (["Epoch 99999999999999999999/3 loss: 1", "Epoch " + "9" * 1900], {"loss": [(1, 1)]}, None, None),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "expected", "epochs", "done"), LOGS.values(), ids=LOGS)
def test_curves(lines, expected, epochs, done):
    history = History()
    history.read(lines)
    assert history.curves() == expected
    assert (history.epochs, history.done) == (epochs, done)


@pytest.mark.parametrize(("name", "stage", "expected"), [
    ("val_loss", "", "val_loss"), ("Loss", "Valid", "val_loss"), ("valid/acc", "", "val_accuracy"), ("Train_Acc", "", "accuracy"),
    ("eval_f1", "", "val_f1"), ("lr", "", "learning_rate"), ("lr-Adam", "", "learning_rate_adam"), ("test_acc", "", "test_accuracy"),
    ("categorical_accuracy", "", "categorical_accuracy"), ("glossary", "", ""), ("step", "", ""), ("...", "val", ""), ("val", "", ""),
])  # fmt: skip
def test_names(name, stage, expected):
    assert curve_name(name, stage) == expected


@pytest.mark.parametrize(("lines", "best"), [
    (["val_loss: 2 val_accuracy: 1", "val_loss: 1 loss: 0", "val_loss: nan", "val_loss: 1"], ("val_loss", 2, 1.0)),
    (["val_accuracy: 0.5 loss: 1", "val_accuracy: 0.75 loss: 2"], ("val_accuracy", 2, 0.75)),
    (["loss: 1", "loss: 0.5"], ("loss", 2, 0.5)),
    (["f1: 1", "f1: 2"], None),
])  # fmt: skip
def test_the_best_epoch(lines, best):
    history = History()
    history.read(f"Epoch {number} {line}" for number, line in enumerate(lines, 1))
    history.curves()
    told = history.best()
    assert (told and (told["metric"], told["epoch"], told["value"])) == best


@pytest.mark.parametrize("number", [0, 1, 2, 3, 99, 100, 101, 4000])
@pytest.mark.parametrize("most", [2, 3, 100])
def test_thinned_curves_keep_their_ends_and_peaks(number, most):
    points = [(float(place), 1000.0 if place == 47 else float(place % 7)) for place in range(number)]
    kept = thin(points, most)
    assert len(kept) <= max(most, 0) and kept == sorted(kept)
    if number <= most:
        assert kept == points
    elif most == 100:
        assert kept[0][0] <= 2 * number / most and kept[-1] == points[-1] and (47.0, 1000.0) in kept


@pytest.mark.parametrize(("line", "done"), [
    ("Epoch 3/30", 2), ("Epoch 3/30:  50%|#####     | 5/10 [00:01, loss=1.0]", 2.5), ("Epoch 3/30 100%|##| 10/10", 3),
    ("Epoch 3/30 - loss: 1.0 - val_loss: 2.0", 3), ("Epoch 3", None), ("loss: 1.0", None), ("Epoch [4/9]", 3),
])  # fmt: skip
def test_epochs_that_are_over_when_a_line_is_written(line, done):
    assert epochs_done(line) == done


@pytest.mark.parametrize(("values", "expected"), [
    ((100.0, 10, 30), Pace(10.0, 200.0)), ((100.0, 30, 30), Pace(100 / 30, 0.0)), ((100.0, 10, None), Pace(10.0, None)),
    ((100.0, 0, 30), Pace()), ((None, 1, 2), Pace()), ((-5.0, 1, 2), Pace()), ((100.0, None, 2), Pace()), ((90.0, 40, 30), Pace(2.25, 0.0)),
])  # fmt: skip
def test_pace(values, expected):
    assert pace(*values) == expected


def a_run(directory, name, text, **state):
    (directory / name).mkdir(parents=True)
    (directory / name / "training.log").write_text(text)
    (directory / name / "run.json").write_text("{}")
    (directory / name / "state.json").write_text('{"started": 1000.0}')
    return Run(str(directory / name), {}, {"started": 1000.0, **state})


def test_the_last_runs_of_a_session_share_the_points(tmp_path):
    root = tmp_path / "runs/s"
    text = "".join(f"Epoch {epoch}/3000 loss: {epoch % 9}.5 val_loss: {epoch % 5}.5\n" for epoch in range(1, 3001))
    for number in range(1, 8):
        newest = a_run(root, f"2026010{number}T000000Z", text)
    (root / "20260104T000000Z/state.json").write_text("damaged")
    (root / ".new").mkdir()
    os.utime(newest.log, (4000.0, 4000.0))
    found = curves.session_curves(str(tmp_path), "s", newest, 5000.0)
    assert [one["run"] for one in found] == [f"2026010{number}T000000Z" for number in (7, 6, 5, 3)]
    assert sum(len(points) for one in found for points in one["curves"].values()) <= 2000
    assert len(found[0]["curves"]["loss"]) > 400
    assert (found[0]["seconds_per_epoch"], found[0]["seconds_left"]) == (1.0, 0.0)
    assert curves.session_curves(str(tmp_path), "s", None, 5000.0) == []


def test_a_log_of_any_size_is_read_in_part_from_end_to_end(tmp_path):
    run = a_run(tmp_path, "20260101T000000Z", "")
    with open(run.log, "w") as log:
        for epoch in range(1, 401):
            log.write(f"Epoch {epoch}/400\n" + f"step loss: {epoch}.0 {'x' * 190}\n" * 100)
    assert os.stat(run.log).st_size > (4 << 20)
    (one,) = curves.session_curves(str(tmp_path), "s", run, 5000.0)
    assert one["sampled"] is True and one["epochs"] == 400
    points = one["curves"]["loss"]
    assert len(points) <= 2000 and points[0][0] <= 1 and points[-1] == [400.0, 400.0]
    # All over it, and each where it belongs.
    assert max(points[at][0] - points[at - 1][0] for at in range(1, len(points))) < 20
    assert all(abs(place - value) <= 12 for place, value in points)


HOSTILE = {
    "one line": "loss: 1 " * (1 << 18),
    "bars": "\rloss: 1" * (1 << 18),
    "names": "".join(f"a{number}_loss: 1 " + "\n" * (number % 50 == 0) for number in range(1 << 15)),
    "epochs": "".join(f"Epoch {number}\nloss: 1\n" for number in range(1 << 15)),
    "no epoch": "loss: 1\n" * (1 << 16),
    "nothing": "",
    "bytes": "\0\x1b[2J\u202e" * 1000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_log_gives_few_points_and_no_error(tmp_path, text):
    run = a_run(tmp_path, "20260101T000000Z", text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (one,) = curves.session_curves(str(tmp_path), "s", run, 5000.0)
    assert sum(len(points) for points in one["curves"].values()) <= 2000 and len(one["curves"]) <= 12
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def test_a_run_without_a_log_has_no_curves(tmp_path):
    run = a_run(tmp_path, "20260101T000000Z", "")
    os.unlink(run.log)
    (one,) = curves.session_curves(str(tmp_path), "s", run, 5000.0)
    assert (one["curves"], one["best"], one["seconds_left"]) == ({}, None, None)
