# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tutorial, done as a reader does it: each file is written, each command runs, and the page shows what is printed.

With TRAINPREP_TUTORIAL=write in the environment the page is written anew instead of compared.
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from dataclasses import dataclass

import pytest

from tests.support.hosts import REPOSITORY

PAGE = REPOSITORY / "docs" / "docsite" / "rst" / "tutorial.rst"
FOLDER = ".build/tutorial"
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:    :.*\n)*)\n((?:(?:    .*)?\n)+)", re.MULTILINE)

# What Ansible says of each task, and how far an upload is; what differs from run to run.
TASKS = re.compile(r"(PLAY|TASK) \[.*\]|(ok|changed|skipping): \[[\w-]+\]$|included: |gpu-2: speech: +\d+%")
VARIES = re.compile(r"loss|MB/s|process \d|checkpoint|^ +(run|epoch|memory|disk): |ok=\d")
# What these commands print before is on the page already, or depends on how far the training is.
BEGINS = {"deploy_training.yml": re.compile(r"^ok: \[", re.MULTILINE), "follow=true": re.compile(r"^Epoch 1/", re.MULTILINE)}


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


def make(*words):
    done = subprocess.run(["make", "--no-print-directory", *words], cwd=REPOSITORY, check=False, capture_output=True, text=True,
                          env={**os.environ, "TRAINPREP_TUTORIAL": FOLDER + "-test"})
    assert done.returncode == 0, done.stderr


@pytest.fixture
def start_and_clean():
    """The page's own commands, on hosts of the test's own."""
    yield {"make tutorial": lambda: make("tutorial")}
    make("tutorial-clean")


def run(command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"PATH": f"{REPOSITORY / '.venv/bin'}:{environment['PATH']}", "ANSIBLE_NOCOLOR": "1",
                    "ANSIBLE_HOME": str(REPOSITORY / ".build" / "ansible")}
    done = subprocess.run(["bash", "-c", command.replace(FOLDER, FOLDER + "-test")], cwd=REPOSITORY, env=environment, check=False,
                          text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return shown(command, done.stdout).replace(FOLDER + "-test", FOLDER)


def test_each_command_prints_what_the_page_shows(start_and_clean):
    page, written = PAGE.read_text(), []
    by_hand = {"git clone", "cd trainprep-features", "make setup", "source .venv/bin/activate", "make tutorial-clean"}
    for block in blocks(page):
        if block.caption:
            path = REPOSITORY / block.caption.replace(FOLDER, FOLDER + "-test")
            path.write_text(block.text.replace(FOLDER, FOLDER + "-test"))
        if block.language != "console":
            continue
        text = ""
        for command, expected in commands(block.text):
            text += f"$ {command}\n"
            if command in start_and_clean:
                start_and_clean[command]()
            elif not any(command.startswith(words) for words in by_hand):
                output = run(command)
                text += f"{output}\n"
                if os.environ.get("TRAINPREP_TUTORIAL") != "write":
                    assert comparable(output) == comparable(expected), command
        written.append((block, text))
    if os.environ.get("TRAINPREP_TUTORIAL") == "write":
        for block, text in reversed(written):
            page = page[: block.start] + textwrap.indent(text, "    ") + "\n" + page[block.end :]
        PAGE.write_text(page.rstrip("\n") + "\n")
