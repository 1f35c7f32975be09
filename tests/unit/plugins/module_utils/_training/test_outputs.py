# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics in the files of a trainer: which file is preferred, what it says, and what is left out."""

from __future__ import annotations

import json
import os
import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training import curves, outputs, tables, tensorboard
from ansible_collections.trainprep.features.plugins.module_utils._training.runs import Run

START = 1_000_000.0


def record(data):
    header = struct.pack("<Q", len(data))
    return b"".join((header, struct.pack("<I", tensorboard.masked_crc(header)), data, struct.pack("<I", tensorboard.masked_crc(data))))


def field(number, kind, data):
    return bytes([number << 3 | kind]) + data


def sized(number, data):
    size, length = b"", len(data)
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return field(number, 2, size + bytes([length]) + data)


def event(tag, step, value, tensor=False):
    content = struct.pack("<f", value)
    number = sized(8, field(1, 0, b"\x01") + sized(4, content)) if tensor else field(2, 5, content)
    return record(
        field(1, 1, struct.pack("<d", START))
        + field(2, 0, bytes([step & 127 | 128, step >> 7]))
        + sized(5, sized(1, sized(1, tag.encode()) + number))
    )


def events(points, tensor=False):
    return record(sized(3, b"brain.Event:2")) + b"".join(event(*point, tensor) for point in points)


def written(root, files, changed=START + 10):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (changed, changed))


def told_of(root, patterns=(), **state):
    run = root / "runs/s/20260101T000000Z"
    run.mkdir(parents=True, exist_ok=True)
    return curves.read_curves(Run(str(run), {}, {"started": START, **state}), str(root), patterns)


KERAS = "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.25,1.5,0.5,1.25\n1,0.5,1.0,0.75,nan\n"
FILES = {
    "Keras CSVLogger": (
        {"log.csv": KERAS}, "CSV", "epoch",
        {
            "loss": [(0, 1.5), (1, 1.0)],
            "val_loss": [(0, 1.25), (1, None)],
            "accuracy": [(0, 0.25), (1, 0.5)],
            "val_accuracy": [(0, 0.5), (1, 0.75)],
        },
    ),
    "another separator": (
        {"log.csv": KERAS.replace(",", ";")}, "CSV", "epoch",
        {
            "loss": [(0, 1.5), (1, 1.0)],
            "val_loss": [(0, 1.25), (1, None)],
            "accuracy": [(0, 0.25), (1, 0.5)],
            "val_accuracy": [(0, 0.5), (1, 0.75)],
        },
    ),
    "Lightning": (
        {
            "lightning_logs/version_0/metrics.csv": "epoch,lr-Adam,step,train_loss_epoch,train_loss_step,val_loss\n"
            "0,0.5,9,,2.5,\n0,,9,,,1.5\n0,,9,2.0,,\n"
            "1,0.25,19,,1.5,\n1,,19,,,1.25\n1,,19,1.0,,\n",
        },
        "CSV", "epoch", {"loss": [(0, 2.0), (1, 1.0)], "val_loss": [(0, 1.5), (1, 1.25)], "learning_rate_adam": [(0, 0.5), (1, 0.25)]},
    ),
    "Lightning, by step": (
        {"metrics.csv": "epoch,step,train_loss,val_loss\n0,4,2.5,\n0,9,2.0,\n0,9,,1.5\n"}, "CSV", "step",
        {"loss": [(4, 2.5), (9, 2.0)], "val_loss": [(9, 1.5)]},
    ),
    "ultralytics": (
        {
            "runs/detect/train/results.csv": "                  epoch,         train/box_loss,   metrics/mAP50(B),           val/box_loss, "
            "                lr/pg0\n"
            "                      1,                   1.25,               0.25,                    1.5, "
            "                 0.001\n",
        },
        "CSV", "epoch",
        {"box_loss": [(1, 1.25)], "val_map50_b": [(1, 0.25)], "val_box_loss": [(1, 1.5)], "learning_rate_pg0": [(1, 0.001)]},
    ),
    "a stage that no name has": (
        {"log.csv": "epoch,train_loss,valid_loss,accuracy\n0,1.5,1.25,0.5\n"}, "CSV", "epoch",
        {"loss": [(0, 1.5)], "val_loss": [(0, 1.25)]},
    ),
    "Hugging Face": (
        {
            "out/checkpoint-5/trainer_state.json": json.dumps(
                {
                    "best_metric": 1, "epoch": 2.0,
                    "log_history": [
                        {"epoch": 0.5, "grad_norm": 9, "learning_rate": 1e-3, "loss": 2.5, "step": 2},
                        {"epoch": 1.0, "eval_loss": 1.5, "eval_runtime": 3, "step": 4},
                        {"epoch": 2.0, "train_loss": 9.5, "train_runtime": 60, "step": 8},
                    ],
                },
                indent=2,
            ),
        },
        "trainer state", "epoch", {"loss": [(0.5, 2.5)], "learning_rate": [(0.5, 0.001)], "val_loss": [(1, 1.5)]},
    ),
    "JSON lines": (
        {
            "log.txt": '{"train_lr": 0.5, "train_loss": 2.5, "test_loss": 3.5, "test_bbox": [0.5], "epoch": 0}\n{"train_loss": 2.0,'
            ' "epoch": 1}\nnot JSON\n',
        },
        "JSON lines", "epoch", {"loss": [(0, 2.5), (1, 2.0)], "learning_rate": [(0, 0.5)], "test_loss": [(0, 3.5)]},
    ),
    "JSON lines that name the stage": (
        {
            "a.jsonl": '{"mode": "train", "epoch": 1, "loss": 2.5}\n{"mode": "val", "epoch": 1, "loss": 1.5}\n{"epoch": 2, "train":'
            ' {"loss": 1.0}}\n',
        },
        "JSON lines", "epoch", {"loss": [(1, 2.5), (2, 1.0)], "val_loss": [(1, 1.5)]},
    ),
    "TensorBoard of PyTorch": (
        {
            "runs/Jan01/events.out.tfevents.1.h": events(
                [("Loss/train", 0, 2.5), ("Loss/test", 0, 3.5), ("Loss/train", 130, 2.0), ("lr", 0, 0.5)],
            ),
        },
        "TensorBoard", "step", {"loss": [(0, 2.5), (130, 2.0)], "test_loss": [(0, 3.5)], "learning_rate": [(0, 0.5)]},
    ),
    "TensorBoard of Keras": (
        {
            "logs/train/events.out.tfevents.1.h.v2": events([("epoch_loss", 0, 2.5), ("epoch_loss", 1, 2.0)], tensor=True),
            "logs/validation/events.out.tfevents.2.h.v2": events(
                [("epoch_loss", 0, 1.5), ("evaluation_loss_vs_iterations", 9, 1.5)], tensor=True,
            ),
        },
        "TensorBoard", "epoch", {"loss": [(0, 2.5), (1, 2.0)], "val_loss": [(0, 1.5)]},
    ),
    "TensorBoard before CSV": (
        {"log.csv": KERAS, "tb/events.out.tfevents.1.h": events([("train/loss", 1, 2.5)])}, "TensorBoard", "step", {"loss": [(1, 2.5)]},
    ),
    "event files without scalars": (
        {"log.csv": "epoch,loss\n1,2.5\n", "tb/events.out.tfevents.1.h": events([])}, "CSV", "epoch", {"loss": [(1, 2.5)]},
    ),
    "a cut event file": (
        {"events.out.tfevents.1.h": events([("train/loss", 1, 2.5), ("train/loss", 2, 1.5)])[:-7]}, "TensorBoard", "step",
        {"loss": [(1, 2.5)]},
    ),
    "a damaged record": (
        {"events.out.tfevents.1.h": events([("train/loss", 1, 2.5)]) + b"\xff" * 50 + event("train/loss", 2, 1.5)}, "TensorBoard", "step",
        {"loss": [(1, 2.5), (2, 1.5)]},
    ),
    "begun again": (
        {"log.csv": "epoch,loss\n1,2.5\n2,2.0\nepoch,loss\n1,2.25\n"}, "CSV", "epoch",
        {"loss": [(1, 2.5), (2, 2.0), (1, None), (1, 2.25)]},
    ),
    "numbers that are none": (
        {"log.csv": 'epoch,loss,val_loss\n1,"0,5",1_0\n2,1.5,0x10\n3,1.0,inf\n'}, "CSV", "epoch", {"loss": [(2, 1.5), (3, 1.0)]},
    ),
    "no header that counts": ({"data.csv": "name,loss\na,1\n", "x.json": '{"loss": 1}\n', "y.txt": "epoch,loss\n1,1\n"}, None, "epoch", {}),
    "mmdetection 2, several values in an epoch": (
        {
            "work/1.log.json": '{"env_info": "x"}\n'
            '{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.5, "loss": 2.5}\n'
            '{"mode": "train", "epoch": 1, "iter": 100, "lr": 0.5, "loss": 2.0}\n'
            '{"mode": "val", "epoch": 1, "iter": 9, "lr": 0.5, "bbox_mAP": 0.25}\n'
            '{"mode": "train", "epoch": 2, "iter": 50, "lr": 0.5, "loss": 1.5}\n',
        },
        "JSON lines", "epoch", {"loss": [(1, 2.0), (2, 1.5)], "val_bbox_map": [(1, 0.25)], "learning_rate": [(1, 0.5), (2, 0.5)]},
    ),
    "timm": (
        {"output/train/1/summary.csv": "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n0,6.5,5.5,2.5,9.5,0.0001\n"}, "CSV", "epoch",
        {"loss": [(0, 6.5)], "val_loss": [(0, 5.5)], "learning_rate": [(0, 0.0001)]},
    ),
    "YOLOv5": (
        {
            "runs/train/exp/results.csv": "               epoch,      train/box_loss,      train/obj_loss,   metrics/precision,"
            "     metrics/mAP_0.5,        val/box_loss,               x/lr0\n"
            "                   0,             0.125,             0.25,               0.5,             0.375,             0.0625, 0.01\n",
        },
        "CSV", "epoch",
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
    assert (told.source and told.source["kind"], told.axis, told.series.curves()) == (kind, axis, expected)


@pytest.mark.parametrize(("log", "first"), [("Epoch 1/2\nEpoch 2/2\n", 1), ("Epoch 0/2\nEpoch 1/2\n", 0), ("no epoch\n", 0)])
def test_curves_have_the_epochs_of_the_log(tmp_path, log, first):
    """Keras' files call the first epoch 0, its log 1."""
    written(tmp_path, {"log.csv": KERAS, "runs/s/20260101T000000Z/training.log": log})
    told = told_of(tmp_path)
    assert told.source["kind"] == "CSV" and [place for place, _value in told.series.curves()["loss"]] == [first, first + 1]
    assert told.series.best() == {"metric": "val_loss", "epoch": first, "value": 1.25}


def test_only_what_the_run_changed_counts(tmp_path):
    written(tmp_path, {"old/log.csv": "epoch,loss\n1,9.0\n"}, START - 10)
    written(tmp_path, {"later/log.csv": "epoch,loss\n1,8.0\n"}, START + 500)
    written(tmp_path, {"mine/log.csv": "epoch,loss\n1,7.0\n"})
    assert told_of(tmp_path, ended=START + 20).series.curves() == {"loss": [(1, 7.0)]}
    assert told_of(tmp_path).series.curves() == {"loss": [(1, 8.0)]}


def test_the_run_s_own_project_comes_first_and_other_runs_are_not_entered(tmp_path):
    written(
        tmp_path,
        {
            "log.csv": "epoch,loss\n1,9.0\n", "runs/s/20251231T000000Z/project/log.csv": "epoch,loss\n1,8.0\n",
            ".hidden/log.csv": "epoch,loss\n1,6.0\n", "venv/pyvenv.cfg": "", "venv/log.csv": "epoch,loss\n1,5.0\n",
        },
    )
    assert told_of(tmp_path).series.curves() == {"loss": [(1, 9.0)]}
    written(tmp_path, {"runs/s/20260101T000000Z/project/log.csv": "epoch,loss\n1,7.0\n"})
    assert told_of(tmp_path).series.curves() == {"loss": [(1, 7.0)]}


def test_the_named_files_come_before_all_others(tmp_path):
    written(tmp_path, {"tb/events.out.tfevents.1.h": events([("train/loss", 1, 2.5)]), "out/a/curve.csv": "epoch,loss\n1,7.0\n"})
    assert told_of(tmp_path, ["out/**/*.csv"]).series.curves() == {"loss": [(1, 7.0)]}
    assert told_of(tmp_path, ["nothing/*"]).series.curves() == {"loss": [(1, 2.5)]}


def test_a_directory_that_another_session_works_in_is_nobody_s(tmp_path):
    other = tmp_path / "runs/other/20260101T000001Z"
    written(tmp_path, {"log.csv": "epoch,loss\n1,9.0\n", "runs/other/20260101T000001Z/state.json": json.dumps({"started": START + 1})})
    (tmp_path / "runs/other/latest").symlink_to(other.name)
    assert told_of(tmp_path).series.curves() == {}
    (other / "state.json").write_text(json.dumps({"started": START - 100, "ended": START - 50}))
    assert told_of(tmp_path).series.curves() == {"loss": [(1, 9.0)]}


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "elsewhere/log.csv"
    written(tmp_path, {"elsewhere/log.csv": "epoch,loss\n1,9.0\n"})
    work = tmp_path / "work"
    work.mkdir()
    (work / "log.csv").symlink_to(secret)
    (work / "folder").symlink_to(secret.parent)
    assert told_of(work).series.curves() == {}


def test_files_of_any_size_are_read_in_part_from_end_to_end(tmp_path):
    rows = "epoch,loss\n" + "".join(f"{epoch},{epoch}.5\n" for epoch in range(300000))
    points = events([("train/loss", step % 16000, step % 16000 / 2) for step in range(48000)])
    for name, content in (("log.csv", rows), ("events.out.tfevents.1.h", points)):
        folder = tmp_path / name
        folder.mkdir()
        written(folder, {name: content})
        told = told_of(folder)
        found = told.series.curves()["loss"]
        assert told.sampled and len(found) > 1000
        assert all(value in (place + 0.5, place / 2, None) for place, value in found)
    assert found[0] == (0, 0)


HOSTILE = {
    "a.csv": "epoch," + "loss," * 5000 + "\n" + "1," * 5001 + "\n", "b.csv": "epoch,loss\n" + '"' * 100000,
    "c.jsonl": '{"epoch": 1, "loss": ' + "[" * 20000, "d.jsonl": '{"epoch": 1e999, "loss": 1}\n{"epoch": 1, "loss": 1e999}\n',
    "trainer_state.json": "{" * 100000, "events.out.tfevents.1.h": b"\0" * (1 << 20),
    "events.out.tfevents.2.h": record(b"\xff" * 99) + record(b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    "events.out.tfevents.3.h": struct.pack("<Q", 1 << 62) + b"\0" * 99,
    "e.csv": "epoch,loss\n1," + "1" * 100000 + "x\n", "f.jsonl": '{"epoch": 1, "loss": "' + "1" * 200000 + 'x"}\n',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_give_no_error(tmp_path, name):
    written(tmp_path, {name: HOSTILE[name]})
    told = told_of(tmp_path)
    assert len(told.series.curves()) <= 16
    json.dumps(curves.session_curves(str(tmp_path), [], Run(str(tmp_path), {}, {"started": START}), told, START), allow_nan=False)


def test_the_crc_of_tfrecord_files():
    assert tensorboard.masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_an_event_that_says_less_than_a_scalar():
    assert list(tensorboard.read_scalars(record(field(2, 0, b"\x05")), True)) == []
    text = sized(8, field(1, 0, b"\x07") + sized(4, b"abcd"))
    assert list(tensorboard.read_scalars(record(sized(5, sized(1, sized(1, b"loss") + text))), True)) == []
    assert outputs.kind_of("a.csv", "x") == "" and list(tables.csv_entries("a,b", ["1,2"], None)) == []
