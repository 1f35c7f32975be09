# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import os
from pathlib import Path

from ansible_collections.trainprep.features.plugins.module_utils._training import checkpoints
from ansible_collections.trainprep.features.plugins.module_utils._training.checkpoints import (
    newest_checkpoint,
    path_to_resume,
)


def write(path, moment):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("12345")
    os.utime(path, (moment, moment))


def found(root, deep, *times):
    answer = newest_checkpoint([(str(root), deep)], *times)
    return answer and answer.path


def test_the_newest_checkpoint_is_found_in_any_folder_and_no_link_followed(tmp_path):
    root = tmp_path / "checkpoints"
    assert newest_checkpoint([(str(root), True)]) is None
    for name, moment in (("a_1/best.keras", 100), ("a_2/deep/best.npz", 200), ("a_2/history.txt", 300)):
        write(root / name, moment)
    (root / "link.keras").symlink_to("/etc/passwd")
    assert newest_checkpoint([(str(root), True)]) == (200, str(root / "a_2/deep/best.npz"), 5)
    assert found(root, True, 201) is None and found(root, False) is None
    assert found(root, True, 50, 150) == str(root / "a_1/best.keras")
    assert found(root, True, 0, 500, "keras") == str(root / "a_1/best.keras")


def test_outside_checkpoints_only_what_holds_models_counts(tmp_path):
    """A training that saves into its working directory, which may hold features, archives and other runs beside."""
    write(tmp_path / "best.pt", 100)
    for name in ("features.npz", "labels.npy", "code.tar", "runs/train/1/project/other.pt"):
        write(tmp_path / name, 200)
    assert found(tmp_path, False) == str(tmp_path / "best.pt")
    project = tmp_path / "runs/train/1/project"
    write(project / "output/last.ckpt", 300)
    assert found(project, True) == str(project / "output/last.ckpt")


def test_a_checkpoint_of_several_files_is_its_folder(tmp_path):
    assert path_to_resume(newest_checkpoint([(str(tmp_path), True)])) == ""
    write(tmp_path / "best.pt", 100)
    assert path_to_resume(newest_checkpoint([(str(tmp_path), True)])) == str(tmp_path / "best.pt")
    write(tmp_path / "checkpoint-500" / "model.safetensors", 200)
    assert path_to_resume(newest_checkpoint([(str(tmp_path), True)])) == str(tmp_path / "checkpoint-500")
    assert found(tmp_path, True, 205) is None


def test_the_launcher_can_run_a_copy_of_it():
    imported = [node for node in ast.walk(ast.parse(Path(checkpoints.__file__).read_text())) if isinstance(node, ast.ImportFrom)]
    assert all(node.level == 0 and node.module in ("__future__", "typing") for node in imported)
