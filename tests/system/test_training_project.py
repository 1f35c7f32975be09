# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project is sent before the start, each run works in its own copy, and several hosts know each other."""

from __future__ import annotations

import ensurepip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.support import trainings
from tests.support.hosts import REPOSITORY
from tests.support.trainings import WORK, monitor, said, state
from tests.support.waiting import wait_for

TRAIN = """
import os, pathlib, sys, time
from package.model import NAME
print("model", NAME, "in", os.path.basename(os.getcwd()), sys.argv[1:], flush=True)
pathlib.Path("checkpoints/%s.keras" % NAME).write_text("weights")
if "stay" in sys.argv:
    time.sleep(900)
"""


def git(folder, *words):
    subprocess.run(["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org", *words], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "speech"
    (root / "package").mkdir(parents=True)
    (root / "package" / "__init__.py").write_text("")
    (root / "package" / "model.py").write_text("NAME = 'first'\n")
    (root / "train.py").write_text(TRAIN)
    (root / "run it.sh").write_text("#!/bin/sh\nexec python3 train.py \"$@\"\n")
    (root / "run it.sh").chmod(0o755)
    (root / ".gitignore").write_text("data/\n*.log\n!kept.log\n")
    (root / "data").mkdir()
    (root / "data" / "big.npz").write_text("big")
    (root / "kept.log").write_text("kept")
    (root / "left.log").write_text("left")
    return root


@pytest.fixture(scope="module")
def host(start_host):
    return start_host("project", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])


def deploy(play, hosts, project, rc=0, **options):
    return trainings.deploy(play, hosts, rc, project=str(project), **options)


def run_of(host, session):
    return host.run(["readlink", "-f", f"{WORK}/runs/{session}/latest"]).stdout.strip()


def test_a_script_finds_its_modules_and_a_live_run_keeps_its_code(host, play, project):
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    commit = subprocess.run(["git", "-C", project, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    # Left aside by a start that was killed.
    host.run(f"mkdir -p {WORK}/runs/speech/.new/project", user="ubuntu")
    deploy(play, host, project, script="train.py", session="speech", arguments=["stay"])
    first = run_of(host, "speech")
    wait_for(lambda: "model first in project ['stay']" in host.run(["cat", f"{first}/training.log"]).stdout, "the first lines")
    record = json.loads(host.run(["cat", f"{first}/run.json"]).stdout)
    assert record["project"] == {"path": str(project), "files": 6, "commit": commit, "dirty": False}
    sent = host.run(f"cd {first}/project && find . -type f ! -path '*/__pycache__/*' | LC_ALL=C sort; stat -c '%a %U' 'run it.sh'")
    sent = sent.stdout.splitlines()
    assert sent == ["./.gitignore", "./kept.log", "./package/__init__.py", "./package/model.py", "./run it.sh", "./train.py", "755 ubuntu"]
    assert host.run(f"ls -A {WORK}/runs/speech | grep '^.new'", check=False).stdout == ""
    assert "✓ checkpoint: " + f"{WORK}/checkpoints/first.keras" in monitor(play, host, "speech").stdout

    # A second deploy sends nothing and changes nothing under the live run.
    (project / "package" / "model.py").write_text("NAME = 'other'\n")
    (project / "kept.log").unlink()
    before = host.tree(f"{first}/project")
    again = deploy(play, host, project, script="train.py", session="speech", arguments=[])
    assert "was left alone" in said(again) and again.recap[host.name]["changed"] == 0
    assert host.tree(f"{first}/project") == before

    deploy(play, host, project, script="train.py", session="speech", arguments=[], restart=True)
    second = run_of(host, "speech")
    wait_for(lambda: "ended" in state(host, "speech"), "the end")
    assert "model other in project []" in host.run(["cat", f"{second}/training.log"]).stdout
    assert json.loads(host.run(["cat", f"{second}/run.json"]).stdout)["project"]["dirty"] is True
    assert host.run(["cat", f"{first}/project/package/model.py"]).stdout == "NAME = 'first'\n"
    assert host.run(["ls", f"{first}/project/kept.log"]).returncode == 0
    assert host.run(["ls", f"{second}/project/kept.log"], check=False).returncode != 0


def test_a_command_of_a_folder_that_git_does_not_keep(host, play, project):
    deploy(play, host, project, command=["./run it.sh"], arguments=["x y"], session="plain")
    wait_for(lambda: "ended" in state(host, "plain"), "the end")
    assert "model first in project ['x y']" in host.run(["cat", f"{run_of(host, 'plain')}/training.log"]).stdout
    names = host.run(["ls", "-A", f"{run_of(host, 'plain')}/project"]).stdout.split("\n")
    assert "kept.log" in names and "left.log" not in names and "data" not in names


def test_an_old_run_goes_with_its_copy_unless_the_training_wrote_there(host, play, project):
    for session, writes in (("clean", False), ("wrote", True)):
        (project / "train.py").write_text("open('result.csv', 'w').write('1')\n" if writes else "import package.model\n")
        for _turn in range(3):
            deploy(play, host, project, script="train.py", session=session, arguments=[], keep_runs=1)
            wait_for(lambda name=session: "ended" in state(host, name), "the end")
        runs = host.run(f"ls -d {WORK}/runs/{session}/2*").stdout.split()
        assert len(runs) == (3 if writes else 2)


@pytest.mark.parametrize(("variables", "words"), [
    ({"project": "/nowhere", "script": "train.py"}, "deploy_training_project '/nowhere' is not a folder on the controller"),
    ({"script": "gone.py"}, "deploy_training_script 'gone.py' is not there on the controller"),
    ({"script": "left.py"}, "'left.py' is not among the files of deploy_training_project"),
    ({"command": ["./left.py", "x"]}, "'./left.py' is not among the files of deploy_training_project"),
    ({"script": "train.py", "virtualenv": "/opt/none"}, "the virtual environment /opt/none is not there"),
], ids=["folder", "script", "ignored", "command", "host"])  # fmt: skip
def test_what_cannot_be_started_sends_nothing(host, play, project, variables, words):
    (project / "left.py").write_text("")
    (project / ".gitignore").write_text("left.py\n")
    result = deploy(play, host, variables.pop("project", project), rc=2, session="bad", **variables)
    assert words in said(result)
    assert host.run(f"ls -d {WORK}/runs/bad", check=False).returncode != 0


def test_another_training_user_gets_it_without_rsync(host, play, project):
    host.lay_out("--features", "/srv/old", "--crema-d", "6", "--owner", "trainer")
    host.run(["mv", "/usr/bin/rsync", "/usr/bin/rsync.away"])
    result = play(host, "deploy_training.yml", {
        "prepare_features_sets": [{"name": "old", "target": "/data/old", "legacy": ["/srv/old"]}], "prepare_features_user": "trainer",
        "deploy_training_project": str(project), "deploy_training_script": "train.py", "deploy_training_virtualenv": ""})
    assert result.rc == 0, result.stdout
    home = "/home/trainer/emotion_recognition"
    wait_for(lambda: "ended" in state(host, "attn_crnn_v2", "trainer", home), "the end")
    assert "model first in project" in host.run(f"cat {home}/runs/attn_crnn_v2/latest/training.log").stdout
    assert host.run(f"find {home} ! -user trainer").stdout == ""


def test_each_host_of_a_play_knows_its_place(host, start_host, play, project):
    other = start_host("second", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    deploy(play, [host, other], project, session="nodes", arguments=[], command="echo $NODE_RANK of $NNODES at $MASTER_ADDR",
           environment={"MASTER_ADDR": "{{ ansible_play_hosts_all[0] }}.example.org"})
    for rank, one in enumerate((host, other)):
        wait_for(lambda one=one: "ended" in state(one, "nodes"), "the end")
        assert one.run(["cat", f"{run_of(one, 'nodes')}/training.log"]).stdout == f"{rank} of 2 at {host.name}.example.org\n"


def recipe():
    """The guide's tasks: sending the list, an environment by pip, one by uv."""
    page = (REPOSITORY / "docs/docsite/rst/guide_own_training.rst").read_text()
    blocks = [block.split("\n\n")[1] for block in page.partition("from requirements.txt")[2].split(".. code-block:: yaml")[1:3]]
    (send, *pip), uv = yaml.safe_load(blocks[0])["pre_tasks"], yaml.safe_load(blocks[1])
    return send, pip, uv


def make_wheel(folder):
    """A package of one module, as a wheel."""
    info = "speechlib-1.0.dist-info"
    with zipfile.ZipFile(folder / "speechlib-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("speechlib.py", "NAME = 'installed'\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: speechlib\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"speechlib.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_the_guide_s_environment_from_requirements(start_host, play, tmp_path, tool):
    host = start_host(f"venv-{tool}")
    send, pip, uv = recipe()
    make_wheel(tmp_path)
    host.run("mkdir /opt/wheels")
    host.put(tmp_path / "speechlib-1.0-py3-none-any.whl", "/opt/wheels/")
    # No package index is needed: the list says where its packages are.
    (tmp_path / "requirements.txt").write_text("--no-index\n--find-links /opt/wheels\nspeechlib==1.0\n")
    send["ansible.builtin.copy"]["src"] = str(tmp_path / "requirements.txt")
    if tool == "uv":
        host.put(REPOSITORY / ".venv/bin/uv", "/usr/local/bin/uv")
    else:
        give_venv(host)
    script = tmp_path / "train.py"
    script.write_text("import sys, speechlib\nprint(speechlib.NAME, sys.prefix)\n")
    start = {"trainprep.features.training_run": {"script": str(script), "virtualenv": "/opt/speech", "session": "venv", "settle": 10}}
    book = [{"hosts": "all", "gather_facts": False, "pre_tasks": [send, *(pip if tool == "pip" else uv)], "tasks": [start]}]
    first = play(host, book)
    assert first.rc == 0, first.stdout
    assert host.run(["cat", f"{WORK}/runs/venv/latest/training.log"]).stdout == "installed /opt/speech\n"
    # Nothing is installed again.
    again = play(host, [{**book[0], "tasks": []}])
    assert again.rc == 0 and again.recap[host.name]["changed"] == 0, again.stdout


def give_venv(host):
    """Install python3-venv and python3-setuptools, or take them from the tests' own Python if its version is the host's."""
    install = "apt-get install -y --no-install-recommends python3-venv python3-setuptools"
    done = host.run(f"{install} || {{ apt-get update -q && {install}; }}", check=False)
    if done.returncode:
        wanted = host.run(["python3", "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"]).stdout.strip()
        assert wanted == "python%d.%d" % sys.version_info[:2], done.stderr
        host.put(Path(ensurepip.__file__).parent, f"/usr/lib/{wanted}/ensurepip")
        host.run(f"python3 -m zipfile -e /usr/lib/{wanted}/ensurepip/_bundled/setuptools-*.whl /usr/lib/python3/dist-packages")
