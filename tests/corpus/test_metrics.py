# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics as the libraries themselves wrote them, compared point by point with what was handed to these libraries.

keras_csv and keras_tensorboard: CSVLogger and TensorBoard of Keras 3.15.1 with TensorFlow 2.21.0. tensorboardx:
SummaryWriter of tensorboardX 2.6.5.
lightning: the writer behind CSVLogger of Lightning 2.6.6. transformers: TrainerState.save_to_json of transformers 5.24.0.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.curves import read_curves
from ansible_collections.trainprep.features.plugins.module_utils._training.runs import Run

FILES = Path(__file__).parent / "metrics"
EXPECTED = json.loads((FILES / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("writer", EXPECTED)
def test_the_curves_are_what_the_library_was_given(tmp_path, writer):
    shutil.copytree(FILES / writer, tmp_path / "work", copy_function=shutil.copyfile)
    for table in (tmp_path / "work").rglob("*.csv"):
        # As Python's csv module writes it; the repository's files have plain line ends.
        table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
    run = tmp_path / "work/runs/s/20260101T000000Z"
    run.mkdir(parents=True)
    told = read_curves(Run(str(run), {}, {"started": 1.0}), str(tmp_path / "work"))
    found, expected = told.series.curves(), EXPECTED[writer]
    assert told.axis == expected["axis"] and not told.sampled
    assert sorted(found) == sorted(expected["curves"])
    for name, points in expected["curves"].items():
        assert [place for place, _value in found[name]] == [place for place, _value in points]
        # Event files hold 32-bit floats.
        assert [value for _place, value in found[name]] == pytest.approx([value for _place, value in points], rel=1e-6)
