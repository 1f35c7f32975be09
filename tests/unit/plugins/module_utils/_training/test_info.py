# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible_collections.trainprep.features.plugins.module_utils._training.info import (
    count_features,
    newest_checkpoint,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import ME, a_set, npy


def write(path, moment):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("12345")
    os.utime(path, (moment, moment))


def test_the_newest_checkpoint_is_found_in_any_folder_and_no_link_followed(tmp_path):
    root = tmp_path / "checkpoints"
    assert newest_checkpoint(str(root), True) is None
    for name, moment in (("a_1/best.keras", 100), ("a_2/deep/best.npz", 200), ("a_2/history.txt", 300)):
        write(root / name, moment)
    (root / "link.keras").symlink_to("/etc/passwd")
    found = newest_checkpoint(str(root), True)
    assert (found["path"], found["bytes"]) == (str(root / "a_2/deep/best.npz"), 5)
    assert newest_checkpoint(str(root), True, since=201) is None
    assert newest_checkpoint(str(root), True, 50, 150)["path"] == str(root / "a_1/best.keras")
    assert newest_checkpoint(str(root), False) is None


def test_outside_checkpoints_only_what_holds_models_counts(tmp_path):
    """A training that saves into its working directory, which may hold features, archives and other runs beside."""
    write(tmp_path / "best.pt", 100)
    for name in ("features.npz", "labels.npy", "code.tar", "runs/train/1/project/other.pt"):
        write(tmp_path / name, 200)
    assert newest_checkpoint(str(tmp_path), False)["path"] == str(tmp_path / "best.pt")
    project = tmp_path / "runs/train/1/project"
    write(project / "output/last.ckpt", 300)
    assert newest_checkpoint(str(project), True)["path"] == str(project / "output/last.ckpt")


def test_a_health_check_does_not_read_all_data_whatever_the_set_says(tmp_path):
    npy(tmp_path / "t/a.npy", 1)
    found = count_features(ME, {}, [a_set(tmp_path / "t", verify="full", patterns=["*.npy"], reads=["*.npy"])])
    assert found["count"] == 1 and found["ready"]
    assert found["data"]["changed"] is None and found["data"]["digest"] is None
