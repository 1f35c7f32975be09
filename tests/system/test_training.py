# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy a training and watch it, for real: containers over SSH, tmux, and the example trainer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest
import yaml

from tests.support.hosts import REPOSITORY
from tests.support.trainings import EXAMPLE, WORK, monitor, state
from tests.support.waiting import background, limit, wait_for

# What trainings do to be told apart. Each says first that it lives.
TRAININGS = {
    "fails": "import sys\n# {{ undefined }}\nprint('ValueError: no good', file=sys.stderr)\nsys.exit(3)\n",
    "killed": "import time\nprint('Epoch 1/9', flush=True)\ntime.sleep(9000)\n",
    "hangs": "import time\nprint('Epoch 1/9\\nloss: 2.0 - val_loss: nan')\ntime.sleep(9000)\n",
    "lives": "import time\nfor i in range(9000):\n    print('Epoch %d/9000' % i)\n    time.sleep(1)\n",
}


@pytest.fixture(scope="module")
def host(start_host):
    started = start_host("train", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    # As on the real hosts: a virtual environment that has what the trainer needs.
    started.run("python3 -m venv --without-pip --system-site-packages /opt/pytorch")
    return started


def test_nothing_deployed_yet_is_never_started_and_still_counted(host, play):
    before = host.tree()
    result = monitor(play, host)
    assert result.rc == 2
    assert "✗ WARNING: last run: never started: there is no record of a run in /home/ubuntu/emotion_recognition/runs/attn" in result.stdout
    assert "WAV2VEC feature files found: 0\n" in result.stdout
    assert "8 features that legacy directories hold" in result.stdout
    assert host.tree() == before


def test_check_mode_foretells_and_changes_nothing(host, play):
    before = host.tree()
    result = play(host, "deploy_training.yml", {"deploy_training_script": EXAMPLE}, check=True, diff=True)
    assert result.rc == 0, result.stdout
    # The run makes the host ready, and then starts.
    assert "would be started" in result.stdout and "not ready" not in result.stdout
    assert host.tree() == before


@pytest.mark.parametrize(("variables", "words"), [
    ({}, "deploy_training_script is not set"),
    ({"deploy_training_script": "nowhere.py"}, "deploy_training_script 'nowhere.py' is not there on the controller"),
    ({"deploy_training_script": EXAMPLE, "deploy_training_session": "-x"}, "deploy_training_session '-x' cannot name a tmux session"),
], ids=["none", "gone", "session"])  # fmt: skip
def test_start_errors_are_reported_before_features_are_prepared(host, play, variables, words):
    before = host.tree()
    result = play(host, "deploy_training.yml", variables)
    assert result.rc == 2 and words in " ".join(result.stdout.split())
    assert result.ssh_executions == {host.name: 0} and host.tree() == before


def test_a_missing_virtual_environment_is_named_and_nothing_started(host, play):
    variables = {"deploy_training_script": EXAMPLE, "deploy_training_virtualenv": "/opt/none"}
    result = play(host, "deploy_training.yml", variables)
    assert result.rc == 2
    assert "the virtual environment /opt/none is not there for user ubuntu: create it, or set" in result.stdout
    assert host.run(f"ls -d {WORK}", check=False).returncode != 0


def test_status_2_links_then_trains_to_the_end_on_what_the_monitor_counts(host, play):
    # The play before has linked, and that is not to be the whole story here.
    absent = play(host, "prepare_features.yml", {"prepare_features_state": "absent"})
    assert absent.rc == 0, absent.stdout

    # From the directory where the playbook was called, and with the defaults of ATTN-CRNN v2.
    deployed = play(host, "deploy_training.yml", {"deploy_training_script": EXAMPLE})
    assert deployed.rc == 0, deployed.stdout
    assert "started in tmux session 'attn_crnn_v2'" in deployed.stdout
    record = json.loads(host.run(["cat", f"{WORK}/runs/attn_crnn_v2/latest/run.json"]).stdout)
    assert record["feature_status"] == 2
    assert [one["target"] for one in record["sets"]] == ["/data/wav2vec_features", "/data/wav2vec_crema_d"]
    assert record["sets"][0]["arrays"] == {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
    assert record["command"] == [
        *("/opt/pytorch/bin/python", "-u", "scripts/train_softmax.py"),
        *("--data_dirs", "/data/wav2vec_features", "/data/wav2vec_crema_d"),
        *("--epochs", "30", "--batch_size", "32", "--patience", "6", "--noise", "0.005", "--mixup", "0.2"),
    ]

    # Followed to its end; whatever variables the monitor is called with, it counts what the run has recorded.
    other = [{"name": "wav2vec", "target": "/data/another"}]
    followed = play(host, "monitor_training.yml", {
        "monitor_training_follow": True, "monitor_training_filter": "all", "prepare_features_sets": other})
    assert followed.rc == 0, followed.stdout
    loaded = re.search(r"^Loaded (\d+) feature files$", followed.stdout, re.MULTILINE)
    counted = re.search(r"^WAV2VEC feature files found: (\d+)$", followed.stdout, re.MULTILINE)
    assert loaded.group(1) == counted.group(1) == "32"
    assert "✓ last run: succeeded (exit code 0)" in followed.stdout

    checked = monitor(play, host)
    assert checked.rc == 0, checked.stdout
    assert checked.ssh_executions == {host.name: 1}, checked.ssh_commands
    shown = checked.stdout.splitlines()
    assert "=== ATTN-CRNN TRAINING HEALTH CHECK ===" in shown
    assert "  training process not running (the run has ended)" in shown
    assert "WAV2VEC feature files found: 32" in shown
    assert "✓ last run: succeeded (exit code 0)" in shown
    assert re.search(r"✓ checkpoint: /home/ubuntu/\S+/checkpoints/softmax_\d+_\d+/best_softmax_model.npz", checked.stdout)
    assert host.run(f"find {WORK} ! -user ubuntu").stdout == ""

    # A misspelt variable is named, and sets may be text, as a survey gives them.
    variables = {"monitor_training_titel": "X", "prepare_features_sets": json.dumps(other)}
    checked = play(host, "monitor_training.yml", variables)
    assert checked.rc == 0 and " ".join(checked.stdout.split()).count("did you mean monitor_training_title?") == 1, checked.stdout
    refused = play(host, "monitor_training.yml", {"prepare_features_sets": "wav"})
    assert refused.rc == 2 and "prepare_features_sets is the text 'wav' instead of a list" in refused.stdout, refused.stdout


@pytest.fixture(scope="module")
def sessions(host, play, tmp_path_factory):
    """One play that starts each of TRAININGS in a session of its own; session -> process id."""
    scripts = tmp_path_factory.mktemp("scripts")
    tasks = [{"ansible.builtin.import_role": {"name": "trainprep.features.prepare_features"}}]
    for name, program in TRAININGS.items():
        (scripts / f"{name}.py").write_text(program)
        tasks.append({
            "ansible.builtin.include_role": {"name": "trainprep.features.deploy_training"},
            "vars": {"deploy_training_script": str(scripts / f"{name}.py"), "deploy_training_session": name, "deploy_training_settle": 0,
                     "deploy_training_virtualenv": "", "deploy_training_args": ["two words", "$(reboot)", 3],
                     "deploy_training_environment": {"NOTE": "it's \"ü\" \\ $HOME"}},
        })
    book = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    result = play(host, book)
    assert result.rc == 0, result.stdout
    return {"book": book, "scripts": scripts, "pids": {name: state(host, name)["trainer"]["pid"] for name in TRAININGS}}


def test_a_training_that_exits_3_has_failed(host, play, sessions):
    wait_for(lambda: "ended" in state(host, "fails"), "the end")
    result = monitor(play, host, "fails")
    assert result.rc == 2
    assert "✗ WARNING: last run: failed (exit code 3: ValueError: no good)" in result.stdout
    assert "✗ WARNING: training process not running" in result.stdout
    followed = monitor(play, host, "fails", follow=True)
    assert followed.rc == 2, followed.stdout
    assert followed.stdout.count("\nValueError: no good\n") == 1


def test_a_training_that_is_killed_shows_the_signal(host, play, sessions):
    host.run(["kill", "-9", str(sessions["pids"]["killed"])])
    wait_for(lambda: "ended" in state(host, "killed"), "the end")
    # Whoever connects as the training user needs no root to look.
    result = monitor(play, host, "killed", become=False)
    assert result.rc == 2
    assert "✗ WARNING: last run: killed (signal 9, SIGKILL)" in result.stdout


def test_a_training_that_hangs_is_stuck(host, play, sessions):
    healthy = monitor(play, host, "hangs")
    assert healthy.rc == 0, healthy.stdout
    assert "✓ tmux session 'hangs' is active" in healthy.stdout
    assert "✓ training process is running" in healthy.stdout
    assert "✗ WARNING: val_loss is nan" in healthy.stdout
    # The checkpoint there is of a run before.
    assert "  checkpoint: none yet" in healthy.stdout
    time.sleep(2)
    stuck = monitor(play, host, "hangs", stale_after=1)
    assert stuck.rc == 2
    assert "✓ tmux session 'hangs' is active" in stuck.stdout
    assert "✗ WARNING: last run: stuck" in stuck.stdout


def test_the_arguments_reach_the_training_unchanged(host, sessions):
    command = host.run(["cat", f"/proc/{sessions['pids']['lives']}/cmdline"]).stdout.split("\0")
    assert command[1:-1] == ["-u", "scripts/lives.py", "two words", "$(reboot)", "3"]
    environment = host.run(["cat", f"/proc/{sessions['pids']['lives']}/environ"], user="ubuntu").stdout.split("\0")
    assert {"NOTE=it's \"ü\" \\ $HOME", "PYTHONUNBUFFERED=1", "HOME=/home/ubuntu"} <= set(environment)
    assert host.run(["cat", f"{WORK}/scripts/fails.py"]).stdout == TRAININGS["fails"]


def test_a_second_deploy_leaves_a_live_run_alone(host, play, sessions):
    pid = sessions["pids"]["lives"]
    script = sessions["scripts"] / "lives.py"
    variables = {"deploy_training_script": str(script), "deploy_training_session": "lives", "deploy_training_virtualenv": ""}
    before = host.run(f"ls -la --time-style=full-iso {WORK}/scripts {WORK}/runs/lives").stdout
    script.write_text(TRAININGS["lives"] + "# changed\n")
    result = play(host, "deploy_training.yml", variables)
    assert result.rc == 0, result.stdout
    assert result.recap[host.name]["changed"] == 0
    assert f"a training is live in tmux session 'lives' (process {pid}) and was left alone" in result.stdout
    assert host.run(f"ls -la --time-style=full-iso {WORK}/scripts {WORK}/runs/lives").stdout == before
    assert state(host, "lives")["trainer"]["pid"] == pid

    replaced = play(host, "deploy_training.yml", {**variables, "deploy_training_restart": True})
    assert replaced.rc == 0, replaced.stdout
    assert host.run(["test", "-d", f"/proc/{pid}"], check=False).returncode != 0
    new = state(host, "lives")["trainer"]["pid"]
    assert monitor(play, host, "lives").rc == 0
    runs = host.run(f"cd {WORK}/runs/lives && cat $(ls -d 2*Z* | head -n 1)/state.json").stdout
    assert json.loads(runs)["signal"] == 15
    sessions["pids"]["lives"] = new


def test_ctrl_c_ends_following_and_leaves_the_training_alone(host, hosts, sessions):
    scratch = hosts.scratch / "ctrl-c"
    scratch.mkdir()
    inventory = scratch / "inventory.ini"
    inventory.write_text(host.inventory_line + "\n")
    command = [REPOSITORY / ".venv/bin/ansible-playbook", "-i", inventory, "monitor_training.yml",
               "-e", "monitor_training_session=lives monitor_training_follow=true"]
    seen = []
    with background(
        command, cwd=REPOSITORY, env={**hosts.environment(scratch), "PYTHONUNBUFFERED": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        # Whoever runs the tests in the background has it ignored, and so would we have it then.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        for line in process.stdout:
            seen.append(line)
            # Lines of the log, not of the check's excerpt of it.
            if sum(text.startswith("Epoch ") for text in seen) >= 3:
                break
        # As a terminal does it: to all of the foreground.
        os.killpg(process.pid, signal.SIGINT)
        rest = process.communicate(timeout=limit(120))[0]
    assert process.returncode not in (0, -signal.SIGINT), "".join(seen) + rest
    assert "Traceback" not in rest
    assert host.run(["test", "-d", f"/proc/{sessions['pids']['lives']}"]).returncode == 0
    assert "ended" not in state(host, "lives")


def test_a_session_with_a_shell_is_not_taken(host, play, sessions):
    host.run("cd ~ && tmux new-session -d -s shell", user="ubuntu")
    variables = {"deploy_training_script": EXAMPLE, "deploy_training_session": "shell"}
    result = play(host, "deploy_training.yml", variables)
    assert result.rc == 2
    assert "tmux session 'shell' is in use by a shell" in result.stdout
    checked = monitor(play, host, "shell")
    assert "✓ tmux session 'shell' is active" in checked.stdout
    assert "✗ WARNING: training process not running" in checked.stdout
    assert "never started" in checked.stdout


def test_a_host_that_is_not_ready_starts_nothing_whatever_a_cache_says(host, play, tmp_path):
    cache = {"ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}
    deploy = {"ansible.builtin.import_role": {"name": "trainprep.features.deploy_training"},
              "vars": {"deploy_training_script": EXAMPLE, "deploy_training_session": "unready"}}
    prepare = {"ansible.builtin.import_role": {"name": "trainprep.features.prepare_features"}, "tags": ["prepare"]}
    book = [{"hosts": "all", "gather_facts": False, "tasks": [prepare, deploy]}]
    only_prepare = play(host, [{**book[0], "tasks": [prepare]}], env=cache)
    assert only_prepare.rc == 0, only_prepare.stdout
    assert "features_ready" in "".join(path.read_text() for path in (tmp_path / "facts").glob("*"))

    skipped = play(host, book, args=["--skip-tags", "prepare"], env=cache)
    assert skipped.rc == 2
    assert "this run has not looked at the features" in skipped.stdout

    unready = play(host, book, {
        "prepare_features_require_ready": False,
        "prepare_features_sets": [{"name": "few", "target": "/data/wav2vec_crema_d", "expected": 999}]}, env=cache)
    assert unready.rc == 2
    assert f"the features of {host.name} are not ready, so nothing is started" in unready.stdout
    assert host.run(f"ls {WORK}/runs/unready", check=False).returncode != 0


def test_features_made_ready_for_another_user_start_nothing(host, play):
    variables = {"deploy_training_script": EXAMPLE, "deploy_training_user": "trainer", "deploy_training_virtualenv": ""}
    result = play(host, "deploy_training.yml", variables)
    assert result.rc == 2
    assert "the features were made ready for user ubuntu, but trainer is to train" in result.stdout
    assert host.run("ls /home/trainer/emotion_recognition", check=False).returncode != 0


def test_another_training_user_owns_and_runs_all_of_it(host, play):
    host.lay_out("--features", "/srv/old", "--crema-d", "6", "--owner", "other")
    host.run("chmod -R a+rX /srv/old")
    variables = {
        "prepare_features_sets": [{"name": "old", "target": "/data/old", "legacy": ["/srv/old"]}],
        "prepare_features_user": "trainer", "deploy_training_script": EXAMPLE, "deploy_training_virtualenv": ""}
    result = play(host, "deploy_training.yml", variables)
    assert result.rc == 0, result.stdout
    home = "/home/trainer/emotion_recognition"
    wait_for(lambda: "ended" in state(host, "attn_crnn_v2", "trainer", home), "the end")
    assert host.run(f"find {home} ! -user trainer").stdout == ""
    record = json.loads(host.run(["cat", f"{home}/runs/attn_crnn_v2/latest/run.json"]).stdout)
    assert record["command"][2:] == ["scripts/train_softmax.py", "--data_dirs", "/data/old"]
    checked = monitor(play, host, user="trainer")
    assert checked.rc == 0, checked.stdout
    assert "=== TRAINING HEALTH CHECK ===\n" in checked.stdout
    assert "\nfeature files found: 6\n" in checked.stdout
    assert "Loaded 6 feature files" in host.run(f"cat {home}/runs/attn_crnn_v2/latest/training.log").stdout


def test_lines_of_several_hosts_are_labelled_and_none_is_lost(host, play, hosts, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(("one", "two", "three"), host.variables)}}))
    variables = {"monitor_training_session": "fails", "monitor_training_follow": True, "monitor_training_fail": False}
    followed = play(inventory, "monitor_training.yml", variables)
    assert followed.rc == 0, followed.stdout
    for name in ("one", "two", "three"):
        assert f"[{name}] ValueError: no good\n" in followed.stdout
        assert f"[{name}] ✗ last run: failed (exit code 3: ValueError: no good)\n" in followed.stdout
    crowded = play(inventory, "monitor_training.yml", variables, args=["--forks", "2"])
    assert crowded.rc == 2
    assert "3 hosts cannot be followed with 2 at a time" in crowded.stdout
    assert "[one] ValueError" not in crowded.stdout


def test_a_killed_tmux_server_leaves_a_run_that_vanished(host, play, sessions):
    pid = sessions["pids"]["lives"]
    host.run("kill -9 $(pgrep -u ubuntu -x 'tmux: server')")
    wait_for(lambda: host.run(["test", "-d", f"/proc/{pid}"], check=False).returncode != 0, "the training to end")
    result = monitor(play, host, "lives")
    assert result.rc == 2
    assert "✗ WARNING: tmux session 'lives' not found" in result.stdout
    assert "✗ WARNING: training process not running" in result.stdout
    assert "✗ WARNING: last run: vanished" in result.stdout
    # What had ended before is told as before.
    assert "failed (exit code 3" in monitor(play, host, "fails").stdout
    # And the session can be used again.
    variables = {"deploy_training_script": str(sessions["scripts"] / "lives.py"), "deploy_training_session": "lives",
                 "deploy_training_virtualenv": ""}
    assert play(host, "deploy_training.yml", variables).rc == 0
    assert monitor(play, host, "lives").rc == 0
