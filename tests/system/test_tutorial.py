# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tutorial, done as a reader does it: each file is written, each command runs, and the page shows what is printed.

Once in the clone, and once in a project that has the installed archive and the README's ansible.cfg. With TRAINPREP_TUTORIAL=write in the
environment, the clone's output is written to the page instead of compared.
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.hosts import REPOSITORY
from tests.support.installed import BIN, install_collection, readme_config, user_environment
from tests.support.waiting import run

PAGE = REPOSITORY / "docs" / "docsite" / "rst" / "tutorial.rst"
FOLDER = ".build/tutorial"
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:    :.*\n)*)\n((?:(?:    .*)?\n)+)", re.MULTILINE)

# What Ansible says of each task, and how far an upload is; what differs from run to run.
TASKS = re.compile(r"(PLAY|TASK) \[.*\]|(ok|changed|skipping): \[[\w-]+\]$|included: |gpu-2: speech: +\d+%")
VARIES = re.compile(r"loss|MB/s|process \d|checkpoint|^ +(run|epoch|memory|disk): |ok=\d")
# What these commands print before is on the page already, or depends on how far the training is.
BEGINS = {"deploy_training ": re.compile(r"^ok: \[", re.MULTILINE), "follow=true": re.compile(r"^Epoch 1/", re.MULTILINE)}


@dataclass
class Block:
    """One code block of the page: where its text stands, and the text."""

    start: int
    end: int
    language: str
    caption: str
    text: str


def blocks(page):
    for match in BLOCK.finditer(page):
        caption = re.search(r":caption: (.*)", match[2])
        yield Block(match.start(3), match.end(3), match[1], caption[1] if caption else "", textwrap.dedent(match[3]))


def commands(text):
    """The commands of a console block, each with the output that follows it."""
    parts = re.split(r"^\$ (.*)\n", text.rstrip("\n") + "\n", flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2]))


def shown(command, output):
    """What the page shows of an output."""
    lines = [line.rstrip() for line in output.splitlines() if not TASKS.match(line)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    for words, beginning in BEGINS.items():
        if words in command:
            text = "...\n" + text[beginning.search(text).start() :]
    return text


def comparable(output):
    """Lines without what differs from run to run; in which order the hosts answer is not to matter."""
    lines = [re.sub(r"commit: \w+", "commit: C", line) for line in output.splitlines() if line]
    return sorted(re.sub(r"\d[\d.:]*", "N", line) if VARIES.search(line) else line for line in lines)


@dataclass
class Reader:
    """Where a reader works. C(folder): what the page calls .build/tutorial, below C(top)."""

    top: Path
    folder: str
    environment: dict[str, str]

    def make(self, target):
        done = subprocess.run(["make", "--no-print-directory", target], cwd=REPOSITORY, check=False, capture_output=True, text=True,
                              env={**os.environ, "TRAINPREP_TUTORIAL": str(self.top / self.folder)})
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def write(self, path, text):
        (self.top / path.replace(FOLDER, self.folder)).write_text(text.replace(FOLDER, self.folder))

    def run(self, command):
        done = run(["bash", "-c", command.replace(FOLDER, self.folder)], cwd=self.top, env=self.environment, seconds=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return shown(command, done.stdout).replace(self.folder, FOLDER)


def in_the_clone(_short_path, _tmp_path):
    """In a folder of the test's own: a user's tutorial may be in the other."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"PATH": f"{BIN}:{environment['PATH']}", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(REPOSITORY / ".build" / "ansible")}
    return Reader(REPOSITORY, FOLDER + "-test", environment)


def in_a_project(short_path, tmp_path):
    (short_path / "home").mkdir()
    (short_path / "ansible.cfg").write_text(readme_config())
    install_collection(short_path, tmp_path)
    return Reader(short_path, FOLDER, user_environment(short_path / "home"))


@pytest.fixture(params=[in_the_clone, in_a_project], ids=["clone", "project"])
def reader(request, short_path, tmp_path):
    one = request.param(short_path, tmp_path)
    yield one
    one.make("tutorial-clean")


def test_each_command_prints_what_the_page_shows(reader):
    page, written = PAGE.read_text(), []
    write = os.environ.get("TRAINPREP_TUTORIAL") == "write" and reader.top == REPOSITORY
    by_hand = {"git clone", "cd trainprep-features", "make setup", "source .venv/bin/activate", "make tutorial-clean"}
    for block in blocks(page):
        if block.caption:
            reader.write(block.caption, block.text)
        if block.language != "console":
            continue
        text = ""
        for command, expected in commands(block.text):
            text += f"$ {command}\n"
            if command == "make tutorial":
                said = reader.make("tutorial")
                assert said[0].startswith("Starting two sample hosts") and said[-1].startswith("Done: gpu-1 and gpu-2 answer")
            elif not any(command.startswith(words) for words in by_hand):
                output = reader.run(command)
                text += f"{output}\n"
                assert write or comparable(output) == comparable(expected), command
        written.append((block, text))
    if write:
        for block, text in reversed(written):
            page = page[: block.start] + textwrap.indent(text, "    ") + "\n" + page[block.end :]
        PAGE.write_text(page.rstrip("\n") + "\n")
