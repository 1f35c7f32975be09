# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with holes on real file systems: zeros that were never written are a feature's data, or what a download left out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.test_disks import SOUND, mounted
from tests.support.fault_cases import USER, one_set
from tests.support.faults import Modules
from tests.support.layout import Array, write_npz

DISKS = {"ext4": ("ext4", "", ""), **{name: SOUND[name] for name in ("xfs", "btrfs that compresses")}}
FRAMES = 64  # 192 KiB: several blocks of every file system


def written(path: Path, zeros: bool, tail: bytes = b"\1\2\3\4") -> Path:
    """A feature whose data are all zeros but for the last, or none."""
    total = 4 * FRAMES * 768
    data = tail if zeros else bytes(range(1, 251)) * (total // 250) + b"\7" * (total % 250)
    write_npz(path, [Array("wav2vec_features", "<f4", (FRAMES, 768), total - len(data), data)])
    return path


def hollow(path: Path) -> Path:
    """What a program leaves that has made room for a file and not filled it: the right length, and zeros for the data."""
    whole = written(path.with_suffix(".whole"), False)
    size = whole.stat().st_size
    with whole.open("rb") as source, path.open("xb") as target:
        target.write(source.read(4096))
        target.seek(size - 8192)
        source.seek(size - 8192)
        target.write(source.read())
    whole.unlink()
    return path


@pytest.mark.parametrize("kind", DISKS)
def test_holes_that_are_data_and_holes_that_are_missing_data(kind: str, place: Path, tally) -> None:
    tried = tally(f"File systems: files with holes, {kind}")
    with mounted(tried, place, *DISKS[kind]) as top:
        if not top:
            return
        old = top / "old"
        old.mkdir()
        written(old / "a_zeros.npz", True)
        # The same bytes with no hole: on a disk that compresses these take up less than their size as well.
        sparse = written(old / "b_zeros.npz", True, b"\5\6\7\10")
        dense = old / "c_dense.npz"
        dense.write_bytes(sparse.read_bytes())
        sparse.unlink()
        written(old / "d_full.npz", False)
        for name in ("e_hollow.npz", "f_hollow.npz"):
            hollow(old / name)
        os.sync()
        shutil.copystat(old / "d_full.npz", old / "e_hollow.npz")
        ran = Modules(place).run("feature_facts", {"sets": [one_set(place, legacy=[str(old)])], "user": USER})
        tried.runs += 1
        facts = ran.result["ansible_facts"]["feature_sets"]["w"]
        tried.equal(facts["legacy"][0]["features"], 3, "zeros that were written, or left out on purpose, are data")
        tried.equal(facts["legacy"][0]["damaged"], 2, "data that are missing are missed")
        reasons = {sample["reason"] for sample in facts["rejected"]["samples"]}
        tried.check(all("checksum" in reason for reason in reasons), f"the reason is told: {reasons}")
