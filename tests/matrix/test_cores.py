# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job with each version of ansible-core, from the built archive, on hosts with the oldest and the newest Python it supports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.matrix.combinations import CORES, NOTES, Core, controller_python, host_pythons
from tests.support.hosts import Host, Hosts
from tests.support.peers import address
from tests.support.waiting import wait_for

ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
# Trains nothing: what counts here is that it is sent, started, and followed to its end.
SCRIPT = "import sys\nprint('Epoch 1/1\\nloss: 0.5 - val_loss: 0.4', flush=True)\n"


class Controller:
    """An environment with one version of ansible-core and nothing else, and the archive's collection."""

    def __init__(self, core: Core, python: Path, collections: Path, scratch: Path) -> None:
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--python", python, scratch / "venv"], check=True)
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", scratch / "venv/bin/python"]
        subprocess.run([*install, f"ansible-core=={core.version}"], check=True)
        self.scratch = scratch
        keep = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        (scratch / "ansible.cfg").touch()
        self.environment = {
            **keep,
            "PATH": f"{scratch / 'venv/bin'}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(scratch / "ansible.cfg"),
            "ANSIBLE_HOME": str(scratch / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_CALLBACKS_ENABLED": "trainprep.features.feature_report",
            "ANSIBLE_DEPRECATION_WARNINGS": "true",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_NOCOLOR": "true",
        }
        self.log = (scratch / "log").open("w+")

    def inventory(self, hosts: Mapping[Path, Host]) -> None:
        """The hosts, each with its Python."""
        members = {
            host.name: {
                **host.variables, "ansible_python_interpreter": str(python), "prepare_features_peer_address": f"{address(host)}:22",
            }
            for python, host in hosts.items()
        }  # fmt: skip
        (self.scratch / "inventory.json").write_text(json.dumps({"all": {"hosts": members}}))

    def play(self, book: str, *arguments: str, **variables: Any) -> str:
        """What the run of a playbook of the collection said; it has to end well, without a deprecation."""
        command = ["ansible-playbook", "-i", "inventory.json", f"trainprep.features.{book}", "-e", json.dumps(variables), *arguments]
        done = subprocess.run(command, cwd=self.scratch, env=self.environment, check=False, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        assert "DEPRECAT" not in done.stdout, done.stdout
        return done.stdout


def changed(output: str) -> set[int]:
    return {int(number) for number in re.findall(r"changed=(\d+)", output)}


def files(hosts: Mapping[Path, Host], directory: str, kind: str) -> set[int]:
    """How many entries of a kind the hosts have there."""
    command = f"find {directory} -type {kind} -name '*.npz' 2>/dev/null | wc -l"
    return {int(host.run(command).stdout) for host in hosts.values()}


def start_hosts(hosts: Hosts, pythons: list[Path]) -> dict[Path, Host]:
    """A host for each Python, which lies there where it lies here, for all to execute."""
    started = {}
    for python in pythons:
        home = python.parents[1]
        mount = [] if home == Path("/usr") else ["--volume", f"{home}:{home}:ro"]
        host = hosts.start("matrix", args=mount, layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
        host.run(["chmod", "a+x", *map(str, home.parents)])
        started[python] = host
    return started


def version_of(host: Host, python: Path) -> str:
    """The version of a host's Python, asked as somebody who is not root."""
    return host.run([str(python), "-c", "import platform; print(platform.python_version())"], user="trainer").stdout.strip()


def main_job(controller: Controller, hosts: Mapping[Path, Host], source: Path) -> None:
    """Check, link, again, absent, upload, from one host to another, deploy, monitor."""
    controller.play("prepare_features", "--check", "--diff")
    assert files(hosts, "/data", "l") == {0}
    assert changed(controller.play("prepare_features")) == {1}
    assert files(hosts, "/data", "l") == {32}
    assert changed(controller.play("prepare_features")) == {0}
    controller.play("prepare_features", prepare_features_state="absent")
    assert files(hosts, "/data", "l") == {0}
    sets = [{"name": "clips", "target": "/data/clips", "arrays": ARRAYS, "source": str(source)}]
    uploaded = {"prepare_features_sets": sets, "prepare_features_search_roots": []}
    controller.play("prepare_features", **uploaded)
    assert files(hosts, "/data/clips", "f") == {4}
    # Each host in turn from another one, if there are two.
    shared = {**uploaded, "prepare_features_sets": [{**sets[0], "source": None}], "prepare_features_peers": "all"}
    for host in list(hosts.values())[: len(hosts) if len(hosts) > 1 else 0]:
        host.run("rm -r /data/clips")
        assert "received 4 features from" in controller.play("prepare_features", **shared)
        assert files(hosts, "/data/clips", "f") == {4}
    (controller.scratch / "train.py").write_text(SCRIPT)
    training = {**uploaded, "deploy_training_script": "train.py", "deploy_training_virtualenv": "", "deploy_training_args": []}
    assert "started in tmux session" in controller.play("deploy_training", **training)
    for host in hosts.values():
        ended = "grep -q exit_code /home/ubuntu/emotion_recognition/runs/*/latest/state.json"
        wait_for(lambda host=host, ended=ended: host.run(ended, check=False).returncode == 0, "the training's end")
    said = controller.play("monitor_training")
    assert said.count("feature files found: 4") == len(hosts) and said.count("succeeded") >= len(hosts)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four features to upload."""
    folder = tmp_path_factory.mktemp("source")
    layout = Path(__file__).parents[1] / "support/layout.py"
    subprocess.run([sys.executable, layout, "--features", folder, "--crema-d", "4"], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.mark.parametrize("core", [core for core in CORES if controller_python(core)], ids=lambda core: core.series)
def test_main_job(core: Core, hosts: Hosts, collections: Path, source: Path, tmp_path: Path, note: Callable[..., None]) -> None:
    python = controller_python(core)
    assert python
    controller = Controller(core, python, collections, tmp_path)
    started = start_hosts(hosts, host_pythons(core))
    controller.inventory(started)
    result = "fails"
    try:
        main_job(controller, started, source)
        result = "passes"
    except AssertionError as error:
        if core.is_final:
            raise
        # Not out yet: what it says is for information.
        print(error)
    finally:
        note(core.series, python=python.name, hosts=[version_of(host, path) for path, host in started.items()], result=result)
        if not core.is_final:
            (NOTES / f"{core.series}.told").write_text(f"ansible-core {core.version}, not out yet: {result}")
        for host in started.values():
            host.remove()
            hosts.started.remove(host)
