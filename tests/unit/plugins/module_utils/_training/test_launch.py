# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._training.environment import find_virtualenv
from ansible_collections.trainprep.features.plugins.module_utils._training.lifetime import (
    STAY,
    SYSTEM,
    USER,
    Logind,
    decide,
    parse_logind,
)
from ansible_collections.trainprep.features.plugins.module_utils._training.tmux import find_servers
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._training.command import (
    ANY_SHELL,
    pack_environment,
    parse_command,
    program_of,
    show_parsed,
)

LAUNCHER = Path(__file__).resolve().parents[5] / "roles" / "deploy_training" / "files" / "launcher.py"


@pytest.fixture(scope="module")
def launcher():
    """The launcher as a module."""
    spec = importlib.util.spec_from_file_location("launcher", LAUNCHER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "arguments", "argv"),
    [
        (None, ["x"], []),
        ("", ["x"], []),
        (" \n", ["x"], []),
        ([], ["x"], []),
        (["torchrun", "--nnodes", 2], ["x y"], ["torchrun", "--nnodes", "2", "x y"]),
        ("torchrun train.py", [], ["/bin/sh", "-c", ANY_SHELL, "torchrun train.py"]),
        ("cd src && python a.py\n", ["x y"], ["/bin/sh", "-c", ANY_SHELL, 'cd src && python a.py "$@"', "x y"]),
    ],
)
def test_commands(raw, arguments, argv):
    assert parse_command(raw, "command", arguments) == argv


@pytest.mark.parametrize(("path", "code"), [("/usr/bin:/bin", 1), ("", 0)], ids=["bash", "sh"])
def test_a_text_is_for_any_shell(tmp_path, path, code):
    (tmp_path / "sh").symlink_to("/bin/sh")
    command = parse_command("printf '%s.' \"$A\" && false | :", "v", ["two words", "x"])
    command[-3] = command[-3].replace(":", 'printf "%s." "$@" #')
    done = subprocess.run(command, env={"A": "a", "PATH": path or str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("a.two words.x.", code)


def test_a_command_for_people():
    assert show_parsed("torchrun train.py\n", ["a b"]) == "torchrun train.py 'a b'"
    assert show_parsed(["a b", "c"], ["d"]) == "'a b' c d"


@pytest.mark.parametrize("raw", [{"a": 1}, 3, [["a"]], ["", "x"], "a\0b", ["a\0"]])
def test_commands_that_cannot_be_meant(raw):
    with pytest.raises(FeatureError, match=r"^on_end"):
        parse_command(raw, "on_end")


@pytest.mark.parametrize(
    ("raw", "program"),
    [
        (None, ""), ("", ""), ("torchrun x", "torchrun"), ("A=1 x", ""), ("$X y", ""), ("(a; b)", ""), (["a b", "c"], "a b"),
        ("./run.sh", "./run.sh"),
    ],
)
def test_the_program_of_a_command(raw, program):
    assert program_of(raw) == program


def test_the_configured_environment():
    assert pack_environment({"A": 1, "B": "x"}) == '{"variables": {"A": "1", "B": "x"}}'
    for raw in ("A=1", [1], {"A": "a\0b"}):
        with pytest.raises(FeatureError, match=r"^environment"):
            pack_environment(raw)


# --- the lifetime ----------------------------------------------------------------------------------------------------

SESSION = "/user.slice/user-1000.slice/session-3.scope"
KILLS = Logind(kills=True)


@pytest.mark.parametrize(
    ("cgroup", "logind", "privileged", "lingers", "owner", "place"),
    [
        ("", KILLS, True, False, "", STAY),
        ("/", KILLS, True, False, "", STAY),
        (SESSION, Logind(), True, False, "ubuntu", STAY),
        (SESSION, KILLS, True, False, "ubuntu", SYSTEM),
        (SESSION, KILLS, True, True, "ubuntu", SYSTEM),
        (SESSION, KILLS, False, True, "ubuntu", USER),
        (SESSION, KILLS, False, False, "ubuntu", None),
        (SESSION, KILLS, True, False, "root", STAY),
        (SESSION, Logind(only=("ubuntu",)), True, False, "ubuntu", SYSTEM),
        (SESSION, Logind(kills=True, only=("other",)), True, False, "ubuntu", STAY),
        (SESSION, Logind(kills=True, exclude=("ubuntu",)), False, False, "ubuntu", STAY),
        (SESSION, Logind(kills=True, exclude=("ubuntu",)), True, False, "root", SYSTEM),
        ("/system.slice/ssh.service", Logind(), True, False, "", SYSTEM),
        ("/system.slice/pull.service", KILLS, False, True, "", USER),
        ("/system.slice/pull.service", KILLS, False, False, "", STAY),
        ("/system.slice/trainprep-x-1.scope", KILLS, True, False, "", STAY),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/tmux.service", KILLS, False, True, "ubuntu", STAY),
    ],
)
def test_where_a_session_has_to_go(cgroup, logind, privileged, lingers, owner, place):
    assert decide(cgroup, logind, privileged, lingers, owner) == place


def test_what_logind_says():
    assert parse_logind('b true\nas 0\nas 1 "root"\nb true\n') == Logind(True, (), ("root",), True)
    assert parse_logind('b false\nas 2 "a" "b"\nas 0\nb false\n') == Logind(False, ("a", "b"), (), False)
    assert parse_logind("") == Logind()


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
        # Where others may rename folders a server could be theirs.
        tmp_path.chmod(0o777)
        assert own not in find_servers(account)
    finally:
        for one in listening:
            one.close()


# --- environments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["conda-meta/", "bin/activate", "pyvenv.cfg"])
def test_an_environment_is_one_that_can_be_activated(tmp_path, mark):
    account = find_account(str(os.getuid()))
    with pytest.raises(FeatureError, match="neither a virtual environment"):
        find_virtualenv(str(tmp_path), account)
    path = tmp_path / mark
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if mark.endswith("/") else path.write_text("")
    assert find_virtualenv(f"{tmp_path}/", account) == str(tmp_path)


def test_what_pam_reads(launcher):
    text = "# a comment\nPATH=\"/a:/b\"\nexport LANG=C.UTF-8\nBROKEN LINE\nEMPTY=\nQ='x y'\n1X=2\n"
    assert launcher.parse_assignments(text) == {"PATH": "/a:/b", "LANG": "C.UTF-8", "EMPTY": "", "Q": "x y"}


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
def test_whatever_ends_an_activation_the_training_comes_after_it(launcher, tmp_path, shell, last):
    first, second = tmp_path / "it's first", tmp_path / "second"
    first.write_text("[ $# = 0 ] && export SEEN=yes\n")
    second.write_text(last + "\n")
    code = launcher.ACTIVATE % ("'exec env'", "exec env")
    done = subprocess.run([shell, "-c", code, "launcher", str(first), str(second)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "SEEN=yes\n" in done.stdout, done
