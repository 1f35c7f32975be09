# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other system tests rest on: that hosts are real and executions counted right."""

from __future__ import annotations


def test_a_play_over_ssh_is_counted_and_its_events_are_read(ssh_host, play):
    tasks = [
        {"name": "One", "ansible.builtin.command": {"cmd": "id -un"}, "changed_when": True},
        {"name": "Two", "ansible.builtin.command": {"cmd": "id -un"}, "become": True, "changed_when": False},
        {"name": "Three", "ansible.builtin.debug": {"msg": "local"}},
    ]
    result = play(ssh_host, [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    assert result.rc == 0, result.stdout
    assert [(e["event"], e["task"], e["result"].get("stdout")) for e in result.events] == [
        ("changed", "One", "ubuntu"), ("ok", "Two", "root"), ("ok", "Three", None)]
    assert result.ssh_executions == {ssh_host.name: 2}, result.ssh_commands
    assert result.recap[ssh_host.name]["changed"] == 1


def test_a_host_without_a_tool_lacks_it(start_host):
    assert start_host("bare", without=["acl", "rsync"]).ssh("command -v setfacl rsync", check=False).returncode != 0


def test_the_layout_is_what_numpy_writes(ssh_host):
    ssh_host.lay_out("--root", "/", "--scale", "small", "--owner", "ubuntu")
    shapes = ssh_host.ssh("""python3 -c '
import glob, numpy
files = sorted(glob.glob("/home/ubuntu/emotion_project/wav2vec_features/*.npz"))
with numpy.load(files[0]) as archive:
    print(len(files), sorted((n, str(archive[n].dtype), archive[n].shape[1:]) for n in archive.files))
'""").stdout
    assert shapes.strip() == ("32 [('emotion', '<U3', ()), ('emotion_class', 'int64', ()), "
                              "('label', 'float64', ()), ('wav2vec_features', 'float32', (768,))]")
