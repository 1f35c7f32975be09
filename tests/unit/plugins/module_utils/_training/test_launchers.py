# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cause of a failure behind public launchers and programs, in the form in which their logs end."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.causes import find_cause
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils._training.test_causes import trace

# By launcher or program, in the form in which it ends.
LAUNCHERS = {
    "deepspeedai/DeepSpeed": (
        [
            *trace("ValueError: bad lr"),
            "[2026-01-01 12:00:00,001] [INFO] [launch.py:315:sigkill_handler] Killing subprocess 99",
            "[2026-01-01 12:00:00,001] [ERROR] [launch.py:321:sigkill_handler] ['/x/python', '-u', 'train.py'] exits with return code = 1",
        ],
        "ValueError: bad lr",
    ),
    "horovod/horovod": (
        [
            *trace("ValueError: bad lr", "[1,0]<stderr>:"),
            "Process 0 exit with status code 1.",
            "Terminating remaining workers after failure of Process 0.",
            *trace("RuntimeError: Horovod detected that one or more processes exited with non-zero status, thus causing the job to be"),
        ],
        "ValueError: bad lr",
    ),
    "open-mpi/ompi": (
        ["-----", "mpirun noticed that process rank 1 with PID 99 on node gpu-1 exited on signal 9 (Killed).", "-----"],
        "mpirun noticed that process rank 1 with PID 99 on node gpu-1 exited on signal 9 (Killed).",
    ),
    "SchedMD/slurm, out of memory": (
        ["slurmstepd: error: Detected 1 oom_kill event in StepId=1.0. Some of the step tasks have been OOM Killed.",
         "srun: error: gpu-1: task 0: Out Of Memory"],
        "slurmstepd: error: Detected 1 oom_kill event in StepId=1.0. Some of the step tasks have been OOM Killed.",
    ),
    "SchedMD/slurm, srun -l": (
        [*trace("KeyError: 'lr'", "0: "), "srun: error: gpu-1: task 0: Exited with exit code 1"],
        "KeyError: 'lr'",
    ),
    "ray-project/ray, Tune": (
        [
            "Traceback (most recent call last):", '  File "/x/ray/worker.py", line 9, in get', "    raise value",
            "ray.exceptions.RayTaskError(ValueError): ray::ImplicitFunc.train() (pid=9, ip=10.0.0.1)",
            '  File "/w/train.py", line 3, in f', "ValueError: bad lr",
            "2026-01-01 12:00:00,001\tERROR tune.py:1038 -- Trials did not complete: [f_1]",
        ],
        "ValueError: bad lr",
    ),
    "PaddlePaddle/Paddle, launch": (
        [*trace("ValueError: bad lr"), "LAUNCH ERROR 2026-01-01 12:00:00,001 Container failed !!!",
         "LAUNCH INFO 2026-01-01 12:00:00,001 Exit code 1"],
        "ValueError: bad lr",
    ),
    "mosaicml/composer": (
        ["ERROR:composer.cli.launcher:Rank 1 crashed with exit code 1.", "----------Begin global rank 1 STDERR----------",
         *trace("ValueError: bad lr"), "----------End global rank 1 STDERR----------",
         "ERROR:composer.cli.launcher:Global rank 0 (PID 9) exited with code 1"],
        "ValueError: bad lr",
    ),
    "Lightning-AI/pytorch-lightning, a child ends": (
        [*trace("ValueError: bad lr", "[rank1]: "),
         "[rank: 1] Child process with PID 99 terminated with code 1. Forcefully terminating all other processes", "Killed"],
        "ValueError: bad lr",
    ),
    "jax-ml/jax": (
        [*trace("jax.errors.SimplifiedTraceback: For simplicity, JAX has removed its internal frames from the traceback."), "",
         "The above exception was the direct cause of the following exception:", "",
         *trace("jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 95 bytes.")],
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 95 bytes.",
    ),
    "pytorch/pytorch, a full disk": (
        [*trace("OSError: [Errno 28] No space left on device"), "",
         "During handling of the above exception, another exception occurred:", "",
         *trace("RuntimeError: [enforce fail at inline_container.cc:603] . unexpected pos 95 vs 1")],
        "OSError: [Errno 28] No space left on device",
    ),
    "microsoft/LightGBM": (
        ["[LightGBM] [Fatal] Label should be int type", *trace("lightgbm.basic.LightGBMError: Label should be int type")],
        "lightgbm.basic.LightGBMError: Label should be int type",
    ),
    "conda/conda, run": (
        [*trace("ValueError: bad lr"), "", "ERROR conda.cli.main_run:execute(125): `conda run python train.py` failed. (See above for"],
        "ValueError: bad lr",
    ),
    "conda/conda, no environment": (
        ["", "EnvironmentNameNotFound: Could not find conda environment: train", "You can list all discoverable environments", ""],
        "EnvironmentNameNotFound: Could not find conda environment: train",
    ),
    "astral-sh/uv": (
        ["error: Failed to spawn: `train.py`", "  Caused by: No such file or directory (os error 2)"],
        "error: Failed to spawn: `train.py`",
    ),
    "rust-lang/rust": (
        ["thread 'main' panicked at src/main.rs:3:5:", "index out of bounds", "note: run with `RUST_BACKTRACE=1`"],
        "thread 'main' panicked at src/main.rs:3:5: index out of bounds",
    ),
    "golang/go": (
        ["panic: runtime error: index out of range", "", "goroutine 1 [running]:", "main.main()", "exit status 2"],
        "panic: runtime error: index out of range",
    ),
    "JuliaLang/julia": (
        ["ERROR: LoadError: DimensionMismatch: a has size (2,)", "Stacktrace:", " [1] top-level scope"],
        "ERROR: LoadError: DimensionMismatch: a has size (2,)",
    ),
    "abseil/abseil-py": (
        ["FATAL Flags parsing error:", "  Unknown command line flag 'foo'", "Pass --helpshort or --helpfull to see help on flags."],
        "FATAL Flags parsing error: Unknown command line flag 'foo'",
    ),
    "brentyi/tyro": (
        ["╭─ Parsing error ─────╮", "│ Unrecognized options: --foo │", "╰────────╯"],
        "the log ends with: │ Unrecognized options: --foo │",
    ),
    "Textualize/rich": (
        ["╭──── Traceback (most recent call last) ────╮", "│ /w/train.py:3 in <module>  │", "╰────────╯", "ValueError: bad lr"],
        "ValueError: bad lr",
    ),
    "Delgan/loguru": (
        ["2026-01-01 12:00:00.001 | ERROR    | yolox.core.launch:98 - An error has been caught", "Traceback (most recent call last):", "",
         '> File "/w/train.py", line 3, in <module>', "    launch(", "    └ <function launch at 0x7>", "", "AssertionError: 9 GPUs"],
        "AssertionError: 9 GPUs",
    ),
    "TACC/Lmod": (
        ['Lmod has detected the following error: The following module(s) are unknown: "cuda/99"', "Please check the spelling."],
        'Lmod has detected the following error: The following module(s) are unknown: "cuda/99"',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "cause"), LAUNCHERS.values(), ids=LAUNCHERS)
def test_launchers(lines, cause):
    assert find_cause(lines) == cause
