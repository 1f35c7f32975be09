# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and passwords, handed in by every way that is documented, show nowhere: output at its most verbose, reports, processes, files."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import fault_cases
from tests.support.fault_cases import feature, one_set
from tests.support.fault_trainings import command_lines
from tests.support.faults import Tally
from tests.support.hosts import REPOSITORY
from tests.support.layout import crema_d_names
from tests.support.waiting import background, limit, wait_for

KEY, SECRET, PASSWORD, TOKEN = "AKIAFAULTKEY0001", "faultsecretvalue0123456789", "faultbecomepassword77", "faulttrackingtoken4711"
BIN = REPOSITORY / ".venv" / "bin"


@contextlib.contextmanager
def store(place: Path) -> Iterator[dict[str, str]]:
    """An object store on loopback; what rclone has to be told about it."""
    for name in crema_d_names(3):
        feature(place / "store" / "bucket" / "w" / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([str(BIN / "rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}",
                                str(place / "store")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_for(lambda: answers(port), "an answer of rclone", pause=0.05)
        yield {
            "RCLONE_CONFIG_STORE_TYPE": "s3",
            "RCLONE_CONFIG_STORE_PROVIDER": "Rclone",
            "RCLONE_CONFIG_STORE_ENDPOINT": f"http://127.0.0.1:{port}",
            "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": KEY,
            "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": SECRET,
        }
    finally:
        process.terminate()
        process.wait(timeout=limit(30))


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def play(place: Path, book: str, variables: Mapping[str, Any], environment: Mapping[str, str], secrets: list[str], tried: Tally) -> str:
    """Runs a playbook on this machine at the highest verbosity, and looks into all process lists meanwhile."""
    file = place / "variables.json"
    file.write_text(json.dumps({**variables, "ansible_python_interpreter": sys.executable}))
    output = place / "output"
    command = [str(BIN / "ansible-playbook"), "-i", "localhost,", "-c", "local", "-vvvvvv", "--diff", book, "-e", f"@{file}"]
    settings = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOG_PATH": str(place / "ansible.log"),
                "PATH": f"{BIN}:{os.environ['PATH']}", **environment}  # fmt: skip
    seen = ""
    with output.open("w") as stream, background(
        command, cwd=REPOSITORY, stdout=stream, stderr=subprocess.STDOUT, env=settings
    ) as process:
        while process.poll() is None:
            # The store's own command line aside.
            seen += "\n".join(" ".join(words) for _pid, words in command_lines()).replace(f"{KEY},{SECRET}", "")
            time.sleep(0.05)
    tried.runs += 1
    said = output.read_text(errors="replace") + (place / "ansible.log").read_text(errors="replace")
    file.unlink()
    for secret in secrets:
        tried.check(secret not in said, f"{secret} is in the output: {around(said, secret)}")
        tried.check(secret not in seen, f"{secret} is in a process list: {around(seen, secret)}")
    return f"{process.returncode} {said}"


def around(text: str, secret: str) -> str:
    at = text.find(secret)
    return text[max(0, at - 200) : at]


def in_files(place: Path, secret: str) -> list[str]:
    """Files below a directory that hold it."""
    found = []
    for path in fault_cases.everything(place):
        if path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes():
            found.append(str(path.relative_to(place)))
    return found


@pytest.mark.parametrize("right", [True, False], ids=["right key", "wrong key"])
def test_the_keys_of_a_store(right, place, tally):
    tried = tally("Secrets: keys of an object store and passwords, in output, reports, processes, files")
    variables = {
        "prepare_features_sets": [one_set(place, source="store:bucket/w")],
        "prepare_features_search_roots": [],
        "prepare_features_become": False,
        "prepare_features_report_dir": f"{place}/report",
        "ansible_become_password": PASSWORD,
        "ansible_password": PASSWORD,
    }
    with store(place) as environment:
        if not right:
            environment["RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY"] = SECRET[::-1]
        secrets = [KEY, environment["RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY"], PASSWORD]
        said = play(place, "prepare_features.yml", variables, environment, secrets, tried)
    tried.check(said.startswith("0 ") == right, f"it ended with {said[:2]}: {said[-600:]}")
    for secret in secrets:
        tried.equal(in_files(place, secret), [], f"files that hold {secret}")


def test_the_environment_of_a_training(place, tally):
    """A token for tracking: only what the launcher reads, and nobody else can, holds it."""
    tried = tally("Secrets: a token in a training's environment")
    script = place / "train.py"
    script.write_text("import os\nprint('Epoch 1/1', len(os.environ['TRACKING_TOKEN']))\n")
    variables = {
        "prepare_features_sets": [one_set(place, required=False)],
        "prepare_features_search_roots": [],
        "prepare_features_become": False,
        "prepare_features_require_ready": False,
        "deploy_training_script": str(script),
        "deploy_training_dir": f"{place}/work",
        "deploy_training_session": f"secret{os.getpid()}",
        "deploy_training_virtualenv": "",
        "deploy_training_args": [],
        "deploy_training_environment": {"TRACKING_TOKEN": TOKEN},
    }
    feature(place / "data" / "w" / "a.npz")
    said = play(place, "deploy_training.yml", variables, {}, [TOKEN], tried)
    tried.check(said.startswith("0 "), f"it failed: {said[-800:]}")
    holding = [place / name for name in in_files(place, TOKEN)]
    tried.check({path.name for path in holding} <= {"launcher.py", "environment.json"}, f"files that hold it: {holding}")
    tried.check(all(path.stat().st_mode & 0o077 == 0 for path in holding), f"others can read {holding}")
