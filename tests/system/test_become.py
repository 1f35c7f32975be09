# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to become root, with and without a password, other login shells, other userlands: the whole job works, no password shows."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import Host
from tests.support.image import ensure_other_image, install
from tests.support.layout import crema_d_names, write_features
from tests.support.parts import part
from tests.support.peers import OLD, digests, inventory, left_behind, origins
from tests.support.peers import variables as peer_variables
from tests.support.uploads import ARRAYS, ROLE, feature_set, role_variables
from tests.support.waiting import wait_for

FILES = 12
SECRET = f"becomesecret{os.getpid()}"  # another run on this machine has another one
SUDO = "echo 'ubuntu ALL=(ALL) {}' > /etc/sudoers.d/ubuntu; chmod 440 /etc/sudoers.d/ubuntu"
DOAS = ("umask 377; echo 'permit ubuntu as root' > /etc/doas.conf", {"ansible_become_method": "community.general.doas"})
# The image, how the host is prepared, and what the inventory says.
WAYS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sudo with a password": ("become", SUDO.format("ALL"), {}),
    "su": ("become", ":", {"ansible_become_method": "su"}),
    "doas": ("become", *DOAS),
    "sudo su -": ("become", SUDO.format("ALL"), {"ansible_become_method": "community.general.sudosu"}),
    "requiretty and use_pty": (
        "become",
        SUDO.format("ALL") + "; echo 'Defaults:ubuntu requiretty, use_pty' >> /etc/sudoers.d/ubuntu",
        {"ansible_pipelining": False},
    ),
    "sudo, fish as login shell": ("become", SUDO.format("ALL") + "; chsh -s /usr/bin/fish ubuntu", {}),
    "SSH and sudo with a password": (
        "become",
        SUDO.format("ALL") + "; sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/' /etc/ssh/sshd_config.d/tests.conf"
        " && pkill -HUP -o sshd",
        {"ansible_password": SECRET, "ansible_ssh_extra_args": "-o PubkeyAuthentication=no"},
    ),
    "su, tcsh as login shell": ("become", "chsh -s /bin/tcsh ubuntu", {"ansible_become_method": "su"}),
    "busybox, sudo with a password": ("busybox", SUDO.format("ALL"), {}),
    "busybox, doas": ("busybox", *DOAS),
    "as Rocky, sudo with a password": ("el", ":", {}),
}  # fmt: skip
# Says who trains, and leaves what can be fetched; long and large enough to be seen at work.
WEIGHTS = 32 << 20
SCRIPT = f"""import getpass, os, time
os.makedirs("checkpoints", exist_ok=True)
print("Epoch 1/1 - loss: 0.5", getpass.getuser(), flush=True)
open("checkpoints/best_model.pt", "wb").write(os.urandom({WEIGHTS}))
time.sleep(2)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("source")
    write_features(directory, crema_d_names(FILES))
    return directory


@pytest.fixture(scope="module")
def passworded(start_host):
    """Hosts whose accounts root and ubuntu have the secret as password."""
    install({"sshpass": "sshpass"})

    def start(setup: str, kind: str = "become") -> Host:
        host = start_host(kind, image=ensure_other_image(kind), shell="sh")
        host.run("chpasswd", input=f"root:{SECRET}\nubuntu:{SECRET}\n")
        host.run(setup)
        return host

    return start


# Everything that processes of the host show: command lines and environments. It knows no secret itself, so it never finds its own process.
WATCH = "while test ! -e /stop; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '; sleep 0.05; done"
# Small transfers end within a moment: rsync begins once it was seen.
LINGER = r"""real=$(command -v rsync) && mv $real $real.real && cat > $real <<'END' && chmod 755 $real
#!/bin/sh
for word in "$@"; do
  tries=0
  case $word in --server | --sender)
    until grep -aq -e $word /seen || test $tries -ge 600; do tries=$((tries + 1)); sleep 0.1; done ;;
  esac
done
exec $0.real "$@"
END"""
# The files of the host that contain the secret.
SEARCH = """
import os, sys
secret = sys.argv[1].encode()
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if folder + name not in ("/proc", "/sys", "/dev")]
    for path in (os.path.join(folder, name) for name in files):
        if os.path.isfile(path) and not os.path.islink(path) and secret in open(path, "rb").read():
            print(path)
"""


class Watched:
    """All that processes of the host show while plays run, and what those of this machine show of the secret."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.here = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watched:
        self.host.run(LINGER)
        self.host.run(f"setsid sh -c \"{WATCH}\" >/seen 2>/dev/null </dev/null &")
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.host.run("touch /stop; sleep 0.2")

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    words = path.read_bytes()
                    self.here += words.decode(errors="replace") if SECRET.encode() in words else ""

    def check(self) -> None:
        assert self.here == ""
        for words in ("--server", "--sender", "train.py"):
            self.host.run(["grep", "-aq", "-e", words, "/seen"])  # an upload, a fetch and the training were seen at work
        found = self.host.run(["python3", "-c", SEARCH, SECRET]).stdout
        assert found == "", found


def variables(place: Path, source: Path, more: dict[str, Any]) -> list[str]:
    """One set that is linked, one that is uploaded, and the inventory's variables, in a file: no command line shows the password."""
    sets = [feature_set(source), {"name": "old", "target": "/data/old", "legacy": ["/home/ubuntu/old"], "arrays": ARRAYS}]
    file = place / "variables.json"
    file.write_text(json.dumps({**role_variables(*sets), "ansible_become_password": SECRET, **more}))
    return ["-e", f"@{file}"]


def training(place: Path) -> dict[str, Any]:
    """A training in a folder of the connecting user's, whose results are fetched."""
    (place / "train.py").write_text(SCRIPT)
    deployed = {"script": str(place / "train.py"), "args": [], "virtualenv": "", "dir": "~/train", "session": "who", "settle": 5}
    return {**{f"deploy_training_{name}": value for name, value in deployed.items()}, "monitor_training_fetch_dir": str(place / "results")}


# Together they have each program, each kind of shell, and each userland but Rocky's.
SHORT = ("SSH and sudo with a password", "su, tcsh as login shell", "requiretty and use_pty", "busybox, doas")


@pytest.mark.parametrize("way", part(WAYS, *SHORT))
def test_link_upload_deploy_and_monitor_work_and_no_password_shows(passworded, play, source, tmp_path, way):
    kind, setup, more = WAYS[way]
    host = passworded(setup, kind)
    host.lay_out("--features", "/home/ubuntu/old", "--ravdess", "3", "--owner", "ubuntu")
    arguments = variables(tmp_path, source, {**more, **training(tmp_path)})
    with Watched(host) as watched:
        deployed = play(host, "deploy_training.yml", args=[*arguments, "-vvvvv"])
        assert deployed.rc == 0, deployed.stdout[-3000:]
        ended = "/home/ubuntu/train/runs/who/latest/state.json"
        wait_for(lambda: "exit_code" in host.run(["cat", ended], check=False).stdout, "the training's end")
        monitored = play(host, "monitor_training.yml", args=[*arguments, "-e", "monitor_training_follow=true", "-vvvvv"])
        assert monitored.rc == 0, monitored.stdout[-3000:]
    assert SECRET not in deployed.stdout + monitored.stdout
    watched.check()
    done = deployed.results(host, "trainprep.features.feature_upload")[-1]["result"]["sets"]["wav"]
    assert done["sent"] == done["published"] == FILES
    assert host.run("stat -c '%U %a' /data/wav /data/old; ls -A /data").stdout == "ubuntu 755\nubuntu 755\nold\nwav\n"
    assert host.run("find /data/wav -type f -user ubuntu | wc -l; find /data/old -type l | wc -l").stdout == f"{FILES}\n3\n"
    # Whoever root is by: with su nothing on the host says who connected.
    assert host.run("find /home/ubuntu/train /data/old -mindepth 1 ! -user ubuntu; ls -A /root").stdout.count("train") == 0
    [run] = (tmp_path / "results" / host.name / "who").iterdir()
    assert "Epoch 1/1 - loss: 0.5 ubuntu\n" in (run / "training.log").read_text()
    assert (run / "checkpoints" / "best_model.pt").stat().st_size == WEIGHTS
    again = play(host, ROLE, args=arguments)
    assert again.rc == 0 and again.recap[host.name]["changed"] == 0, again.stdout


@pytest.mark.parametrize("way", ["sudo with a password", "su"])
def test_hosts_hand_features_to_each_other_and_no_password_shows(passworded, play, source, tmp_path, way):
    kind, setup, more = WAYS[way]
    full, empty = passworded(setup, kind), passworded(setup, kind)
    full.put(source, OLD, "ubuntu:ubuntu")
    file = tmp_path / "variables.json"
    file.write_text(json.dumps({**peer_variables(), "ansible_become_password": SECRET, **more}))
    result = play(inventory(tmp_path / "hosts.json", [full, empty]), ROLE, args=["-e", f"@{file}", "-vvvvv"])
    assert result.rc == 0, result.stdout[-3000:]
    assert SECRET not in result.stdout
    assert origins(result, [empty]) == [full.name] and digests(empty) == digests(full)
    for host in (full, empty):
        assert left_behind(host) == "" and host.run(["python3", "-c", SEARCH, SECRET]).stdout == ""


def test_over_docker_links_work_and_an_upload_advises_ssh(ssh_host, play, source, tmp_path):
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
