# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upload outlives the session that started its receiver, if logind ends all that a session leaves behind."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.support.layout import crema_d_names, write_features
from tests.support.uploads import Background, feature_set, role_variables
from tests.support.waiting import wait_for

FILES = 12
# The user becomes root by machinectl without a password.
RULE = """polkit.addRule(function(action, subject) {
    if (action.id == "org.freedesktop.machine1.host-shell" && subject.user == "ubuntu") { return polkit.Result.YES; }
});
"""


@pytest.fixture(scope="module")
def host(start_host):
    started = start_host("systemd", systemd=True)
    started.run("mkdir -p /etc/systemd/logind.conf.d && printf '[Login]\\nKillUserProcesses=yes\\nUserStopDelaySec=0\\n'"
                " > /etc/systemd/logind.conf.d/kill.conf && systemctl restart systemd-logind")  # fmt: skip
    started.run("mkdir -p /etc/polkit-1/rules.d && cat > /etc/polkit-1/rules.d/60-ubuntu.rules && systemctl restart polkit", input=RULE)
    return started


def sessions(host):
    return set(host.run("loginctl list-sessions --no-legend").stdout.splitlines())


def end_connections(hosts):
    """Those that Ansible keeps open; rsync has its own."""
    subprocess.run(["pkill", "-f", rf"^ssh: {hosts.scratch}/cp/.* \[mux\]"], check=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    directory = tmp_path_factory.mktemp("source")
    write_features(directory, crema_d_names(FILES), dense=True)
    return directory


def test_logind_ends_what_a_session_leaves(host):
    # So that the test below can fail.
    host.ssh("sudo setsid sleep 901 >/dev/null 2>&1 &")
    wait_for(lambda: host.run("pgrep -f '^sleep 901'", check=False).returncode != 0, "logind to end it")


# What machinectl needs: Ansible looks for it in its configuration alone, not in variables.
TTY = {"ANSIBLE_SSH_EXTRA_ARGS": "-tt"}


@pytest.mark.parametrize(
    ("target", "more", "env"),
    [
        ("/data/wav", {}, {}),
        ("/home/ubuntu/shared/wav", {}, {}),
        ("/home/ubuntu/wav", {"prepare_features_become": False}, {}),
        ("/data/machinectl", {"ansible_become_method": "community.general.machinectl"}, TTY),
    ],
    ids=["sudo", "sudo, the user's directory", "without root", "machinectl"],
)
def test_an_upload_outlives_the_session_that_started_its_receiver(host, hosts, source, target, more, env):
    kilobytes = sum(path.stat().st_size for path in source.iterdir()) // 1024
    limit = [f"--bwlimit={max(1, kilobytes // 6)}"]
    variables = role_variables(feature_set(source, target), prepare_features_rsync_opts=limit, **more)
    run = Background(hosts, host, variables, env={"ANSIBLE_SSH_CONTROL_PATH_DIR": f"{hosts.scratch}/cp", **env})
    assert run.wait_for(lambda: run.sent > 0, "the first file"), run.end()[1]
    assert run.send_signal(signal.SIGSTOP, "rsync") > 0, "the upload lasts until the session has ended"
    try:
        first = sessions(host)
        end_connections(hosts)
        assert run.wait_for(lambda: bool(first - sessions(host)), "the end of Ansible's session"), run.end()[1]
        assert run.sent < FILES, "the session ended during the upload"
    finally:
        run.send_signal(signal.SIGCONT, "rsync")
    code, output = run.end()
    assert code == 0, output
    assert host.run(f"find {target} -name '*.npz' -user ubuntu | wc -l").stdout == f"{FILES}\n"
    wait_for(lambda: "trainprep-upload" not in host.run("systemctl list-units --no-legend --type=scope").stdout, "the scope's end")
