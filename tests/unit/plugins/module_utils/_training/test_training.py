# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shlex
import subprocess
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.log import (
    overwritten,
    place_of,
    visible,
    wanted,
)
from ansible_collections.trainprep.features.plugins.module_utils._training.reading import (
    last_lines,
    log_age,
    observation,
    read_chunk,
)
from ansible_collections.trainprep.features.plugins.module_utils._training.runs import (
    Run,
    RunState,
    check_session,
    find_run,
    read_json,
)
from ansible_collections.trainprep.features.plugins.module_utils._training.tmux import (
    Process,
    Session,
    all_processes,
    below,
    is_same,
    read_process,
)
from ansible_collections.trainprep.features.plugins.module_utils._training.verdict import judge
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._training.order import split_arguments

# --- the log ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("plain\n", "plain"),
        ("50%\r100%\n", "100%"),
        ("100%\r\n", "100%"),
        ("a\b\b\bb", "b"),
        ("\x1b[32mgreen\x1b[0m \x1b]", "green"),
        ("\x1b]0;title\x07a\x1bc\x1b[2J\x9b2Jb\x00\x1b", "a2Jb"),
        ("", ""),
    ],
)
def test_visible(line, seen):
    assert visible(line) == seen


# What a line says of the progress: the epoch, the number of epochs, the part of the epoch that is over.
PLACES = [
    ("12/24 [==>...] - ETA: 9s - loss: 1.0", (None, None, 0.5)),
    ("  3/3 - 1s - loss: 1.0", (None, None, 1.0)),
    (" 25%|##   | 1/4 [00:01<00:03]", (None, None, 0.25)),
    ("loss: 1.0", (None, None, 1.0)),
    ("3/0 x", (None, None, None)),
    ("2026/01/01 12:00 begun", (None, None, None)),
    ("9/3 x", (None, None, 1.0)),
    ("Epoch 3/30", (3, 30, None)),
    ("Epoch [12/50], train_loss: 0.31", (12, 50, 1.0)),
    ("epoch=4 step=100 loss=1.5e-3", (4, None, 0.0)),
    ("Train Epoch: 5 [320/640 (50%)]\tLoss: 0.5", (5, None, 0.5)),
    ("Epoch: [0][  10/5000]\tTime  1.2", (0, None, 0.002)),
    ("01/01 12:00:00 - mmengine - INFO - Epoch(train) [1][50/100]  lr: 1e-3  loss: 1.2", (1, None, 0.5)),
    ("Train: 3 [  50/100 ( 50%)]  Loss: 6.9 (6.9)", (3, None, 0.5)),
    ("      7/100      2.51G     1.2       2.1", (7, 100, None)),
    ("2epoch:train:1-50batch: iter_time=0.1, loss=3.0", (2, None, 0.0)),
    ("[host] 5/50epoch started.", (5, 50, None)),
    ("{'loss': 2.5, 'epoch': 0.5}", (0.5, None, 1.0)),
    ('{"epoch": 3, "train_loss": 0.5}', (3, None, 1.0)),
    ("{'loss': '2.5', 'epoch': '1.5'}", (1.5, None, 1.0)),
    ("Epoch 00003: val_loss did not improve", (3, None, None)),
    ("| epoch   3 |   200/2000 batches | lr 5.00", (3, None, 0.1)),
    ("Epoch 3 of 30", (3, 30, None)),
    # Another epoch, or none.
    ("=> loaded checkpoint 'x' (epoch 50)", (None, None, None)),
    ("Resuming from epoch 51", (None, None, None)),
    ("best val_loss in epoch 2", (None, None, None)),
    ("steps per epoch: 100", (None, None, None)),
    ("Epoch time: 12 s", (None, None, None)),
    ("train.py --epoch 100", (None, None, None)),
    ("Namespace(batch_size=64, epoch=100)", (None, None, None)),
    ("epochs: 30", (None, None, None)),
]


@pytest.mark.parametrize(("line", "place"), PLACES)
def test_what_a_line_says_of_the_progress(line, place):
    assert place_of(line)[:3] == place


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (b"", 0),
        (b"plain", 0),
        (b"\r 1%", 0),
        (b"\r 1%\r 2%", 4),
        (b" 1%\r", 0),
        (b"\r 1%\r", 0),
        (b"1/9\b\b\b2/9", 5),
    ],
)
def test_what_a_bar_has_written_over(data, cut):
    assert overwritten(data) == cut


@pytest.mark.parametrize(
    ("line", "filters"),
    [
        ("Epoch 3/30", {"training"}),
        ("10/10 - 1s - loss: 1.0 - accuracy: 0.5", {"training"}),
        ("10/10 - 1s - loss: 1.0 - val_loss: 1.1", {"training", "validation"}),
        ("Validation accuracy = 0.4", {"training", "validation"}),
        ("ValueError: invalid file", {"training"}),
        ("zipfile.BadZipFile: Bad CRC-32 for file 'a.npy'", {"training"}),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory", {"training"}),
        ("MODEL saved", {"training"}),
        ("Training complete", {"training"}),
        ("reading /data/x.npz", set()),
        ("an evaluation of nothing", set()),
        ("the interval is 3", set()),
    ],
)
def test_filters(line, filters):
    assert {which for which in ("training", "validation") if wanted(line, which)} == filters
    assert wanted(line, "all")


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        (None, []),
        ([], []),
        (["--epochs", 30, "--noise", 0.005, True], ["--epochs", "30", "--noise", "0.005", "True"]),
        ("--epochs 30 --name 'a b'", ["--epochs", "30", "--name", "a b"]),
        (["a b", "$(reboot)", "'; rm -rf /", "", "*", "ü"], ["a b", "$(reboot)", "'; rm -rf /", "", "*", "ü"]),
    ],
)
def test_arguments_reach_the_program_unchanged(raw, arguments):
    assert split_arguments(raw) == arguments
    shown = shlex.join(["printf", "%s\\0", *arguments])
    assert shlex.split(shown)[2:] == arguments
    if arguments:
        through_a_shell = subprocess.run(["sh", "-c", shown], check=True, capture_output=True, encoding="utf-8").stdout
        assert through_a_shell.split("\0")[:-1] == arguments


@pytest.mark.parametrize("raw", [{"epochs": 3}, 3, [["nested"]], [None], ["nul\0"], "'open"])
def test_arguments_that_cannot_be_meant(raw):
    with pytest.raises(FeatureError, match=r"^arguments"):
        split_arguments(raw)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a:b", "../x", "-x", "=x", "ü"])
def test_session_names_that_tmux_would_change(name):
    with pytest.raises(FeatureError, match=r"^session "):
        check_session(name)
    assert check_session("attn_crnn_v2") == "attn_crnn_v2"


# --- the run's folder ------------------------------------------------------------------------------------------------


def a_run(directory, name="20260101T000000Z", log=b""):
    folder = directory / "runs" / "s" / name
    folder.mkdir(parents=True)
    (folder / "training.log").write_bytes(log)
    return Run(str(folder))


def test_pieces_show_each_byte_once_and_only_whole_lines(tmp_path):
    log = b"".join(b"line %d \xc3\xbc\n" % number for number in range(1000)) + b"unfinished"
    run = a_run(tmp_path, log=log)
    for limit in (16, 64, 1 << 20):
        offset, seen = 0, b""
        while True:
            data, more = read_chunk(run, offset, limit, over=False)
            assert not data or data.endswith(b"\n")
            seen, offset = seen + data, offset + len(data)
            if not more:
                break
        assert seen == log[: log.rindex(b"\n") + 1]
        # The end of the run lets go of the line that never got its end.
        assert read_chunk(run, offset, limit, over=True) == (b"unfinished", False)


def test_a_line_longer_than_the_limit_is_not_lost(tmp_path):
    run = a_run(tmp_path, log=b"x" * 100 + b"\nend\n")
    offset, seen = 0, b""
    while True:
        data, more = read_chunk(run, offset, 32, over=False)
        seen, offset = seen + data, offset + len(data)
        if not more:
            break
    assert seen == b"x" * 100 + b"\nend\n"


def test_a_log_that_is_not_there_yet_is_empty(tmp_path):
    run = Run(str(tmp_path))
    assert read_chunk(run, 0, 10, over=False) == (b"", False)
    assert last_lines(run, 10) == []
    assert log_age(None) is None


def test_a_log_that_is_a_link_is_not_followed(tmp_path):
    run = a_run(tmp_path)
    os.unlink(run.log)
    os.symlink("/etc/passwd", run.log)
    with pytest.raises(OSError):
        read_chunk(run, 0, 10, over=False)


def test_last_lines_leave_out_a_cut_one(tmp_path):
    run = a_run(tmp_path, log=b"first\nsecond\nthird\n")
    assert last_lines(run, 1000) == ["first", "second", "third"]
    assert last_lines(run, 10) == ["third"]


def test_the_age_of_a_log_counts_from_the_start_where_nothing_was_written(tmp_path):
    run = a_run(tmp_path)
    os.utime(run.log, (100, 100))
    assert log_age(run, now=250) == 150
    assert log_age(Run(run.path, {}, {"started": 200.0}), now=250) == 50


def test_the_last_run_is_the_one_that_started_last(tmp_path):
    assert find_run(str(tmp_path), "s") is None
    old, new = a_run(tmp_path, "20260101T000000Z"), a_run(tmp_path, "20260102T000000Z")
    # The newer folder was made, but its launcher never started.
    os.symlink(old.name, tmp_path / "runs" / "s" / "latest")
    assert find_run(str(tmp_path), "s").path == old.path
    assert find_run(str(tmp_path), "s", new.name).path == new.path


def test_a_damaged_record_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "run.json"
    assert read_json(str(path)) == {}
    for content in ("[]", "{", "\0"):
        path.write_text(content)
        with pytest.raises(FeatureError, match=r"run\.json"):
            read_json(str(path))


# --- processes -------------------------------------------------------------------------------------------------------


def test_a_process_is_known_by_its_start_too():
    own = read_process(os.getpid())
    assert own.parent == os.getppid()
    assert own.alive
    assert is_same(own, own.started)
    assert not is_same(own, own.started + 1)


def test_a_zombie_is_not_alive():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not read_process(child.pid).alive
    child.wait()
    assert read_process(child.pid) is None


def test_descendants():
    with subprocess.Popen(["sh", "-c", "sleep 100 & wait"], start_new_session=True) as shell:
        try:
            names, deadline = [], time.monotonic() + 60
            while names != ["sh", "sleep"] and time.monotonic() < deadline:  # until the shell's child has become sleep
                names = [process.name for process in below(all_processes(), [shell.pid])]
            assert names == ["sh", "sleep"]
        finally:
            os.killpg(shell.pid, 9)
    table = {pid: Process(pid, parent, 1, "S", "x") for pid, parent in ((1, 0), (5, 1), (7, 5), (8, 8))}
    assert [process.pid for process in below(table, [5])] == [5, 7]
    assert [process.pid for process in below(table, [8, 99])] == [8]


EDITOR = Process(77, 1, 1, "S", "vim")
PYTHON = Process(78, 1, 1, "S", "python")


@pytest.mark.parametrize(
    ("run", "trainer", "others", "state", "process"),
    [
        # What else somebody does in the session says nothing about a run that is on record ...
        (Run("/r", {}, {"started": 1.0}), None, (EDITOR,), "vanished", None),
        (Run("/r", {}, {"started": 1.0, "ended": 2.0, "exit_code": 0}), None, (EDITOR,), "succeeded", None),
        (Run("/r", {}, {"started": 1.0}), PYTHON, (EDITOR,), "running", PYTHON),
        # ... and is all there is to tell where none is.
        (None, None, (EDITOR,), "running", EDITOR),
        (None, None, (), "never started", None),
    ],
)
def test_what_else_lives_in_the_session(run, trainer, others, state, process):
    run_state = RunState(Session("s", True, (5,)), run, trainer, None, others)
    assert run_state.process == process
    assert run_state.alive == bool(trainer or others)  # in any case a second start would disturb it
    assert judge(observation(run_state, 1.0), 900).state == state
