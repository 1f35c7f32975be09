# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves in a log."""

from __future__ import annotations

import os
import resource

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training import curves, ledger, log
from ansible_collections.trainprep.features.plugins.module_utils._training.history import History
from ansible_collections.trainprep.features.plugins.module_utils._training.pace import Elapsed, pace, read_epochs
from ansible_collections.trainprep.features.plugins.module_utils._training.runs import Run
from ansible_collections.trainprep.features.plugins.module_utils._training.series import thin
from ansible_collections.trainprep.features.plugins.module_utils._training.values import curve_name

# The curves, the number of epochs, how many are over. A form whose stage or epoch is not certain gives none.
LOGS = {
    "keras": (
        [
            "Epoch 1/30", "9/9 - 12s - loss: 1.5 - accuracy: 0.5 - val_loss: 1.25 - val_accuracy: 0.25 - learning_rate: 1e-3",
            "Epoch 2/30", "9/9 - 12s - loss: 1.0 - accuracy: 0.75 - val_loss: 1.5 - val_accuracy: 0.5 - learning_rate: 5e-4",
        ],
        {
            "loss": [(1, 1.5), (2, 1.0)],
            "accuracy": [(1, 0.5), (2, 0.75)],
            "val_loss": [(1, 1.25), (2, 1.5)],
            "val_accuracy": [(1, 0.25), (2, 0.5)],
            "learning_rate": [(1, 0.001), (2, 0.0005)],
        },
        30, 2,
    ),
    "keras bar": (
        ["Epoch 1/2", " 1/9 [>....] - ETA: 9s - loss: 9.0\b\b\b\b\b\b9/9 [====] - 3s 2ms/step - loss: 1.5", "Epoch 2/2"],
        {"loss": [(1, 1.5)]}, 2, 1,
    ),
    "keras without a terminal": (
        [
            "Epoch 1/2", " 1/4 [>....] - loss: 4.0", " 4/4 [====] - loss: 2.1", " 4/4 [====] - 3s - loss: 2.0 - val_loss: 2.5",
            "Epoch 2/2", " 1/4 [>....] - loss: 1.0",
        ],
        {"loss": [(1, 2.0)], "val_loss": [(1, 2.5)]}, 2, 1.25,
    ),
    "keras evaluates the test data after the last epoch": (
        ["Epoch 1/1", "9/9 - 12s - loss: 1.5 - val_loss: 1.75", "4/4 - 0s - loss: 7.0", "9/9 - 0s - loss: 8.0"],
        {"loss": [(1, 1.5)], "val_loss": [(1, 1.75)]}, 1, 1,
    ),
    "keras evaluates as many batches as it trained on": (
        ["Epoch 1/1", "1/9 [>..] - loss: 2", "9/9 [===] - 1s - loss: 1.5", "1/9 [>..] - loss: 5", "9/9 [===] - 0s - loss: 7.0"],
        {"loss": [(1, 1.5)]}, 1, 1,
    ),
    "keras says where it saves": (
        [
            "Epoch 1/2", "9/9 - loss: 1.5 - val_loss: 2.0", "Epoch 1: val_loss improved from inf to 2.0, saving model to best.keras",
            "Epoch 2/2", "9/9 - loss: 1.0 - val_loss: 2.5", "Epoch 2: val_loss did not improve from 2.0",
        ],
        {"loss": [(1, 1.5), (2, 1.0)], "val_loss": [(1, 2.0), (2, 2.5)]}, 2, 2,
    ),
    "one line an epoch": (
        ["Epoch 1/10 - Train Loss: 0.5, Train Acc: 50.0%, Val Loss: 0.75, Val Acc: 25%", "Epoch 2/10 - Train Loss: 0.25, Val Loss: nan"],
        {"loss": [(1, 0.5), (2, 0.25)], "accuracy": [(1, 0.5)], "val_loss": [(1, 0.75), (2, None)], "val_accuracy": [(1, 0.25)]}, 10, 2,
    ),
    "several in an epoch: the last one": (
        ["Epoch 1/2", "train loss: 4", "train loss: 3", "val_loss: 3", "Epoch 2/2", "train_loss: 2"],
        {"loss": [(1, 3), (2, 2)], "val_loss": [(1, 3)]}, 2, 2,
    ),
    "a stage at the head of the line": (
        ["Epoch 0/24", "train Loss: 0.5 Acc: 0.75", "val Loss: 0.25 Acc: 0.5", "Epoch 1/24", "[Test] loss = 0.125"],
        {"loss": [(0, 0.5)], "accuracy": [(0, 0.75)], "val_loss": [(0, 0.25)], "val_accuracy": [(0, 0.5)], "test_loss": [(1, 0.125)]}, 24,
        2,
    ),
    "two stages in one line, names without one": (
        ["Epoch 1/2", "Train: loss: 0.5 acc: 0.9 | Val: loss: 0.75 acc: 0.8", "train_loss: 1.5, acc: 0.5, val_loss: 2"],
        {"loss": [(1, 1.5)], "val_loss": [(1, 2)]}, 2, 1,
    ),
    "no stage": (["Epoch 1/2", "loss: 4", "Epoch 2/2 loss: 2, accuracy: 0.5", "Accuracy: 70.8%, Avg loss: 0.785"], {}, 2, 2),
    "two networks": (
        ["Epoch 1/5", "Train Generator Loss: 1.5, Train Discriminator Loss: 0.5", "Loss_D: 1 Loss_G: 2"],
        {"generator_loss": [(1, 1.5)], "discriminator_loss": [(1, 0.5)]}, 5, 1,
    ),
    "lightning bar": (
        [
            "\rEpoch 0:  50%|███     | 5/10, v_num=1, train_loss=3.0\rEpoch 0: 100%|██| 10/10 [00:12, train_loss=2.0, val_loss=1.5]",
            "\rEpoch 1: 100%|██| 10/10 [00:12, v_num=1, train_loss=1.0, val_loss=1.25]",
        ],
        {"loss": [(0, 2), (1, 1)], "val_loss": [(0, 1.5), (1, 1.25)]}, None, 2,
    ),
    "a bar repeats the last validation": (
        [
            "Epoch 0: 100%|██| 4/4 [x, loss=3, val_loss=2]", "Epoch 1: 100%|██| 4/4 [x, loss=2, val_loss=2]",
            "Epoch 2: 100%|██| 4/4 [x, loss=1, val_loss=1]",
        ],
        {"loss": [(0, 3), (1, 2), (2, 1)], "val_loss": [(0, 2), (2, 1)]}, None, 3,
    ),
    "a bar without an epoch": (
        ["Epoch 3", "100%|██| 4/4 [00:01<00:00, loss=0.3]", "Validation: 100%|██| 4/4 [00:01, loss=0.4]"], {"val_loss": [(3, 0.4)]}, None,
        1,
    ),
    "dictionaries": (
        [
            "{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.5}",
            "{'eval_loss': 2.0, 'eval_runtime': 9.0, 'epoch': 1.0}", "{'loss': '1.5', 'learning_rate': '2.5e-05', 'epoch': '1.5'}",
            "{'train_runtime': 9.0, 'train_loss': 1.75, 'epoch': 2.0}",
        ],
        {"loss": [(0.5, 2.5), (1.5, 1.5)], "learning_rate": [(0.5, 5e-5), (1.5, 2.5e-5)], "val_loss": [(1.0, 2.0)]}, None, 2,
    ),
    "JSON lines": (
        ['{"epoch": 1, "train_loss": 0.5, "val_loss": 0.75}', '{"epoch": 2, "phase": "val", "loss": 0.25}'],
        {"loss": [(1, 0.5)], "val_loss": [(1, 0.75), (2, 0.25)]}, None, 2,
    ),
    "ranks": (
        ["[rank0]: Epoch 1/2", "[rank0]: train_loss: 0.5", "0: Epoch 2/2", "0: train_loss: 0.25"], {"loss": [(1, 0.5), (2, 0.25)]}, 2, 2,
    ),
    "no epoch": (["step 10 train_loss=3.0", "step 20 train_loss=2.0"], {}, None, 0),
    "a summary is no point": (
        ["Epoch 1/1 loss: 1.0 val_loss: 2.0", "Training complete: best val_loss: 2.0 in epoch 1", "Final train loss: 1.0"],
        {"loss": [(1, 1.0)], "val_loss": [(1, 2.0)]}, 1, 1,
    ),
    "begun again for another fold": (
        ["Epoch 1/2 train_loss: 3", "Epoch 2/2 train_loss: 2", "Epoch 1/2 train_loss: 3.5"],
        {"loss": [(1, 3), (2, 2), (2, None), (1, 3.5)]}, 2, 3,
    ),
    "resumed": (["Resuming from epoch 50", "Epoch 51/100", "train_loss: 1", "Epoch 52/100"], {"loss": [(51, 1)]}, 100, 1),
    "numbers": (
        ["Epoch 1/9 train_loss: 1,234.5 val_loss: 0,5", "Epoch 2/9 train_loss: 1,234 val_mae: 1.5."],
        {"loss": [(1, 1234.5)], "val_mae": [(2, 1.5)]}, 9, 2,
    ),
    "numbers of other countries": (
        ["Epoch 1/9 train_loss: 1'234.5 val_loss: 1 234.5", "Epoch 2/9 train_loss: 1.234,5 val_loss: 0.5 val_acc: 62.5 %"],
        {"val_loss": [(2, 0.5)], "val_accuracy": [(2, 0.625)]}, 9, 2,
    ),
    "a printed tensor": (["Epoch 1/9 train_loss: tensor(0.5, grad_fn=<NllLossBackward0>)"], {"loss": [(1, 0.5)]}, 9, 1),
    "no curve": (["seed: 42", "Loaded 8690 feature files", "time=3.5 eta: 12"], {}, None, 0),
    "only nan": (["Epoch 1/2 train_loss: nan"], {}, 2, 1),
    "an epoch that is none": (["Epoch 99999999999999999999/3 train_loss: 1", "Epoch " + "9" * 1900], {}, None, 0),
}


def read(lines, over=True):
    history = History()
    history.read(part for line in lines for part in log.split(line))
    history.finish(over)
    return history


@pytest.mark.parametrize(("lines", "expected", "epochs", "done"), LOGS.values(), ids=LOGS)
def test_curves(lines, expected, epochs, done):
    history = read(lines)
    assert history.series.curves() == expected
    assert (history.epochs.total, history.epochs.done_here) == (epochs, done)


def test_the_bar_of_a_live_epoch_may_show_the_last_validation():
    lines = ["Epoch 0: 100%|██| 4/4 [x, loss=3, val_loss=2]", "Epoch 1: 100%|██| 4/4 [x, loss=2, val_loss=1]"]
    assert read(lines, over=False).series.curves() == {"loss": [(0, 3), (1, 2)], "val_loss": [(0, 2)]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val_loss", ("loss", "val_")),
        ("Valid Loss", ("loss", "val_")),
        ("valid/acc", ("accuracy", "val_")),
        ("Train_Acc", ("accuracy", "")),
        ("eval_f1", ("f1", "val_")),
        ("lr", ("learning_rate", None)),
        ("lr-Adam", ("learning_rate_adam", None)),
        ("loss/test", ("loss", "test_")),
        ("categorical_accuracy", ("categorical_accuracy", None)),
        ("...", ("", None)),
        ("val", ("val", None)),
    ],
)
def test_names(name, expected):
    assert curve_name(name) == expected


@pytest.mark.parametrize(
    ("lines", "best"),
    [
        (["val_loss: 2 val_accuracy: 1", "val_loss: 1 train_loss: 0", "val_loss: nan", "val_loss: 1"], ("val_loss", 2, 1.0)),
        (["val_accuracy: 0.5 train_loss: 1", "val_accuracy: 0.75 train_loss: 2"], ("val_accuracy", 2, 0.75)),
        (["train_loss: 1", "train_loss: 0.5"], ("loss", 2, 0.5)),
        (["val_f1: 1", "val_f1: 2"], None),
    ],
)
def test_the_best_epoch(lines, best):
    found = read(f"Epoch {number} {line}" for number, line in enumerate(lines, 1)).series.best()
    assert (found and (found["metric"], found["epoch"], found["value"])) == best


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


# Seconds since the start, what the log names, seconds per epoch, seconds left.
PACES = [
    (100.0, ["Epoch 1/30", "Epoch 10/30", "val_loss: 1"], 10.0, 200.0),
    (100.0, ["Epoch 30/30", "val_loss: 1"], None, 0.0),
    (100.0, ["Epoch 1", "Epoch 10", "val_loss: 1"], 10.0, None),
    (100.0, ["Epoch 1/30"], None, None),
    (None, ["Epoch 2/3"], None, None),
    (-5.0, ["Epoch 2/3"], None, None),
    (0.0, ["Epoch 1/3", "Epoch 2/3"], None, None),
    (100.0, [], None, None),
    # Resumed at 51 of 100, 2 s an epoch: 16 epochs are over, 34 are left.
    (32.0, ["=> loaded checkpoint (epoch 50)", "Epoch 51/100", "Epoch 67/100"], 2.0, 68.0),
    # Restarted by torchrun from a checkpoint: ten epochs, then four again.
    (28.0, ["Epoch 1/20", "Epoch 11/20", "Epoch 8/20", "Epoch 12/20"], 2.0, 18.0),
    # Folds or trials: how many will follow is not known.
    (30.0, ["Epoch 1/2", "Epoch 2/2", "2/2 - loss: 1", "Epoch 1/2", "2/2 - loss: 1"], 10.0, None),
    (50.0, ["Epoch 1/2", "Epoch 2/2", "2/2 - loss: 1", "Epoch 1/8", "Epoch 4/8"], 10.0, None),
    # Counted from 0.
    (20.0, ["Epoch 0/4", "Epoch 1/4", "Epoch 2/4"], 10.0, 20.0),
    (50.0, ["Epoch 3/30:  50%|#####     | 5/10 [00:01, loss=1.0]", "Epoch 5/30:  50%|#####     | 5/10 [00:01, loss=1.0]"], 20.0, 510.0),
    (60.0, ["{'loss': 1, 'epoch': 0.5}", "{'loss': 1, 'epoch': 1.5}"], 40.0, None),
]


@pytest.mark.parametrize(("elapsed", "lines", "each", "left"), PACES)
def test_pace(elapsed, lines, each, left):
    found = pace(None if elapsed is None else Elapsed(elapsed, False), read_epochs(lines))
    if each is not None:
        assert found.epoch == pytest.approx(each)
    assert found.left == left


@pytest.mark.parametrize(
    ("lines", "done"),
    [
        (["Epoch 51/100", "Epoch 53/100"], 2),
        (["Epoch 1/9 train_loss: 1", "Epoch 2/9 train_loss: 1"], 1),
        (["{'loss': 1, 'epoch': 0.5}", "{'loss': 1, 'epoch': 2.0}"], 1.5),
        (["Epoch 1/9"], 0),
    ],
)
def test_the_time_before_the_first_epoch_does_not_count_if_its_moment_is_on_record(lines, done):
    found = pace(Elapsed(30.0, True), read_epochs(lines))
    assert found.epoch == (30.0 / done if done else None)


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
    found = curves.session_curves(str(tmp_path), ledger.last_runs(str(tmp_path), "s"), newest, curves.read_curves(newest), 5000.0)
    assert [one["run"] for one in found] == [f"2026010{number}T000000Z" for number in (7, 6, 5, 3, 2)]
    assert sum(len(points) for one in found for points in one["curves"].values()) <= 2000
    assert len(found[0]["curves"]["loss"]) > 400
    assert (found[0]["seconds_per_epoch"], found[0]["seconds_left"]) == (1.0, 0.0)
    assert curves.session_curves(str(tmp_path), [], None, curves.read_curves(None), 5000.0) == []


def test_a_log_of_any_size_is_read_in_part_from_end_to_end(tmp_path):
    run = a_run(tmp_path, "20260101T000000Z", "")
    with open(run.log, "w") as log:
        for epoch in range(1, 401):
            log.write(f"Epoch {epoch}/400\n" + f"train loss: {epoch}.0 {'x' * 190}\n" * 100)
    assert os.stat(run.log).st_size > (4 << 20)
    (one,) = curves.session_curves(str(tmp_path), [run], run, curves.read_curves(run), 5000.0)
    assert one["sampled"] is True and one["epochs"] == 400
    points = one["curves"]["loss"]
    assert len(points) <= 2000 and points[0][0] == 1 and points[-1] == [400.0, 400.0]
    # All over it, and each where it belongs.
    assert max(points[at][0] - points[at - 1][0] for at in range(1, len(points))) < 25
    assert all(place == value for place, value in points)


HOSTILE = {
    "one line": "loss: 1 " * (1 << 18), "bars": "\rloss: 1" * (1 << 18),
    "names": "".join(f"a{number}_loss: 1 " + "\n" * (number % 50 == 0) for number in range(1 << 15)),
    "epochs": "".join(f"Epoch {number}\nloss: 1\n" for number in range(1 << 15)),
    "no epoch": "loss: 1\n" * (1 << 16), "nothing": "", "bytes": "\0\x1b[2J\u202e" * 1000,
    "blanks": " " * (1 << 18) + "x", "steps": "\x1b[1m" + " " * (1 << 18) + "x",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_log_gives_few_points_and_no_error(tmp_path, text):
    run = a_run(tmp_path, "20260101T000000Z", text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (one,) = curves.session_curves(str(tmp_path), [run], run, curves.read_curves(run), 5000.0)
    assert sum(len(points) for points in one["curves"].values()) <= 2000 and len(one["curves"]) <= 16
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


def test_a_run_without_a_log_has_no_curves(tmp_path):
    run = a_run(tmp_path, "20260101T000000Z", "")
    os.unlink(run.log)
    (one,) = curves.session_curves(str(tmp_path), [run], run, curves.read_curves(run), 5000.0)
    assert (one["curves"], one["best"], one["seconds_left"]) == ({}, None, None)


@pytest.mark.parametrize(
    ("size", "head", "tail", "epoch"),
    [
        (10 << 30, b"Epoch 1/9\n", b"\nEpoch 5/9\ntrain_loss: 1.5\n", 5),
        # One line, a progress bar that never ends one.
        (
            1 << 30, b"Epoch 1/9: ",
            b"\rEpoch 7/9:  50%|#####     | 5/10 [00:01<00:01, loss=0.5]\rEpoch 7/9:  60%|######    | 6/10 [00:01<00:01, loss=0.5]", 7,
        ),
    ],
)
def test_a_log_of_gigabytes_costs_little_memory(tmp_path, size, head, tail, epoch):
    run = a_run(tmp_path, "20260101T000000Z", "")
    with open(run.log, "wb") as log_file:  # sparse
        log_file.write(head)
        log_file.truncate(size - len(tail))
        log_file.seek(0, os.SEEK_END)
        log_file.write(tail)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = curves.read_curves(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    assert (told.progress()["epoch"], told.sampled) == (epoch, True)
