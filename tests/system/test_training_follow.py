# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a long log over a connection that drops; hosts without features; what the example trainer learns."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.hosts import REPOSITORY
from tests.support.trainings import EXAMPLE, monitor
from tests.support.waiting import background, limit, wait_for

LINES = 40_000
LONG = f"""
import os, time
for i in range({LINES}):
    print('line %06d: nothing of note here, only a long line as trainings like to write them' % i, flush=i % 100 == 0)
    if i % 500 == 0:
        print('Epoch %d/200 - loss: 1.0' % (i // 500), flush=True)
        time.sleep(0.1)
    while i == {LINES // 2} and not os.path.exists('seen'):  # so that it lives until a connection was cut
        time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def host(start_host):
    return start_host("follow", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])


def test_following_shows_each_line_once_in_order_across_dropped_connections(host, play, hosts, tmp_path):
    script = tmp_path / "long.py"
    script.write_text(LONG)
    deployed = play(host, "deploy_training.yml", {
        "deploy_training_script": str(script), "deploy_training_session": "long", "deploy_training_virtualenv": ""})
    assert deployed.rc == 0, deployed.stdout

    scratch = hosts.scratch / "long"
    scratch.mkdir()
    inventory = scratch / "inventory.ini"
    inventory.write_text(host.inventory_line + "\n")
    output = scratch / "output"
    command = [REPOSITORY / ".venv/bin/ansible-playbook", "-i", inventory, "monitor_training.yml", "-e",
               "monitor_training_session=long monitor_training_follow=true monitor_training_filter=all"]

    def lost():
        return output.read_text().count("connection lost")

    def cut(process, before):
        # Between two pieces a new connection is made without a word: cut until one was in use.
        host.run("pkill -9 -u ubuntu -x sshd", check=False)
        return lost() > before or process.poll() is not None

    with output.open("w") as stream, background(
        command, cwd=REPOSITORY, env=hosts.environment(scratch), stdout=stream, stderr=subprocess.STDOUT
    ) as process:
        for _drop in range(2):
            size, before = output.stat().st_size, lost()
            wait_for(lambda size=size: output.stat().st_size > size + 100_000 or process.poll() is not None, "more lines")
            wait_for(lambda before=before: cut(process, before), "the loss to be seen")
            host.run("touch ~/emotion_recognition/seen", user="ubuntu")
        assert process.wait(timeout=limit(600)) == 0, output.read_text()[-3000:]
    assert lost()
    text = output.read_text()
    lines = re.findall(r"^line (\d{6}):", text, re.MULTILINE)
    assert lines == [f"{number:06d}" for number in range(LINES)]
    assert "✓ last run: succeeded (exit code 0)" in text

    # The filter is applied on the host; nothing that passes it is lost either.
    filtered = monitor(play, host, "long", follow=True, filter="training", lines=0)
    assert filtered.rc == 0, filtered.stdout
    epochs = re.findall(r"^Epoch (\d+)/200 - loss", filtered.stdout, re.MULTILINE)
    assert epochs == [str(number) for number in range(LINES // 500)]
    assert "nothing of note" not in filtered.stdout


def test_a_host_with_no_features_starts_nothing(start_host, play):
    bare = start_host("bare", without=["tmux"])
    result = play(bare, "deploy_training.yml", {"deploy_training_script": EXAMPLE})
    assert result.rc == 2
    assert bare.run("ls -A /home/ubuntu/emotion_recognition", check=False).returncode != 0
    checked = monitor(play, bare)
    assert checked.rc == 2
    assert "never started" in checked.stdout
    assert "WAV2VEC feature files found: 0\n" in checked.stdout

    # With features, tmux is what lacks.
    bare.lay_out("--features", "/data/wav2vec_crema_d", "--crema-d", "3", "--owner", "ubuntu")
    result = play(bare, "deploy_training.yml", {"deploy_training_script": EXAMPLE, "deploy_training_virtualenv": ""})
    assert result.rc == 2
    assert "tmux is not installed on this host: install it" in result.stdout


def test_the_example_learns_and_skips_what_it_cannot_read(host):
    host.python("""
import numpy, os
chooser = numpy.random.default_rng(1)
os.makedirs("/tmp/learn", exist_ok=True)
centres = chooser.normal(size=(6, 768))
for number in range(120):
    kind = number % 6
    frames = (centres[kind] + chooser.normal(size=(20, 768))).astype("float32")
    numpy.savez("/tmp/learn/%03d.npz" % number, wav2vec_features=frames, label=numpy.eye(6)[kind], emotion="ANG")
open("/tmp/learn/broken.npz", "w").write("no archive")
numpy.savez("/tmp/learn/video.npz", video_features=numpy.zeros((57, 512), "float32"))
""")
    host.run("chmod -R a+rX /tmp/learn")
    host.put(REPOSITORY / EXAMPLE, "/tmp/example.py")
    shown = host.run("mkdir -p ~/learn && cd ~/learn && python3 /tmp/example.py --data_dirs /tmp/learn /tmp/none --epochs 20",
                     user="other").stdout
    assert "Loaded 120 feature files" in shown
    assert re.findall(r"^Skipping (\S+):", shown, re.MULTILINE) == ["/tmp/learn/broken.npz", "/tmp/learn/video.npz"]
    assert "/tmp/none: 0 feature files" in shown
    accuracies = [float(value) for value in re.findall(r"val_accuracy: ([\d.]+)", shown)]
    assert accuracies[-1] >= 0.9


BARS = r"""
import os, sys, time
for epoch in range(1, 5):
    print('Epoch %d/4' % epoch, flush=True)
    while epoch == 3 and not os.path.exists('seen'):
        time.sleep(0.2)
    for step in range(1, 60001 if epoch == 2 else 4):  # the second bar is longer than what is read at once
        sys.stdout.write('\r%3d%%|%s| %d/9 [00:01<00:00, loss=%.3f]' % (step, '#' * 40, step, 2.0 / step))
    sys.stdout.write('\n')
    for step in range(1, 4):
        sys.stdout.write('%d/3 - loss: %.1f' % (step, 9.0 / step) + '\b' * 14)
    print('3/3 - 1s - loss: %.1f - val_loss: %d.5' % (epoch, epoch), flush=True)
"""


@pytest.mark.parametrize("which", ["all", "training"])
def test_progress_bars_are_one_line_each_with_the_expected_end(host, play, hosts, tmp_path, which):
    script = tmp_path / "bars.py"
    script.write_text(BARS)
    host.run("rm -f ~/emotion_recognition/seen", user="ubuntu")
    deployed = play(host, "deploy_training.yml", {
        "deploy_training_script": str(script), "deploy_training_session": "bars", "deploy_training_virtualenv": ""})
    assert deployed.rc == 0, deployed.stdout
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(host.inventory_line + "\n")
    output = tmp_path / "output"
    command = [REPOSITORY / ".venv/bin/ansible-playbook", "-i", inventory, "monitor_training.yml", "-e", "monitor_training_session=bars"
               f" monitor_training_follow=true monitor_training_filter={which} monitor_training_lines=0"]
    with output.open("w") as stream, background(
        command, cwd=REPOSITORY, env=hosts.environment(tmp_path), stdout=stream, stderr=subprocess.STDOUT
    ) as process:
        # It goes on once the third epoch was seen to begin, with the end that is expected then.
        wait_for(lambda: re.search(r"^Epoch 3/4", output.read_text(), re.MULTILINE) or process.poll() is not None, "the third epoch")
        host.run("touch ~/emotion_recognition/seen", user="ubuntu")
        assert process.wait(timeout=limit(600)) == 0, output.read_text()
    text = output.read_text()
    assert "\r" not in text and "\b" not in text
    bars = re.findall(r"^ *(\d+)%\|#{40}\| \d+/9 \[00:01<00:00, loss=\d\.\d{3}\]$", text, re.MULTILINE)
    assert bars == ["3", "60000", "3", "3"]
    assert re.findall(r"^3/3 - 1s - loss: (\d)\.0 - val_loss: \1\.5$", text, re.MULTILINE) == ["1", "2", "3", "4"]
    epochs = re.findall(r"^Epoch (\d)/4(?:  \((expected end (?:[\d-]+ )?\d\d:\d\d, in \d+ (?:s|min))\))?$", text, re.MULTILINE)
    assert [number for number, _end in epochs] == ["1", "2", "3", "4"]
    # Nothing is known in the first epoch; in the third, the end of the run is.
    assert epochs[2][1] and not epochs[0][1]
