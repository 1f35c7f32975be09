# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to become root, with and without a password, and other login shells: link and upload work, no password shows anywhere."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import Host
from tests.support.image import ensure_become_image, install
from tests.support.layout import crema_d_names, write_features
from tests.support.trainings import wait_for
from tests.support.uploads import ARRAYS, ROLE, feature_set, role_variables

FILES = 12
SECRET = "becomesecret4711"
SUDO = "echo 'ubuntu ALL=(ALL) {}' > /etc/sudoers.d/ubuntu; chmod 440 /etc/sudoers.d/ubuntu"
# How the host is prepared, and what the inventory says.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "sudo with a password": (SUDO.format("ALL"), {}),
    "su": (":", {"ansible_become_method": "su"}),
    "doas": ("umask 377; echo 'permit ubuntu as root' > /etc/doas.conf", {"ansible_become_method": "community.general.doas"}),
    "sudo su -": (SUDO.format("ALL"), {"ansible_become_method": "community.general.sudosu"}),
    "requiretty and use_pty": (
        SUDO.format("ALL") + "; echo 'Defaults:ubuntu requiretty, use_pty' >> /etc/sudoers.d/ubuntu", {"ansible_pipelining": False},
    ),
    "sudo, fish as login shell": (SUDO.format("ALL") + "; chsh -s /usr/bin/fish ubuntu", {}),
    "SSH and sudo with a password": (
        SUDO.format("ALL") + "; sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/' /etc/ssh/sshd_config.d/tests.conf"
        " && pkill -HUP -o sshd",
        {"ansible_password": SECRET, "ansible_ssh_extra_args": "-o PubkeyAuthentication=no"},
    ),
    "su, tcsh as login shell": ("chsh -s /bin/tcsh ubuntu", {"ansible_become_method": "su"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("source")
    write_features(directory, crema_d_names(FILES))
    return directory


@pytest.fixture(scope="module")
def passworded(start_host):
    """Hosts whose accounts root and ubuntu have the secret as password."""
    image = ensure_become_image()
    install({"sshpass": "sshpass"})

    def start(setup: str) -> Host:
        host = start_host("become", image=image)
        host.run("chpasswd", input=f"root:{SECRET}\nubuntu:{SECRET}\n")
        host.run(setup)
        return host

    return start


class Watched:
    """All that processes of the host and of this machine show while a play runs."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.here = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watched:
        # What a process' environment holds counts too. The watcher finds itself by no secret: it is told none.
        self.host.run("setsid sh -c 'while test ! -e /stop; do ps axww -o args; cat /proc/[0-9]*/environ; sleep 0.02; done'"
                      " >/seen 2>/dev/null </dev/null &")  # fmt: skip
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.host.run("touch /stop; sleep 0.2")

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.here += path.read_bytes().replace(b"\0", b" ").decode(errors="replace") + "\n"

    def check(self) -> None:
        assert SECRET not in self.here
        seen = self.host.run(["cat", "/seen"]).stdout
        assert "--server" in seen, "an rsync was seen at work"
        assert SECRET not in seen
        found = self.host.run(f"grep -rsl --exclude-dir=proc --exclude-dir=sys {SECRET} / || true").stdout
        assert found == "", found


def variables(place: Path, source: Path, more: dict[str, Any]) -> list[str]:
    """One set that is linked, one that is uploaded, and the inventory's variables, in a file: no command line shows the password."""
    sets = [feature_set(source), {"name": "old", "target": "/data/old", "legacy": ["/home/ubuntu/old"], "arrays": ARRAYS}]
    file = place / "variables.json"
    file.write_text(json.dumps({**role_variables(*sets), "ansible_become_password": SECRET, **more}))
    return ["-e", f"@{file}"]


@pytest.mark.parametrize("way", WAYS)
def test_link_and_upload_work_and_no_password_shows(passworded, play, source, tmp_path, way):
    setup, more = WAYS[way]
    host = passworded(setup)
    host.lay_out("--features", "/home/ubuntu/old", "--ravdess", "3", "--owner", "ubuntu")
    arguments = variables(tmp_path, source, more)
    with Watched(host) as watched:
        result = play(host, ROLE, args=[*arguments, "-vvvvv"])
    assert result.rc == 0, result.stdout[-3000:]
    assert SECRET not in result.stdout
    watched.check()
    done = result.results(host, "trainprep.features.feature_upload")[-1]["result"]["sets"]["wav"]
    assert done["sent"] == done["published"] == FILES
    assert host.run("stat -c '%U %a' /data/wav /data/old; ls -A /data").stdout == "ubuntu 755\nubuntu 755\nold\nwav\n"
    assert host.run("find /data/wav -type f -user ubuntu | wc -l; find /data/old -type l | wc -l").stdout == f"{FILES}\n3\n"
    again = play(host, ROLE, args=arguments)
    assert again.rc == 0 and again.recap[host.name]["changed"] == 0, again.stdout


def test_a_training_belongs_to_the_connecting_user_whoever_root_is_by(passworded, play, tmp_path):
    """With su nothing on the host says who connected."""
    host = passworded(":")
    host.lay_out("--features", "/home/ubuntu/old", "--ravdess", "3", "--owner", "ubuntu")
    script = tmp_path / "train.py"
    script.write_text("import getpass\nprint('Epoch 1/1', getpass.getuser(), flush=True)\n")
    more = {"ansible_become_method": "su", "deploy_training_script": str(script), "deploy_training_args": []}
    more |= {"deploy_training_virtualenv": "", "deploy_training_dir": "~/train"}
    more |= {"deploy_training_session": "su", "monitor_training_session": "su"}
    sets = [{"name": "old", "target": "/data/old", "legacy": ["/home/ubuntu/old"], "arrays": ARRAYS}]
    file = tmp_path / "variables.json"
    file.write_text(json.dumps({**role_variables(*sets), "ansible_become_password": SECRET, **more}))
    deployed = play(host, "deploy_training.yml", args=["-e", f"@{file}", "-vvvvv"])
    assert deployed.rc == 0, deployed.stdout[-3000:]
    wait_for(lambda: host.run("cat /home/ubuntu/train/runs/su/latest/state.json", check=False).stdout.count("exit_code"), "the end")
    monitored = play(host, "monitor_training.yml", args=["-e", f"@{file}", "-vvvvv"])
    assert monitored.rc == 0, monitored.stdout[-3000:]
    assert SECRET not in deployed.stdout + monitored.stdout
    assert host.run("find /home/ubuntu/train /data/old -mindepth 1 -not -user ubuntu; ls -A /root | grep -c train || true").stdout == "0\n"
    assert "Epoch 1/1 ubuntu\n" in host.run("grep -rhs 'Epoch 1/1' /home/ubuntu/train/runs").stdout


def test_over_docker_s_connection_linking_works_and_uploading_says_what_to_do(ssh_host, play, source, tmp_path):
    ssh_host.lay_out("--features", "/home/ubuntu/docked", "--ravdess", "3", "--owner", "ubuntu")
    line = f"{ssh_host.name} ansible_connection=community.docker.docker ansible_user=ubuntu ansible_python_interpreter=/usr/bin/python3"
    (tmp_path / "inventory.ini").write_text(line + "\n")
    old = {"name": "docked", "target": "/data/docked", "legacy": ["/home/ubuntu/docked"], "arrays": ARRAYS}
    linked = play(tmp_path / "inventory.ini", ROLE, role_variables(old))
    assert linked.rc == 0, linked.stdout
    assert ssh_host.run("stat -c %U /data/docked; ls /data/docked | wc -l").stdout == "ubuntu\n3\n"
    before = ssh_host.tree("/data")
    for check in (True, False):
        refused = play(tmp_path / "inventory.ini", ROLE, role_variables(old, feature_set(source, "/data/sent")), check=check)
        (event,) = [event for event in refused.results(ssh_host) if event["event"] == "failed"]
        assert "rsync cannot upload over the connection 'community.docker.docker'" in event["result"]["msg"]
        assert "s3://bucket/prefix" in event["result"]["msg"] and "connect by SSH" in event["result"]["msg"]
    assert ssh_host.tree("/data") == before


def test_a_wrong_password_changes_nothing(passworded, play, source, tmp_path):
    host = passworded(SUDO.format("ALL"))
    before = host.tree()
    result = play(host, ROLE, args=[*variables(tmp_path, source, {"ansible_become_password": f"not-{SECRET}"}), "-vvvvv"])
    assert result.rc != 0 and "Traceback" not in result.stdout
    assert f"not-{SECRET}" not in result.stdout and host.tree() == before


def test_another_user_than_root_is_one_message_that_names_the_variable(ssh_host, play, source, tmp_path):
    before = ssh_host.tree()
    result = play(ssh_host, ROLE, args=variables(tmp_path, source, {"ansible_become_user": "trainer"}))
    messages = [event["result"]["msg"] for event in result.results(ssh_host) if event["event"] == "failed"]
    assert result.rc == 2 and len(messages) == 1, result.stdout
    assert messages[0].startswith("ansible_become_user is 'trainer', and the role needs root") and ssh_host.tree() == before


def test_without_become_everything_is_the_connecting_user_s(ssh_host, play, source):
    one = feature_set(source, "/home/ubuntu/wav")
    result = play(ssh_host, ROLE, role_variables(one, prepare_features_become=False))
    assert result.rc == 0, result.stdout
    assert ssh_host.run("stat -c '%U %a' /home/ubuntu/wav; ls /home/ubuntu/wav | wc -l").stdout == f"ubuntu 755\n{FILES}\n"
