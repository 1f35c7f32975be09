# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a health check takes, whatever the log holds: bounded memory, bounded work. In a process of its own, which the kernel limits."""

from __future__ import annotations

import json
import os
import resource
import time

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.info import look
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import ME

ASKED = {"session": "s", "sets": [], "stale_after": 900, "lines": 10, "history": True, "metrics": []}
SIZE = 8 << 20
FORMS = {
    "carriage returns": "\r",
    "line feeds": "\n",
    "backspaces": "\b",
    "one line": "x",
    "one line of words": "val loss a_b.c: ",
    "lines of one character": "x\r\nx\b",
    "states of a bar": "Epoch 3:  5%|x| 5/9 [loss=1.5]\r",
    "values": "Epoch 3\nf1=1\nloss: 0.5\n",
    "dictionaries": "{'loss': 1.5, 'epoch': 2}\n",
    "tracebacks": "Traceback (most recent call last):\n  x\nValueError: x\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_any_log_is_read_in_bounded_memory(tmp_path, text):
    ended = {"started": time.time() - 9, "ended": time.time(), "exit_code": 1, "boot_id": "x"}
    for number in range(2):
        run = tmp_path / "runs" / "s" / f"20260101T00000{number}Z"
        run.mkdir(parents=True)
        (run / "run.json").write_text("{}")
        (run / "state.json").write_text(json.dumps(ended))
        (run / "training.log").write_bytes((text * (SIZE // len(text))).encode())
    (tmp_path / "runs" / "s" / "latest").symlink_to(run.name)
    more, sentence = limited(lambda: look(ME, {**ASKED, "dir": str(tmp_path)})["sentence"])
    assert more < 64 << 10 and sentence.startswith("failed (exit code 1")


def limited(work):
    """KiB of memory that some work takes, and its result; a pattern that takes the square of a line's length is ended by the kernel."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found = work()
            os.write(writer, json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, found]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    return json.loads(data)
