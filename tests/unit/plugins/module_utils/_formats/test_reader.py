# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One budget per file: bytes, steps, and one large structure at a time."""

from __future__ import annotations

import io
import os
import zipfile

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats import reader
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    FEATURE,
    NOT_UNDERSTOOD,
    classify_file,
)
from ansible_collections.trainprep.features.plugins.module_utils._formats.damage import Damaged, NotUnderstood
from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils import support_formats as made
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_archives import ANY, npy


@pytest.fixture
def opened(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0123456789" * 1000)
    with open(path, "rb") as file, reader.open_reader(file.fileno(), 10000) as found:
        yield found


def test_parts_of_a_file(opened):
    for offset, length in ((0, 10), (1020, 8), (5000, 100), (9990, 10), (10000, 0)):
        assert opened.read(offset, length) == (b"0123456789" * 1000)[offset : offset + length]
    with pytest.raises(Damaged, match="is truncated"):
        opened.read(9999, 2)


def test_bytes_are_counted_wherever_they_come_from(opened):
    opened.bytes_left = 100
    opened.read(0, 50)
    opened.spend(50)
    with pytest.raises(NotUnderstood, match="more reading"):
        opened.read(0, 1)


def test_steps_are_counted(opened):
    opened.steps_left = 3
    opened.step()
    opened.step(2)
    with pytest.raises(NotUnderstood, match="more steps"):
        opened.step()


def test_no_piece_is_large(opened):
    with pytest.raises(NotUnderstood, match="more than is read here at once"):
        opened.read(0, reader.PIECE + 1)


def test_a_turn_is_given_back(opened, tmp_path):
    for _turn in range(2):
        with reader.Reader(0, 0, b"", b"") as other:
            other.claim(reader.PIECE)
            other.claim(reader.PIECE)
    opened.claim(1)
    assert not opened._claimed


def test_a_turn_that_is_taken_during_a_fork_is_free_in_the_child(opened):
    opened.claim(reader.PIECE)
    child = os.fork()
    if child == 0:
        reader.Reader(0, 0, b"", b"").claim(reader.PIECE)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def inspected(path, full=False):
    with open(path, "rb") as file:
        return classify_file(file.fileno(), os.fstat(file.fileno()), path.name, Criteria(ANY, full))


def test_a_packed_archive_unpacks_to_a_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_FULL_BYTES", 1 << 20)
    monkeypatch.setattr(reader, "QUICK_BYTES", 1 << 20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.npy", bytes(30 << 20))
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    assert inspected(tmp_path / "x.zip").kind == FEATURE
    assert inspected(tmp_path / "x.zip", True)[:2] == (NOT_UNDERSTOOD, "takes more reading than one file is given here in a.npy")


def test_holes_cost_nothing(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(made.tar())
    size = 1 << 40
    os.truncate(path, size)
    assert inspected(path).kind == FEATURE
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\1\0\x46\0" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(69) + b"\n")
    os.truncate(path, 80 + 10**12)
    assert inspected(path, True).kind == FEATURE


def test_long_headers_of_arrays_are_counted(tmp_path, monkeypatch):
    """Each of them is parsed; packed, they take hardly any room. An eighth of both shows the same."""
    monkeypatch.setattr(reader, "STEPS", reader.STEPS >> 3)
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for number in range(500 >> 3):
            fields = "".join(f"('{number}_{field}', '<f4'), " for field in range(480))
            zipped.writestr(f"{number}.npy", npy(text=f"{{'descr': [{fields}], 'fortran_order': False, 'shape': (0,), }}", data=b""))
    assert inspected(path).reason.startswith("takes more steps than one file is given here in ")
