# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cause of a failure: the first real error, never a wrapper's, and nothing invented."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.causes import find_cause, find_errors

FRAME = ['  File "/w/train.py", line 3, in <module>', "    main()"]
TABLE = [
    "============================================================",
    "train.py FAILED",
    "-----",
    "Failures:",
    "  <NO_OTHER_FAILURES>",
    "-----",
    "Root Cause (first observed failure):",
    "[0]:",
    "  time      : 2026-01-01_12:00:00",
    "  host      : gpu-1",
    "  rank      : {rank} (local_rank: {rank})",
    "  exitcode  : {code} (pid: 4711)",
    "  error_file: <N/A>",
    "  traceback : To enable traceback see: https://pytorch.org/docs",
    "=====",
]


def trace(exception, prefix="", head="Traceback (most recent call last):"):
    return [prefix + line for line in (head, *FRAME, *exception.split("\n"))]


def table(rank, code):
    return [
        *trace("torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "),
        *(line.format(rank=rank, code=code) for line in TABLE),
    ]


FULL = "ansible-playbook trainprep.features.prepare_features --check finds every damaged file if the feature set says verify: full"
CAUSES = {
    "plain": (trace("ValueError: no features"), "ValueError: no features"),
    "any name": (trace("mylib.errors.NoSuchThing: here"), "mylib.errors.NoSuchThing: here"),
    "no message": (trace("AssertionError"), "AssertionError"),
    "the message is in the next line": (
        trace('RuntimeError: Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "a".'),
        'RuntimeError: Error(s) in loading state_dict for Net: Missing key(s) in state_dict: "a".',
    ),
    "the direct cause": (
        [
            *trace("KeyError: 'lr'"),
            "",
            "The above exception was the direct cause of the following exception:",
            "",
            *trace("RuntimeError: bad config"),
        ],
        "KeyError: 'lr'",
    ),
    "during the handling of another": (
        [
            *trace("KeyError: 'lr'"),
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            *trace("ValueError: no lr"),
        ],
        "ValueError: no lr",
    ),
    "torchrun": (
        [
            *trace("ValueError: bad clip", "[rank1]: "),
            *trace("RuntimeError: [gloo] Connection closed by peer [127.0.0.1]:1", "[rank0]: "),
            "W0101 12:00:00.1 1 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 1 closing signal SIGTERM",
            "E0101 12:00:00.1 1 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 1 (pid: 9) of"
            " binary: /x/python",
            *table(1, 1),
        ],
        "ValueError: bad clip (rank 1, exit code 1)",
    ),
    "torchrun, ranks interleaved": (
        [
            line
            for pair in zip(trace("ValueError: one", "[rank0]: "), trace("ValueError: two", "[rank1]: "))
            for line in pair
        ]
        + table(1, 1),
        "ValueError: two (rank 1, exit code 1)",
    ),
    "torchrun, killed": (table(3, -9), "rank 3, signal 9, SIGKILL"),
    "torchrun, without prefixes": (
        [*trace("FileNotFoundError: /data/x"), *table(0, 1)],
        "FileNotFoundError: /data/x (rank 0, exit code 1)",
    ),
    "NCCL watchdog": (
        [
            "[rank1]:[E101 12:00:00.0 ProcessGroupNCCL.cpp:607] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9,"
            " OpType=ALLREDUCE)"
            " ran for 600029 milliseconds before timing out.",
            *table(1, -6),
        ],
        "Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE) ran for 600029 milliseconds before timing out."
        " (rank 1, signal 6, SIGABRT)",
    ),
    "accelerate": (
        [
            *trace("ValueError: no such model"),
            *trace("subprocess.CalledProcessError: Command '['python', 'x.py']' returned non-zero exit status 1."),
        ],
        "ValueError: no such model",
    ),
    "accelerate alone": (
        trace("subprocess.CalledProcessError: Command '['python', 'x.py']' died with <Signals.SIGKILL: 9>."),
        "subprocess.CalledProcessError: Command '['python', 'x.py']' died with <Signals.SIGKILL: 9>.",
    ),
    "spawn": (
        [
            *trace("torch.multiprocessing.spawn.ProcessRaisedException: "),
            "",
            "-- Process 1 terminated with the following error:",
            *trace("IndexError: list index out of range"),
            "",
        ],
        "IndexError: list index out of range",
    ),
    "a worker of a loader": (
        [
            *trace("OSError: Caught OSError in DataLoader worker process 0."),
            *trace("OSError: stale handle", head="Original Traceback (most recent call last):"),
        ],
        "OSError: stale handle",
    ),
    "tensorflow": (
        [
            *trace("tensorflow.python.framework.errors_impl.InvalidArgumentError: Graph execution error:"),
            "",
            "Detected at node a defined at (most recent call last):",
            "<stack traces unavailable>",
            "Received a label value of 7 which is outside the valid range of [0, 6).",
            "\t [[{{node a}}]] [Op:__inference_1]",
        ],
        "InvalidArgumentError: Received a label value of 7 which is outside the valid range of [0, 6).",
    ),
    "ray": (trace("RuntimeError: no GPU", "(RayTrainWorker pid=12, ip=10.0.0.1) "), "RuntimeError: no GPU"),
    "wandb comes last": (
        [*trace("ValueError: x is bad"), "wandb: ERROR Problem finishing run"],
        "ValueError: x is bad",
    ),
    "hydra": (
        [
            "Error executing job with overrides: []",
            *trace("KeyError: 'a'"),
            "",
            "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.",
        ],
        "KeyError: 'a'",
    ),
    "a damaged file that is named": (
        ["Loading /data/t/a_1.npz", *trace("zipfile.BadZipFile: Bad CRC-32 for file 'wav2vec_features.npy'")],
        "zipfile.BadZipFile: Bad CRC-32 for file 'wav2vec_features.npy': a damaged feature file; the last file named in the log is"
        " /data/t/a_1.npz; " + FULL,
    ),
    "a damaged file that is not named": (
        trace("zipfile.BadZipFile: File is not a zip file"),
        "zipfile.BadZipFile: File is not a zip file: a damaged feature file; " + FULL,
    ),
    "a shell": (["bash: line 1: torchrun: command not found"], "bash: line 1: torchrun: command not found"),
    "docker": (["the input device is not a TTY"], "the input device is not a TTY"),
    "argparse": (
        ["usage: train.py [-h]", "train.py: error: unrecognized arguments: --foo"],
        "train.py: error: unrecognized arguments: --foo",
    ),
    "a crash": (
        ["Fatal Python error: Segmentation fault", "Current thread 0x1:"],
        "Fatal Python error: Segmentation fault",
    ),
    "a C++ error": (
        [
            "terminate called after throwing an instance of 'c10::Error'",
            "  what():  CUDA error: an illegal memory access",
        ],
        "what():  CUDA error: an illegal memory access",
    ),
    "a logged error": (
        ["2026-01-01 12:00:00,123 ERROR root: no features below /data/x", "bye"],
        "2026-01-01 12:00:00,123 ERROR root: no features below /data/x",
    ),
    "nothing that is known": (
        ["Test Error: 0.25", "Mean Absolute Error: 0.41", "log_level: ERROR", "giving up"],
        "the log ends with: giving up",
    ),
    "an empty log": ([], None),
}


@pytest.mark.parametrize(("lines", "cause"), CAUSES.values(), ids=CAUSES)
def test_causes(lines, cause):
    assert find_cause(lines) == cause


@pytest.mark.parametrize(
    "line",
    [
        "Test Error:",
        "Test Error: ",
        "Mean Absolute Error: 0.41",
        "log_level: ERROR",
        "error: 0.25",
        "Error = 3.5%",
        "val_error: 0.1",
        "errors: 0",
        "WARNING: no error yet",
        "level=ERROR",
        "Error rate: 12.5%",
        "error (train) = 0.25",
        "Error on the validation set: 3.5 %",
        "Word Error Rate: 12.5",
        "ERROR_RATE=0.1",
        "Errors: 0",
        "E0000 00:00:1767225600.1 9 cuda_dnn.cc:8310] Unable to register cuDNN factory",
    ],
)
def test_harmless_lines_are_no_errors(line):
    assert find_errors([line]) == []


def test_errors_are_the_last_ones_and_bounded():
    many = [f"ERROR: clip {number} is missing {'x' * 9999}" for number in range(99)]
    found = find_errors(many)
    assert [line.split()[2] for line in found] == ["94", "95", "96", "97", "98"] and max(map(len, found)) == 400
    assert find_errors([*trace("ValueError: bad"), "[rank0]: ERROR: worker lost"]) == [
        "ValueError: bad",
        "ERROR: worker lost",
    ]
