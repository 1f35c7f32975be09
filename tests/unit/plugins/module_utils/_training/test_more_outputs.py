# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics in the files of more trainers, and their epochs as the log names them."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils._training.test_outputs import (
    KERAS,
    told_of,
    written,
)

FILES = {
    "mmdetection 2, several values in an epoch": (
        {
            "work/1.log.json": '{"env_info": "x"}\n'
            '{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.5, "loss": 2.5}\n'
            '{"mode": "train", "epoch": 1, "iter": 100, "lr": 0.5, "loss": 2.0}\n'
            '{"mode": "val", "epoch": 1, "iter": 9, "lr": 0.5, "bbox_mAP": 0.25}\n'
            '{"mode": "train", "epoch": 2, "iter": 50, "lr": 0.5, "loss": 1.5}\n'
        },
        "JSON lines",
        "epoch",
        {"loss": [(1, 2.0), (2, 1.5)], "val_bbox_map": [(1, 0.25)], "learning_rate": [(1, 0.5), (2, 0.5)]},
    ),
    "timm": (
        {"output/train/1/summary.csv": "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n0,6.5,5.5,2.5,9.5,0.0001\n"},
        "CSV",
        "epoch",
        {"loss": [(0, 6.5)], "val_loss": [(0, 5.5)], "learning_rate": [(0, 0.0001)]},
    ),
    "YOLOv5": (
        {
            "runs/train/exp/results.csv": "               epoch,      train/box_loss,      train/obj_loss,   metrics/precision,"
            "     metrics/mAP_0.5,        val/box_loss,               x/lr0\n"
            "                   0,             0.125,             0.25,               0.5,             0.375,             0.0625, 0.01\n"
        },
        "CSV",
        "epoch",
        {
            "box_loss": [(0, 0.125)],
            "obj_loss": [(0, 0.25)],
            "val_precision": [(0, 0.5)],
            "val_map_0_5": [(0, 0.375)],
            "val_box_loss": [(0, 0.0625)],
        },
    ),
}


@pytest.mark.parametrize(("files", "kind", "axis", "expected"), FILES.values(), ids=FILES)
def test_files(tmp_path, files, kind, axis, expected):
    written(tmp_path, files)
    told = told_of(tmp_path)
    assert (told.source["kind"], told.axis, told.series.curves()) == (kind, axis, expected)


@pytest.mark.parametrize(("log", "first"), [("Epoch 1/2\nEpoch 2/2\n", 1), ("Epoch 0/2\nEpoch 1/2\n", 0), ("no epoch\n", 0)])
def test_curves_have_the_epochs_of_the_log(tmp_path, log, first):
    """Keras' files call the first epoch 0, its log 1."""
    written(tmp_path, {"log.csv": KERAS, "runs/s/20260101T000000Z/training.log": log})
    told = told_of(tmp_path)
    assert told.source["kind"] == "CSV" and [place for place, _value in told.series.curves()["loss"]] == [first, first + 1]
    assert told.series.best() == {"metric": "val_loss", "epoch": first, "value": 1.25}
