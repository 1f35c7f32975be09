# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test that hits its time limit leaves no process behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import waiting

BIN = Path(sys.executable).parent
# Each process of the tree starts the next one in a session of its own, as Ansible starts its workers, and waits for it.
TREE = """
import subprocess, sys
depth = int(sys.argv[1])
words = [sys.executable, "-c", sys.argv[2], str(depth - 1), sys.argv[2]] if depth else ["sleep", "987"]
sys.exit(subprocess.Popen(words, start_new_session=True).wait())
"""
# Three hosts at once.
PLAY = "- {hosts: all, gather_facts: false, tasks: [{ansible.builtin.command: sleep 987}]}\n"
LOCAL = ("-i", "one,two,three,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}")


def marked(mark):
    """The processes with a text in their environment, as /proc/PID/stat has them, zombies left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append((path.parent / "stat").read_text())
        except OSError:
            continue
    return [stat for stat in found if ") Z " not in stat]


@pytest.mark.parametrize(
    ("command", "sleepers", "least"),
    [
        ([sys.executable, "-c", TREE, "3", TREE], 1, 5),
        ([BIN / "ansible-playbook", *LOCAL, "play.yml"], 3, 7),
    ],
    ids=["tree", "ansible"],
)
def test_a_time_limit_ends_all_processes_of_the_tree(command, sleepers, least, tmp_path, monkeypatch):
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "ansible.cfg").touch()
    mark = f"OF_THE_TREE={tmp_path}"
    settings = {"ANSIBLE_HOME": tmp_path, "ANSIBLE_CONFIG": tmp_path / "ansible.cfg", "OF_THE_TREE": tmp_path}
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    seen = []

    def expire(*_given, **_more):
        """The limit is reached once all processes run."""
        waiting.wait_for(lambda: sum("(sleep)" in stat for stat in marked(mark)) == sleepers, "the tree")
        seen.extend(marked(mark))
        raise subprocess.TimeoutExpired("it", 0)

    monkeypatch.setattr(subprocess.Popen, "communicate", expire)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.run(command, env=environment, cwd=tmp_path)
    sessions = {stat.rpartition(")")[2].split()[3] for stat in seen}
    assert len(seen) >= least and len(sessions) > sleepers
    waiting.wait_for(lambda: not marked(mark), "the kernel to end them", pause=0.02)


def test_a_limit_is_one():
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.run(["sleep", "987"], seconds=0)
    done = waiting.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.returncode, done.stdout) == (3, "out\nerr\n")


def test_a_test_that_fails_ends_what_it_started():
    with pytest.raises(ZeroDivisionError), waiting.background(["sleep", "987"]) as process:
        raise ZeroDivisionError
    assert process.returncode == -9


def test_waits_until_it_is_there():
    found = []
    threading.Timer(0.1, lambda: found.append("it")).start()
    assert waiting.wait_for(lambda: found, "it", pause=0.01) == ["it"]
    with pytest.raises(AssertionError, match="in vain: that"):
        waiting.wait_for(lambda: False, "that", seconds=0)
