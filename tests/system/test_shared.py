# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts that mount one file system, prepared in one run: they do not get into each other's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import layout

HOSTS = 3


@pytest.fixture(scope="module")
def fleet(start_host, tmp_path_factory):
    shared = tmp_path_factory.mktemp("shared")
    shared.chmod(0o755)
    return [start_host(f"shared{number}", args=["-v", f"{shared}:/data"]) for number in range(HOSTS)]


def variables(**one):
    return {
        "prepare_features_sets": [{"name": "speech", "target": "/data/speech", **one}],
        "prepare_features_search_roots": [],
        "prepare_features_user": "ubuntu",
    }


@pytest.fixture(autouse=True)
def _empty(fleet):
    fleet[0].run("find /data -mindepth 1 -delete")


def test_one_target_linked_by_all_at_once(fleet, play):
    fleet[0].lay_out("--features", "/data/old", "--crema-d", "300", "--owner", "ubuntu")
    first = play(fleet, "prepare_features.yml", variables(legacy=["/data/old"]))
    assert first.rc == 0, first.stdout
    assert all(first.facts(host)["feature_sets"]["speech"]["target"]["links"] == 300 for host in fleet)
    assert fleet[0].run("find /data/speech -xtype l").stdout == ""
    assert fleet[0].run("find /data/speech -type l | wc -l").stdout.strip() == "300"
    assert fleet[0].run("find /data -maxdepth 1 -name '.*' -mindepth 1").stdout == "", "nothing is left over"
    second = play(fleet, "prepare_features.yml", variables(legacy=["/data/old"]))
    assert second.rc == 0 and all(second.recap[host.name]["changed"] == 0 for host in fleet)


def test_one_target_uploaded_by_all_at_once(fleet, play, tmp_path: Path):
    source = tmp_path / "source"
    layout.main(["--features", str(source), "--crema-d", "40"])
    first = play(fleet, "prepare_features.yml", variables(source=str(source)))
    done = [host for host in fleet if first.recap[host.name]["failures"] == 0]
    assert done, first.stdout
    for host in fleet:
        if host not in done:
            assert "/data/.speech.incoming" in first.stdout, first.stdout
    second = play(fleet, "prepare_features.yml", variables(source=str(source)))
    assert second.rc == 0, second.stdout
    assert all(second.recap[host.name]["changed"] == 0 for host in fleet), "what one has uploaded, all have"
    names = sorted(path.name for path in source.glob("*.npz"))
    assert fleet[0].run("ls -A /data/speech").stdout.split() == names
    assert fleet[0].run("find /data -maxdepth 1 -name '.*' -mindepth 1").stdout == ""
