# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cause of a failure by a damaged feature: its name, if the log has one, and the command that finds it."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.causes import find_cause, find_errors
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils._training.test_causes import FULL, trace

# What the readers of the formats raise for a damaged file.
DAMAGES = [
    "OSError: Unable to synchronously open file (truncated file: eof = 2048, sblock->base_addr = 0, stored_eof = 9999)",
    "OSError: Unable to open file (file signature not found)",
    "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered",
    "pyarrow.lib.ArrowInvalid: Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file.",
    "pyarrow.lib.ArrowInvalid: Could not open Parquet input source '<Buffer>': Parquet file size is 4 bytes, smaller than the minimum",
    "pyarrow.lib.ArrowInvalid: Not an Arrow file",
    "OSError: Expected to be able to read 9999 bytes for message body, got 95",
    "tarfile.ReadError: file could not be opened successfully",
    "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
    "_pickle.UnpicklingError: invalid load key, '\\x00'.",
    "EOFError: Ran out of input",
    "EOFError: No data left in file",
    "ValueError: EOF: reading array data, expected 262144 bytes got 95",
    "ValueError: the magic string is not correct; expected b'NUMPY', got b'x'",
    "ValueError: Cannot load file containing pickled data when allow_pickle=False",
    "zlib.error: Error -3 while decompressing data: invalid stored block lengths",
    "gzip.BadGzipFile: Not a gzipped file (b'xx')",
    "EOFError: Compressed file ended before the end-of-stream marker was reached",
    "tensorflow.python.framework.errors_impl.DataLossError: {{function_node x}} truncated record at 95 [Op:IteratorGetNext]",
]


@pytest.mark.parametrize("exception", DAMAGES)
def test_a_damaged_feature_is_said_with_the_command_that_finds_it(exception):
    assert find_cause(trace(exception)) == f"{exception}: a damaged feature file; {FULL}"


def test_what_a_reader_says_of_a_file_that_is_cut_off():
    def raised_in(path, exception):
        return ["Traceback (most recent call last):", f'  File "{path}", line 9, in read', "    raise", exception]

    reshaped = "ValueError: cannot reshape array of size 100 into shape (9,768)"
    assert find_cause(raised_in("/x/numpy/lib/_format_impl.py", reshaped)) == f"{reshaped}: a damaged feature file; {FULL}"
    assert find_cause(raised_in("/x/lib/python3.11/zipfile.py", "EOFError")) == f"EOFError: a damaged feature file; {FULL}"
    assert find_cause(raised_in("/w/model.py", reshaped)) == reshaped
    assert find_cause(raised_in("/x/multiprocessing/connection.py", "EOFError")) == "EOFError"


@pytest.mark.parametrize(("lines", "name"), [
    # The exception around it knows the file; a checkpoint that the log names is none.
    ([*trace("zipfile.BadZipFile: File is not a zip file"), "", "The above exception was the direct cause of the following exception:", "",
      *trace("RuntimeError: cannot load /data/t/b.npz")], "/data/t/b.npz"),
    (["reading /data/t/a.npz", "saved checkpoints/last.pt", *trace("zipfile.BadZipFile: File is not a zip file")], "/data/t/a.npz"),
    (["saved checkpoints/last.pt", *trace("zipfile.BadZipFile: File is not a zip file")], None),
    (["/data/" + 99 * "long/" + "a.npz", *trace(f"zipfile.BadZipFile: {'x' * 400}")], "long/a.npz"),
])  # fmt: skip
def test_the_name_of_a_damaged_feature(lines, name):
    cause = find_cause(lines)
    assert cause.endswith(f"; {FULL}") and len(cause) <= 400
    assert (f"{name}; " in cause) if name else ("named in the log" not in cause)


def test_a_feature_that_a_trainer_skips_is_an_error_of_a_live_run():
    line = "Error loading /data/wav2vec_crema_d/cremad_1001_DFA_ANG_XX.npz: Bad CRC-32 for file 'wav2vec_features.npy'"
    assert find_errors(["Loading data", line, "Loaded 299 samples with 6 emotion classes"]) == [line]
