# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying a training on hosts that people live on: their shells, tmux, environments, and many runs."""

from __future__ import annotations

import json

import pytest

from tests.support import trainings
from tests.support.trainings import WORK, monitor, said, state
from tests.support.waiting import wait_for

SHOW = "import os, sys\nprint('PYTHON', sys.executable)\nfor name, value in sorted(os.environ.items()):\n    print(name + '=' + value)\n"
LIVES = "import time\nprint('Epoch 1/9', flush=True)\ntime.sleep(900)\n"


@pytest.fixture(scope="module")
def host(start_host):
    started = start_host("hosts", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    started.run("python3 -m venv --without-pip /opt/pytorch")
    return started


@pytest.fixture(scope="module")
def deploy(host, play, tmp_path_factory):
    """``deploy(program, session, rc=0, **options)``."""
    folder = tmp_path_factory.mktemp("scripts")

    def run(program, session, rc=0, **options):
        if program:
            (folder / f"{session}.py").write_text(program)
            options["script"] = str(folder / f"{session}.py")
        return trainings.deploy(play, host, rc, session=session, **options)

    return run


def log_of(host, session):
    wait_for(lambda: "ended" in state(host, session), "the end")
    return host.run(["cat", f"{WORK}/runs/{session}/latest/training.log"]).stdout


def test_the_environment_is_that_of_a_login_whatever_server_runs(host, deploy):
    host.run("echo 'export FROM_PROFILE=yes; echo noise; printf more' >> ~/.profile", user="ubuntu")
    host.run("echo 'LANG=\"C.UTF-8\"\nFROM_PAM=yes' >> /etc/environment")
    leaks = "CUDA_VISIBLE_DEVICES=3 PYTHONPATH=/tmp/evil LD_LIBRARY_PATH=/tmp/evil"
    host.run(f"cd ~ && env {leaks} tmux new-session -d -s debugging", user="ubuntu")
    deploy(SHOW, "login", environment={"CONFIGURED": 5})
    shown = log_of(host, "login").splitlines()
    assert {"FROM_PROFILE=yes", "FROM_PAM=yes", "LANG=C.UTF-8", "HOME=/home/ubuntu", "USER=ubuntu", "CONFIGURED=5"} <= set(shown)
    names = {line.split("=")[0] for line in shown}
    assert not names & {"CUDA_VISIBLE_DEVICES", "PYTHONPATH", "LD_LIBRARY_PATH", "TMUX", "SUDO_USER", "ANSIBLE_MODULE_ARGS"}
    # What a profile exports is the user's alone.
    run = host.run(["readlink", "-f", f"{WORK}/runs/login/latest"]).stdout.strip()
    assert host.run(["stat", "-c", "%a %U", f"{run}/environment.json"]).stdout == "600 ubuntu\n"
    assert "FROM_PROFILE" not in host.run(["cat", f"{run}/run.json"]).stdout


def test_a_login_shell_without_environment_is_reported_and_stops_nothing(host, play):
    host.run("usermod --shell /usr/sbin/nologin trainer; mkdir -p /srv/nologin; chown trainer /srv/nologin")
    options = {"user": "trainer", "dir": "/srv/nologin", "session": "nologin", "command": "env", "settle": 5}
    tasks = [{"trainprep.features.training_run": options, "become": True}]
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    assert result.rc == 0, result.stdout
    output = said(result)
    assert "the login shell /usr/sbin/nologin of user trainer gives no environment (exit code 1), so the training has a plain one" in output
    shown = host.run("cat /srv/nologin/runs/nologin/latest/training.log").stdout.splitlines()
    assert {"HOME=/home/trainer", "FROM_PAM=yes"} <= set(shown) and "FROM_PROFILE=yes" not in shown


@pytest.mark.parametrize("last", ["[ -d /nowhere ] && export CUDA=1", "exit 4", "set -e; false"], ids=["false", "exit", "set -e"])
def test_an_activation_that_ends_badly_still_runs_the_training(host, deploy, last):
    host.run("rm -rf /opt/odd && python3 -m venv --without-pip /opt/odd")
    host.run("cat >> /opt/odd/bin/activate", input=f"echo activating\n{last}\n")
    deploy(SHOW, "odd", virtualenv="/opt/odd", arguments=["a", "b c"])
    log = log_of(host, "odd")
    assert log.startswith("activating\n") and "\nVIRTUAL_ENV=/opt/odd\n" in log and "PYTHON /opt/odd/bin/python" in log
    assert state(host, "odd")["exit_code"] == 0


def test_a_conda_environment_is_activated_and_anything_else_is_an_error(host, deploy):
    host.run("""set -e; mkdir -p /opt/conda/envs/speech && cd /opt/conda/envs/speech
        mkdir -p bin conda-meta etc/conda/activate.d && ln -s /usr/bin/python3 bin/python
        echo '{"env_vars": {"KEPT": "1"}}' > conda-meta/state
        echo 'export FIRST=$CONDA_PREFIX; false' > etc/conda/activate.d/a.sh
        echo 'export SECOND=after-$FIRST' > etc/conda/activate.d/b.sh""")
    deploy(SHOW, "conda", virtualenv="/opt/conda/envs/speech")
    shown = log_of(host, "conda").splitlines()
    assert {"CONDA_PREFIX=/opt/conda/envs/speech", "CONDA_DEFAULT_ENV=speech", "KEPT=1", "FIRST=/opt/conda/envs/speech",
            "SECOND=after-/opt/conda/envs/speech"} <= set(shown)  # fmt: skip
    assert any(line.startswith("PATH=/opt/conda/envs/speech/bin:") for line in shown)
    host.run("mkdir -p /opt/neither/bin && ln -sf /usr/bin/python3 /opt/neither/bin/python")
    result = deploy(SHOW, "neither", rc=2, virtualenv="/opt/neither")
    assert "/opt/neither is neither a virtual environment (bin/activate) nor a conda environment (conda-meta)" in said(result)
    assert host.run(f"ls {WORK}/runs/neither", check=False).returncode != 0


def test_the_users_tmux_configuration_ends_no_training(host, deploy, play):
    host.run("echo 'export TMUX_TMPDIR=~/sockets' >> ~/.profile; mkdir -m 0700 ~/sockets", user="ubuntu")
    host.run("printf 'set -g destroy-unattached on\\nset -s exit-unattached on\\n' > ~/.tmux.conf", user="ubuntu")
    deploy(LIVES, "conf")
    # As the user's own tmux finds it after a login: `tmux attach -t conf` does.
    assert "conf:" in host.run("bash -l -c 'tmux list-sessions'", user="ubuntu").stdout
    checked = monitor(play, host, "conf")
    assert checked.rc == 0 and "✓ tmux session 'conf' is active" in checked.stdout
    # By hand, in a session of that very server.
    host.run("rm ~/.tmux.conf; bash -l -c 'tmux set -g destroy-unattached off; tmux new-session -d -s by_hand sleep 900'", user="ubuntu")
    result = deploy(LIVES, "by_hand")
    assert "is live in tmux session 'by_hand'" in said(result) and "and was left alone" in said(result)


def test_an_interpreter_that_only_root_may_run_starts_it_all_the_same(host, play, deploy):
    host.run("mkdir -m 0700 /root/python && cp /usr/bin/python3 /root/python/python3")
    variables = {"ansible_python_interpreter": "/root/python/python3", "deploy_training_session": "closed",
                 "deploy_training_virtualenv": "", "deploy_training_command": "echo started"}
    result = play(host, "deploy_training.yml", variables)
    assert result.rc == 0, result.stdout
    assert log_of(host, "closed").startswith("started")


def test_a_command_runs_in_place_of_the_script_with_its_rank(host, deploy):
    deploy("", "text", command="echo rank $NODE_RANK of $NNODES at $MASTER_ADDR:$MASTER_PORT with", arguments=["two words"])
    assert log_of(host, "text") == "rank 0 of 1 at 127.0.0.1:29500 with two words\n"
    deploy("", "list", command=["sh", "-c", 'echo "$0 $1" in $VIRTUAL_ENV; exit 5', "$HOME"], arguments=["x"], virtualenv="/opt/pytorch")
    assert log_of(host, "list") == "$HOME x in /opt/pytorch\n"
    assert state(host, "list")["exit_code"] == 5
    deploy("", "pipe", command="false | cat", arguments=[])
    log_of(host, "pipe")
    assert state(host, "pipe")["exit_code"] == 1


def test_a_program_that_is_not_there_starts_nothing(host, deploy):
    result = deploy("", "gone", rc=2, command=["torchrun", "--nproc_per_node=gpu", "train.py"])
    assert "deploy_training_command: user ubuntu finds no program 'torchrun' in" in said(result)
    result = deploy(LIVES, "gone", rc=2, on_end=["sendmail", "root"])
    assert "deploy_training_on_end: user ubuntu finds no program 'sendmail' in" in said(result)
    result = deploy(LIVES, "gone", rc=2, keep_runs=0)
    assert "deploy_training_keep_runs is 0: set it to 1 at least" in said(result)
    assert host.run(f"ls {WORK}/runs/gone", check=False).returncode != 0


def test_the_command_for_the_end_gets_the_outcome_and_changes_none(host, deploy):
    deploy("import sys\nsys.exit(3)\n", "end", on_end="cat > ~/outcome.json; echo noted; exit 9")
    ended = wait_for(lambda: "on_end" in state(host, "end") and state(host, "end"), "the command for the end")
    assert ended["exit_code"] == 3 and ended["on_end"] == {"exit_code": 9}
    outcome = json.loads(host.run(["cat", "/home/ubuntu/outcome.json"]).stdout)
    assert (outcome["state"], outcome["exit_code"], outcome["signal"], outcome["session"]) == ("failed", 3, None, "end")
    assert outcome["started"] <= outcome["ended"] and outcome["log"].endswith("/training.log")
    assert host.run(["cat", f"{outcome['run']}/on_end.log"]).stdout == "noted\n"


def test_old_runs_go_but_never_a_live_one_nor_what_a_training_wrote(host, deploy):
    runs = f"{WORK}/runs/many"
    for number in range(4):
        deploy("print('done')\n", "many", keep_runs=2)
        log_of(host, "many")
        if number == 0:
            host.run(f"touch {runs}/latest/model.pt")
            first = host.run(["readlink", f"{runs}/latest"]).stdout.strip()
    result = deploy(LIVES, "many", keep_runs=1)
    left = host.run(f"ls -d {runs}/2*").stdout.split()
    # The live one, one ended, and the one that holds a file of its training.
    assert len(left) == 3 and f"{runs}/{first}" in left
    assert f"run {first} in {runs} and 0 more are older than those to keep" in said(result)
    assert "ended" not in state(host, "many")
