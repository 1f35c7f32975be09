# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From start to end: settle, stop, retry, what outlives a run, required GPUs, the rights of a tmux server."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time

import pytest

from tests.support import trainings
from tests.support.hosts import REPOSITORY
from tests.support.trainings import WORK, monitor, said, state, wait_for_log
from tests.support.waiting import background, limit, wait_for

LIVES = "import time\nprint('Epoch 1/9', flush=True)\ntime.sleep(900)\n"
# Ends by itself when asked, after a moment; a worker in a session of its own does not.
GRACEFUL = """
import signal, subprocess, sys, time
subprocess.Popen(["sleep", "901"], start_new_session=True)
def end(*_):
    time.sleep(1)
    print("checkpoint written", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("Epoch 1/9", flush=True)
time.sleep(900)
"""
STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('Epoch 1/9', flush=True)\ntime.sleep(900)\n"
RETRIED = """
import os, pathlib, subprocess, sys, time
number = int(os.environ["TRAINPREP_ATTEMPT"])
print("attempt", number, os.environ.get("TRAINPREP_CHECKPOINT"), flush=True)
subprocess.Popen(["sleep", "902"], start_new_session=True)
pathlib.Path("checkpoints/epoch%d.pt" % number).write_text("x")
if number == 1:
    sys.exit(3)
if number == 2:
    os.kill(os.getpid(), 9)
time.sleep(float(sys.argv[1]))
"""
SMI = """#!/bin/sh
case "$1" in
  --query-gpu=*) printf '0, NVIDIA H100, 0, 1000, 81000, GPU-a\\n1, NVIDIA H100, 0, 79000, 81000, GPU-b\\n' ;;
  --query-compute-apps=*) : ;;
esac
"""


@pytest.fixture(scope="module")
def host(start_host):
    return start_host("stop", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])


@pytest.fixture(scope="module")
def deploy(host, play, tmp_path_factory):
    """``deploy(program, session, rc=0, check=False, **options)``."""
    folder = tmp_path_factory.mktemp("scripts")

    def run(program, session, rc=0, check=False, **options):
        if program:
            (folder / f"{session}.py").write_text(program)
            options["script"] = str(folder / f"{session}.py")
        return trainings.deploy(play, host, rc, check, session=session, **options)

    return run


def alive(host, words):
    return host.run(["pgrep", "-u", "ubuntu", "-f", words], check=False).stdout.split()


def test_a_training_that_dies_at_once_fails_the_deploy_with_its_last_lines(host, deploy, play):
    result = deploy("import sys\nprint('first')\nraise ValueError('no such option')\n", "dies", rc=2, settle=10)
    assert "the training ended at once with exit code 1:" in said(result) and "ValueError: no such option" in said(result)
    assert "and has succeeded (exit code 0)" in said(deploy("print('done')\n", "done", settle=10))
    assert monitor(play, host, "dies").rc == 2 and monitor(play, host, "done").rc == 0


def test_a_missing_program_of_a_text_is_the_shells_message(host, deploy):
    result = deploy("", "missing", rc=2, settle=10, command="unset X && torchrun --nproc_per_node=gpu train.py")
    assert "exit code 127" in said(result) and "torchrun: command not found" in said(result)


def test_functions_of_the_profile_are_known_to_a_text(host, deploy):
    host.run("echo 'module() { export LOADED=\"$2\"; }' > /etc/profile.d/modules.sh")
    deploy("", "module", settle=10, command='module load cuda && python3 -c "import os; print(os.environ[\'LOADED\'])"')
    assert host.run(["cat", f"{WORK}/runs/module/latest/training.log"]).stdout == "cuda\n"


STOPPED = {"graceful": (GRACEFUL, 20, {"exit_code": 0}), "stubborn": (STUBBORN, 1, {"signal": 9}), "plain": (LIVES, 20, {"signal": 15})}


def test_a_stop_ends_the_training_and_its_children(host, play, tmp_path):
    for name, (program, _grace, _ended) in STOPPED.items():
        (tmp_path / f"{name}.py").write_text(program)
    trainings.deploy(play, host, settle=1, each=[{"session": name, "script": str(tmp_path / f"{name}.py")} for name in STOPPED])
    for name in STOPPED:
        wait_for_log(host, name, "Epoch 1/9")  # its handler is in place
    stops = {"state": "stopped", "each": [{"session": name, "grace": grace} for name, (_program, grace, _ended) in STOPPED.items()]}
    before = host.tree(WORK)
    predicted = trainings.deploy(play, host, check=True, **stops)
    words = [event["result"]["message"] for event in predicted.results(host)]
    assert ["would be stopped" in one for one in words] == [True] * 3 and predicted.recap[host.name]["changed"] == 3
    assert host.tree(WORK) == before and not any("ended" in state(host, name) for name in STOPPED)

    assert trainings.deploy(play, host, **stops).recap[host.name]["changed"] == 3
    for name, (_program, _grace, ended) in STOPPED.items():
        found = state(host, name)
        assert ended.items() <= found.items() and found["stopped"]["why"] == "stop" and found["outlived"] == []
        assert not alive(host, "sleep 901") and not alive(host, f"scripts/{name}.py")
        checked = monitor(play, host, name)
        assert checked.rc == 0 and f"✓ last run: stopped by {found['stopped']['by']} (" in checked.stdout
    assert "checkpoint written" in host.run(["cat", f"{WORK}/runs/graceful/latest/training.log"]).stdout

    again = trainings.deploy(play, host, **stops)
    assert again.recap[host.name]["changed"] == 0 and said(again).count("no training is live in tmux session") >= 3


def test_a_stop_that_is_cut_goes_on_and_the_next_one_ends_it(host, deploy, play, hosts, tmp_path):
    deploy(GRACEFUL, "cut", settle=1)
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(host.inventory_line + "\n")
    command = [REPOSITORY / ".venv/bin/ansible-playbook", "-i", inventory, "deploy_training.yml", "-e",
               "deploy_training_session=cut deploy_training_state=stopped deploy_training_grace=30"]  # fmt: skip
    null = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with background(command, cwd=REPOSITORY, env=hosts.environment(tmp_path), **null) as process:
        wait_for(lambda: host.run(["test", "-e", f"{WORK}/runs/cut/latest/stop.json"], check=False).returncode == 0, "the request")
        host.run("pkill -9 -f AnsiballZ_training_run; pkill -9 -f order", check=False)
        process.kill()
    # What the connection's end did not end on the host goes on to its own end.
    wait_for(lambda: host.run(f"flock -n {WORK}/runs/cut/.lock true", check=False).returncode == 0, "the end of the first stop")
    # The launcher was asked, or not yet: in both cases the next stop finds the rest to do, and what it was is on record.
    deploy("", "cut", state="stopped")
    assert state(host, "cut")["stopped"]["why"] == "stop" and not alive(host, "scripts/cut.py") and not alive(host, "sleep 901")
    assert monitor(play, host, "cut").rc == 0


def test_attempts_follow_a_failure_and_a_kill_with_the_newest_checkpoint(host, deploy, play):
    result = deploy(RETRIED, "retried", retries=3, settle=5, arguments=["900"])
    assert "was started again" in said(result) and "with up to 3 retries, but none after a reboot of the host" in said(result)
    wait_for(lambda: state(host, "retried")["attempt"]["number"] == 3, "the third attempt")
    found = state(host, "retried")
    assert [(one.get("exit_code"), one.get("signal")) for one in found["attempts"]] == [(3, None), (None, 9)]
    log = host.run(["cat", f"{WORK}/runs/retried/latest/training.log"]).stdout
    assert f"attempt 2 {WORK}/checkpoints/epoch1.pt\n" in log and f"attempt 3 {WORK}/checkpoints/epoch2.pt\n" in log
    # What a failed attempt left behind is gone: one worker lives, not three.
    assert len(alive(host, "sleep 902")) == 1
    checked = monitor(play, host, "retried", lines=5)
    assert checked.rc == 0 and "  attempt: 3\n" in checked.stdout
    # A stop is no failure.
    deploy("", "retried", state="stopped", grace=2)
    time.sleep(4)
    assert state(host, "retried")["stopped"] and not alive(host, "sleep 902") and not alive(host, "scripts/retried.py")


@pytest.mark.parametrize("step", ["between", "launcher"])
def test_a_retry_that_is_cut(host, deploy, play, step):
    deploy(RETRIED, "cutretry", retries=5, arguments=["900"], restart=True)
    if step == "between":
        # In the pause after a failure, or while the next attempt begins.
        wait_for(lambda: len(state(host, "cutretry")["attempts"]) >= 1, "the first failure")
        deploy("", "cutretry", state="stopped", grace=2)
        assert state(host, "cutretry")["stopped"]["why"] == "stop" and len(state(host, "cutretry")["attempts"]) <= 3
    else:
        wait_for(lambda: state(host, "cutretry")["attempt"]["number"] >= 2, "the second attempt")
        launcher = state(host, "cutretry")["launcher"]["pid"]
        host.run(["kill", "-9", str(launcher)])
        # Nothing more is recorded, and nothing is started again.
        assert "last run: vanished" in wait_for(lambda: (found := monitor(play, host, "cutretry")).rc and found.stdout, "the verdict")
    deploy("print('done')\n", "cutretry", settle=5, restart=True)
    assert state(host, "cutretry")["exit_code"] == 0 and not alive(host, "sleep 902")


def test_workers_that_outlive_a_dead_launcher_block_the_next_deploy_and_are_ended_by_a_restart(host, deploy, play):
    program = "import subprocess, sys, time\nsubprocess.Popen(['sleep', '903'], start_new_session=True)\ntime.sleep(900)\n"
    deploy(program, "workers", settle=1)
    [worker] = wait_for(lambda: alive(host, "sleep 903"), "the worker")
    found = state(host, "workers")
    pids = [str(found[name]["pid"]) for name in ("launcher", "trainer")]
    host.run(["kill", "-9", *pids])
    checked = monitor(play, host, "workers")
    assert checked.rc == 2 and "last run: vanished" in checked.stdout
    assert f"✗ WARNING: process {worker} (sleep, " in checked.stdout
    before = host.tree(WORK)
    refused = deploy(LIVES, "workers", rc=2)
    assert "processes of an earlier run in tmux session 'workers' still live" in said(refused) and f"({worker} sleep, " in said(refused)
    assert host.tree(WORK) == before
    deploy(LIVES, "workers", restart=True)
    assert not alive(host, "sleep 903")


def test_required_gpus_are_checked_before_features_are_prepared(host, deploy, play):
    bare = deploy(LIVES, "gpus", rc=2, require_gpus=1)
    assert "deploy_training_require_gpus is 1, but none of nvidia-smi, amd-smi, rocm-smi is installed on this host" in said(bare)
    host.run("cat > /usr/local/bin/nvidia-smi && chmod 755 /usr/local/bin/nvidia-smi", input=SMI)
    before = host.tree()
    variables = {"session": "gpus", "command": "true", "virtualenv": "", "require_gpus": 2, "require_gpu_memory": "20 GiB"}
    result = play(host, "deploy_training.yml", {f"deploy_training_{name}": value for name, value in variables.items()})
    assert result.rc == 2 and "is 2, but 1 of 2 GPUs are free (GPU 1 has 2000 of 20480 MiB free)" in said(result)
    assert not [event for event in result.results(host) if event["action"].endswith("feature_prepare")]
    checked = deploy(LIVES, "gpus", rc=2, check=True, require_gpus=2, require_gpu_memory="20 GiB")
    assert "is 2, but 1 of 2 GPUs are free" in said(checked)
    assert host.tree() == before
    deploy(LIVES, "gpus", require_gpus=1, require_gpu_memory=40000)


def test_a_server_with_other_groups_is_not_used(host, deploy, play):
    host.run("cd ~ && tmux new-session -d -s mine", user="ubuntu")
    host.run("groupadd -f readers && usermod -aG readers ubuntu")
    try:
        # Connections that are kept open have the old groups, too; root becomes the user with the new ones.
        result = deploy("import os\nprint('groups', sorted(os.getgroups()))\nimport time; time.sleep(900)\n", "groups", settle=1)
        gid = host.run("getent group readers").stdout.split(":")[2]
        assert "was started with other groups than that user has now" in said(result) and "tmux -L trainprep-" in said(result)
        wait_for_log(host, "groups", gid)
        assert monitor(play, host, "groups").rc == 0
        assert "was left alone" in said(deploy(LIVES, "groups"))
        deploy("", "groups", state="stopped", grace=2)
    finally:
        host.run("gpasswd -d ubuntu readers; tmux kill-server", check=False)


def test_facts_of_another_run_start_nothing(host, deploy, play, tmp_path):
    (tmp_path / "a.py").write_text(LIVES)
    cache = {"ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}
    variables = {"deploy_training_script": str(tmp_path / "a.py"), "deploy_training_session": "other", "deploy_training_virtualenv": ""}
    assert play(host, "prepare_features.yml", env=cache).rc == 0
    assert "feature_run" in "".join(path.read_text() for path in (tmp_path / "facts").iterdir())
    roles = ["trainprep.features.prepare_features", "trainprep.features.deploy_training"]
    for task in ("Learn the default feature sets", "Start the training in its tmux session*", "Report how to watch it"):
        book = [{"hosts": "all", "gather_facts": False, "roles": roles}]
        result = play(host, book, variables, args=["--start-at-task", task], env=cache)
        assert result.rc != 0, f"{task}: {result.stdout}"
    started = play(host, [{"hosts": "all", "gather_facts": False, "roles": ["trainprep.features.deploy_training"]}], variables, env=cache)
    assert started.rc == 2 and f"this run has not looked at the features of {host.name}, so nothing is started" in said(started)
    assert host.run(f"ls {WORK}/runs/other", check=False).returncode != 0


def test_the_record_has_the_changes_since_the_run_before(host, deploy, play):
    deploy("print('done')\n", "record", settle=5, arguments=["--lr", "0.05", "--amp"], metrics=["metrics.csv"])
    result = deploy("print('done')\n", "record", settle=5, arguments=["--lr", "0.01"], metrics=["metrics.csv"])
    assert "--lr 0.05 → 0.01" in said(result) and "without --amp" in said(result)
    record = json.loads(host.run(["cat", f"{WORK}/runs/record/latest/run.json"]).stdout)
    assert record["metrics"] == ["metrics.csv"] and record["arguments"] == ["--lr", "0.01"] and record["retries"] == 0
    assert state(host, "record")["changes"] == ["without --amp", "--lr 0.05 → 0.01"]
    assert "against the run before: without --amp; --lr 0.05 → 0.01" in monitor(play, host, "record", lines=5).stdout


RESULTS = """
import os, pathlib, time
pathlib.Path("checkpoints").mkdir(exist_ok=True)
pathlib.Path("checkpoints/best_model.pt").write_bytes(os.urandom(40 << 20))
pathlib.Path("checkpoints/middle.pt").write_text("x")
time.sleep(1.5)
pathlib.Path("checkpoints/last.pt").write_text("last")
pathlib.Path("out").mkdir(exist_ok=True)
pathlib.Path("out/metrics.csv").write_text("epoch,loss\\n1,2.0\\n2,1.0\\n")
"""


CURVES = "open('metrics.csv', 'w').write('epoch,loss\\n1,2.0\\n2,1.0\\n')\n"


def test_results_come_home_once_by_any_account_and_a_cut_fetch_goes_on(host, deploy, play, tmp_path):
    # What only the training user can read, and another one connects.
    host.run("chmod 700 /home/trainer; mkdir -p /srv/t && chown trainer /srv/t && chmod 700 /srv/t")
    deploy(RESULTS, "home", settle=20, user="trainer", dir="/srv/t", metrics=["out/*.csv"])
    where = {"monitor_training_session": "home", "monitor_training_dir": "/srv/t", "monitor_training_user": "trainer",
             "monitor_training_fetch_dir": str(tmp_path / "results")}
    assert play(host, "monitor_training.yml", where, check=True).rc == 0 and not (tmp_path / "results").exists()
    fetched = play(host, "monitor_training.yml", where)
    assert fetched.rc == 0, fetched.stdout
    [run] = (tmp_path / "results" / host.name / "home").iterdir()
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    checkpoints = {"checkpoints/best_model.pt", "checkpoints/last.pt"}
    assert found == {"run.json", "state.json", "training.log", "metrics/out/metrics.csv", *checkpoints}
    whole = (run / "checkpoints" / "best_model.pt").read_bytes()
    assert len(whole) == 40 << 20 and json.loads((run / "run.json").read_text())["user"] == "trainer"

    # Cut: what rsync keeps of it is a part, in its own folder; only the rest is fetched.
    (run / "checkpoints" / "best_model.pt").unlink()
    (run / "checkpoints" / ".rsync-partial").mkdir(exist_ok=True)
    (run / "checkpoints" / ".rsync-partial" / "best_model.pt").write_bytes(whole[: 30 << 20])
    again = play(host, "monitor_training.yml", where)
    assert again.rc == 0 and (run / "checkpoints" / "best_model.pt").read_bytes() == whole
    [info] = [event["result"] for event in again.results(host, "trainprep.features.training_info")]
    assert info["fetched"]["changed"] == 1 and info["fetched"]["path"] == str(run)


def test_a_fetch_that_fails_hides_no_health_check(host, deploy, play, tmp_path):
    # In a directory of its own: if another session works there at the same time, whose files are whose is not known.
    deploy(CURVES, "nofetch", settle=20, dir="~/fetched")
    (tmp_path / "taken").write_text("a file")
    where = {"monitor_training_session": "nofetch", "monitor_training_dir": "~/fetched"}
    failed = play(host, "monitor_training.yml", {**where, "monitor_training_fetch_dir": str(tmp_path / "taken")})
    assert failed.rc == 2 and "✓ last run: succeeded (exit code 0)" in failed.stdout
    assert f"monitor_training_fetch_dir: {tmp_path}/taken/" in said(failed) and "cannot be created" in said(failed)
    host.run("mv /usr/bin/rsync /usr/bin/rsync.away")
    try:
        failed = play(host, "monitor_training.yml", {**where, "monitor_training_fetch_dir": str(tmp_path / "results")})
    finally:
        host.run("mv /usr/bin/rsync.away /usr/bin/rsync")
    assert failed.rc == 2 and "✓ last run: succeeded (exit code 0)" in failed.stdout and "rsync is missing on this host" in said(failed)
    # The file that the curves are from comes home though no variable names it.
    assert play(host, "monitor_training.yml", {**where, "monitor_training_fetch_dir": str(tmp_path / "results")}).rc == 0
    [run] = (tmp_path / "results" / host.name / "nofetch").iterdir()
    assert (run / "metrics" / "metrics.csv").read_text() == "epoch,loss\n1,2.0\n2,1.0\n"


def test_a_fetch_is_cut_and_goes_on(host, deploy, play, hosts, tmp_path):
    deploy(RESULTS, "cutfetch", settle=20, dir="~/cutfetch")
    slow = '#!/bin/sh\nfirst=$1; shift; exec /usr/bin/rsync "$first" --bwlimit=1024 "$@"\n'
    host.run("cat > /usr/local/bin/rsync && chmod 755 /usr/local/bin/rsync", input=slow)
    where = {"monitor_training_session": "cutfetch", "monitor_training_dir": "~/cutfetch",
             "monitor_training_fetch_dir": str(tmp_path / "results")}
    command = [REPOSITORY / ".venv/bin/ansible-playbook", "-i", tmp_path / "inventory.ini", "monitor_training.yml"]
    command += [word for name, value in where.items() for word in ("-e", f"{name}={value}")]
    (tmp_path / "inventory.ini").write_text(host.inventory_line + "\n")
    part = tmp_path / "results" / host.name / "cutfetch"
    null = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with background(command, cwd=REPOSITORY, env=hosts.environment(tmp_path), **null) as process:
        wait_for(lambda: any(path.stat().st_size for path in part.rglob("*best_model.pt*")), "the first bytes")
        # As a connection that breaks: the far side ends.
        host.run("pkill -9 -x rsync; rm /usr/local/bin/rsync")
        assert process.wait(timeout=limit(300)) == 2
    [run] = part.iterdir()
    assert 0 < (run / "checkpoints" / ".rsync-partial" / "best_model.pt").stat().st_size < 40 << 20
    again = play(host, "monitor_training.yml", where)
    assert again.rc == 0, again.stdout
    assert (run / "checkpoints" / "best_model.pt").stat().st_size == 40 << 20
    digest = hashlib.sha256((run / "checkpoints" / "best_model.pt").read_bytes()).hexdigest()
    assert digest == host.run(["sha256sum", "/home/ubuntu/cutfetch/checkpoints/best_model.pt"]).stdout.split()[0]


def test_absent_removes_ended_runs_beyond_those_to_keep(host, deploy):
    deploy("print('done')\n", "absent", settle=5, each=({}, {}, {}))
    # A launcher that is about to end still holds its run; a zombie does not.
    host.run(f"timeout {limit(30)} sh -c 'while pgrep -f [r]uns/absent/.*launcher.py; do sleep 0.2; done'")
    predicted = deploy("", "absent", check=True, state="absent", keep_runs=1)
    assert predicted.recap[host.name]["changed"] == 1
    assert len(host.run(f"ls -d {WORK}/runs/absent/2*").stdout.split()) == 3
    deploy("", "absent", state="absent", keep_runs=1)
    assert len(host.run(f"ls -d {WORK}/runs/absent/2*").stdout.split()) == 1
    assert deploy("", "absent", state="absent", keep_runs=1).recap[host.name]["changed"] == 0
