# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features that are links into a store of contents, as DVC, git-annex and Hugging Face lay them out, and another account that trains."""

from __future__ import annotations

import hashlib
import os

from tests.support.layout import crema_d_names, write_features
from tests.support.uploads import ARRAYS, ROLE, role_variables

STORE = "/srv/dvc/cache/files/md5"


def test_the_advice_ends_in_ready_and_opens_nothing_else(ssh_host, play, tmp_path):
    names = crema_d_names(12)
    write_features(tmp_path / "plain", names)
    write_features(tmp_path / "private", ["private.npz"])
    links = ["mkdir -p /srv/project/dataset; cd /srv/project/dataset"]
    for number, name in enumerate(names):
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        blob = tmp_path / "store" / digest[:2] / digest[2:]
        blob.parent.mkdir(parents=True, exist_ok=True)
        os.rename(tmp_path / "plain" / name, blob)
        above = "../.." + STORE.removeprefix("/srv") if number % 2 else STORE
        links.append(f"ln -s {above}/{digest[:2]}/{digest[2:]} {name}")
    ssh_host.run(f"mkdir -p {STORE}")
    ssh_host.put(f"{tmp_path}/store/.", STORE, "ubuntu:ubuntu")
    ssh_host.run("; ".join([*links, "chown -h ubuntu:ubuntu . *"]))
    ssh_host.put(tmp_path / "private/private.npz", f"{STORE}/private", "ubuntu:ubuntu")
    ssh_host.run(f"chmod -R go= {STORE} && chmod 600 {STORE}/private")
    one = {"name": "clips", "target": "/data/clips", "legacy": ["/srv/project/dataset"], "arrays": ARRAYS}

    def run(**more):
        return play(ssh_host, ROLE, role_variables({**one, **more}, prepare_features_user="trainer"))

    first = run()
    assert first.rc != 0
    said = first.results(ssh_host)[-1]["result"]["msg"]
    assert f"/srv/project/dataset has links into {STORE}, not declared: add what holds them to 'legacy'" in said
    advised = {"legacy": ["/srv/project/dataset", STORE]}
    second = run(**advised)
    assert second.rc == 0, second.stdout
    assert second.facts(ssh_host)["features_ready"]
    assert second.facts(ssh_host)["feature_sets"]["clips"]["target"]["features"] == 12
    ssh_host.run("cat /data/clips/*.npz >/dev/null", user="trainer")
    assert ssh_host.run(f"cat {STORE}/private", user="trainer", check=False).returncode != 0, "no feature of the set"
    again = run(**advised)
    assert again.rc == 0 and again.recap[ssh_host.name]["changed"] == 0
    assert again.ssh_executions[ssh_host.name] == 1
