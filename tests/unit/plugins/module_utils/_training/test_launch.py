# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._training import checkpoints
from ansible_collections.trainprep.features.plugins.module_utils._training.tmux import find_servers
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._training.order import (
    parse_command,
    parse_environment,
    parse_memory,
    show_parsed,
)

SHIPPED = Path(checkpoints.__file__).parent  # what the launcher finds beside itself on the host
FILES = Path(__file__).resolve().parents[5] / "roles" / "deploy_training" / "files"


def load(name):
    """A program of the role as a module."""
    sys.path.insert(0, str(SHIPPED))
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(SHIPPED))
    return module


@pytest.fixture(scope="module")
def launcher():
    return load("launcher")


@pytest.fixture(scope="module")
def old_runs():
    return load("old_runs")


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        (None, ([], "")),
        ("", ([], "")),
        (" \n", ([], "")),
        ([], ([], "")),
        (["torchrun", "--nnodes", 2], (["torchrun", "--nnodes", "2"], "")),
        ("cd src && python a.py\n", ([], "cd src && python a.py")),
    ],
)
def test_commands(raw, parsed):
    assert parse_command(raw, "command") == parsed


def test_a_command_for_people():
    assert show_parsed([], "torchrun train.py", ["a b"]) == "torchrun train.py 'a b'"
    assert show_parsed(["a b", "c"], "", ["d"]) == "'a b' c d"


@pytest.mark.parametrize("raw", [{"a": 1}, 3, [["a"]], ["", "x"], "a\0b", ["a\0"]])
def test_commands_that_cannot_be_meant(raw):
    with pytest.raises(FeatureError, match=r"^on_end"):
        parse_command(raw, "on_end")


def test_the_configured_environment():
    assert parse_environment({"A": 1, "B": "x"}) == {"A": "1", "B": "x"}
    for raw in ("A=1", [1], {"A": "a\0b"}):
        with pytest.raises(FeatureError, match=r"^environment"):
            parse_environment(raw)


@pytest.mark.parametrize(("raw", "mib"), [
    (None, 0), ("", 0), (20000, 20000), ("20000", 20000), ("20 GiB", 20480), ("20G", 20480), ("0.5g", 512), ("512 MiB", 512),
    ("1TB", 1 << 20),
])  # fmt: skip
def test_amounts_of_memory(raw, mib):
    assert parse_memory(raw) == mib


@pytest.mark.parametrize("raw", ["much", "-1", "20 GiB each", "1e3"])
def test_amounts_of_memory_that_cannot_be_meant(raw):
    with pytest.raises(FeatureError, match=r"^require_gpu_memory"):
        parse_memory(raw)


# --- the shell of a command that is a text ---------------------------------------------------------------------------


def run_of(tmp_path, **record):
    """A run's folder as the launcher sees it."""
    return {"login_shell": False, "virtualenv": "", "cwd": str(tmp_path), "text": "", "arguments": [], "command": [], **record}


def run_text(launcher, tmp_path, monkeypatch, text, arguments=(), environment=None, **record):
    """Run a text as the launcher does; return what its log holds and its exit code."""
    monkeypatch.setattr(launcher, "RUN", str(tmp_path))
    run = run_of(tmp_path, text=text, arguments=list(arguments), **record)
    command = launcher.training_command(run, environment or {})
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], **(environment or {})}, capture_output=True, text=True, check=False)
    (tmp_path / "start.sh").unlink()
    assert done.stdout in ("", "noise\n"), done  # which the launcher throws away
    log = tmp_path / "training.log"
    return log.read_text() if log.exists() else "", done.returncode


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
@pytest.mark.parametrize(("text", "arguments", "log", "code"), [
    ("printf '%s.' \"$A\"", ["two words", "x"], "a $HOME.two words.x.", 0),
    ("unset A && printf '%s.' \"${A:-none}\"", [], "none.", 0),
    ("exit 5", [], "", 5),
    ("cd / && pwd", [], "/\n", 0),
], ids=["arguments", "builtin", "exit", "cd"])  # fmt: skip
def test_a_text_is_run_by_a_shell(launcher, tmp_path, monkeypatch, shell, text, arguments, log, code):
    monkeypatch.setattr(launcher, "login_shell", lambda run: ([shell, "-c"], ""))
    assert run_text(launcher, tmp_path, monkeypatch, text, arguments, {"A": "a $HOME"}) == (log, code)


def test_a_pipe_fails_with_any_of_its_parts(launcher, tmp_path, monkeypatch):
    assert run_text(launcher, tmp_path, monkeypatch, "false | cat")[1] == 1


def test_a_missing_program_is_the_message_of_the_shell(launcher, tmp_path, monkeypatch):
    log, code = run_text(launcher, tmp_path, monkeypatch, "no-such-program --x")
    assert code == 127 and "no-such-program: command not found" in log


def test_functions_of_the_profile_are_known_and_what_it_prints_is_not_the_trainings(launcher, tmp_path, monkeypatch):
    (tmp_path / ".bash_profile").write_text("module() { echo \"loaded $2\"; }\nPATH=/usr/bin:/bin\nKEPT=profile\nexport KEPT\necho noise\n")
    environment = {"HOME": str(tmp_path), "KEPT": "configured"}
    log = run_text(launcher, tmp_path, monkeypatch, "module load cuda && echo $KEPT", (), environment, login_shell=True)
    assert log == ("loaded cuda\nconfigured\n", 0)


# --- tmux's servers --------------------------------------------------------------------------------------------------


def test_servers_are_found_wherever_they_listen_and_only_the_users_own(tmp_path):
    account = find_account(str(os.getuid()))
    tmp_path.chmod(0o700)
    listening = []
    for folder in (f"tmux-{account.uid}", "tmux-99999", "other"):
        (tmp_path / folder).mkdir(mode=0o700)
        listening.append(socket.socket(socket.AF_UNIX))
        listening[-1].bind(str(tmp_path / folder / "default"))
        listening[-1].listen()
    try:
        own = str(tmp_path / f"tmux-{account.uid}" / "default")
        assert own in find_servers(account)
        assert not {str(tmp_path / "tmux-99999" / "default"), str(tmp_path / "other" / "default")} & set(find_servers(account))
        if account.uid == 0:
            # In a sticky folder of the user's another user may listen.
            os.chmod(tmp_path / f"tmux-{account.uid}", 0o1777)
            os.chown(own, 4242, 4242)
            assert own not in find_servers(account)
            os.chown(own, 0, 0)
            assert own in find_servers(account)
        # Where others may rename folders a server could be theirs.
        tmp_path.chmod(0o777)
        assert own not in find_servers(account)
    finally:
        for one in listening:
            one.close()


# --- environments ----------------------------------------------------------------------------------------------------


def test_the_activation_of_each_kind(launcher, tmp_path):
    venv, conda, bare = (str(tmp_path / name) for name in ("venv", "envs/conda", "bare"))
    for path in (f"{venv}/bin", f"{conda}/conda-meta", f"{conda}/etc/conda/activate.d", f"{conda}/bin", f"{bare}/bin"):
        Path(path).mkdir(parents=True)
    Path(venv, "bin", "activate").write_text("")
    Path(conda, "bin", "activate").write_text("")
    Path(conda, "conda-meta", "state").write_text('{"env_vars": {"A": "1", "B": "***unset***"}}')
    for name in ("b.sh", "a.sh", "c.csh"):
        Path(conda, "etc/conda/activate.d", name).write_text("")
    assert launcher.activation(venv) == ({}, "", [f"{venv}/bin/activate"])
    assert launcher.activation(bare) == ({"VIRTUAL_ENV": bare}, f"{bare}/bin", [])
    assert launcher.activation(conda) == (
        {"CONDA_PREFIX": conda, "CONDA_DEFAULT_ENV": "conda", "CONDA_SHLVL": "1", "A": "1"},
        f"{conda}/bin",
        [f"{conda}/etc/conda/activate.d/a.sh", f"{conda}/etc/conda/activate.d/b.sh"],
    )


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
@pytest.mark.parametrize("last", ["false", "exit 7", "set -e; false", "set -u; echo $NOT_SET", "return 3", "x ("])
def test_whatever_ends_an_activation_the_training_comes_after_it(launcher, tmp_path, monkeypatch, shell, last):
    environment = tmp_path / "it's an environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "activate").write_text("[ $# = 0 ] && export SEEN=yes\n" + last + "\n")
    monkeypatch.setattr(launcher, "login_shell", lambda run: ([shell, "-c"], ""))
    text = run_text(launcher, tmp_path, monkeypatch, "echo seen $SEEN", virtualenv=str(environment))
    assert text[0].endswith("seen yes\n") and text[1] == 0, text
    monkeypatch.setattr(os, "access", lambda path, mode, real=os.access: real(path, mode) and path != {"/bin/sh": "/bin/bash"}.get(shell))
    command = launcher.training_command(run_of(tmp_path, virtualenv=str(environment), command=["env"]), {})
    assert command[0] == shell
    subprocess.run(command, env={"PATH": os.environ["PATH"]}, check=True)
    assert "SEEN=yes\n" in (tmp_path / "training.log").read_text()


# --- how runs differ -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "now", "changes"), [
    ({}, {}, []),
    ({"arguments": ["--lr", "0.05"]}, {"arguments": ["--lr", "0.01"]}, ["--lr 0.05 → 0.01"]),
    ({"arguments": ["--lr=0.05", "--shift", "-1"]}, {"arguments": ["--lr", "0.05", "--shift", "-2"]}, ["--shift -1 → -2"]),
    ({"arguments": ["--dirs", "a", "b", "--amp"]}, {"arguments": ["--dirs", "a", "c", "--seed", "3"]},
     ["without --amp", "--dirs a b → a c", "with --seed 3"]),
    ({"arguments": ["a"]}, {"arguments": ["b"]}, ["a → b"]),
    ({"text": "torchrun a.py"}, {"text": "torchrun b.py"}, ["command torchrun a.py → torchrun b.py"]),
    ({"commit": "a" * 40}, {"commit": "b" * 40, "dirty": True}, ["commit aaaaaaaaaaaa → bbbbbbbbbbbb", "uncommitted changes"]),
    ({"data": {"digest": "1" * 64}}, {"data": {"digest": None}}, ["data 111111111111 → (none)"]),
    ({"script_sha256": "1"}, {"script_sha256": "2"}, ["another script"]),
    ({"arguments": None, "data": "odd"}, {"data": []}, []),
])  # fmt: skip
def test_what_changed_against_the_run_before(old_runs, before, now, changes):
    assert old_runs.changes(before, now) == changes
