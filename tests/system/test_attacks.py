# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user who can write a legacy directory or a target gains nothing by it, even while the role runs as root.

The canaries are other accounts' private features: real ones, under the same names, so that only whose they are and
how they are reached can keep them closed.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import pytest

from tests.support import changing_calls
from tests.support.hosts import REPOSITORY

ATTACKS = Path(__file__).parent / "attacks"
PLAYBOOK = "playbooks/prepare_features.yml"
LEGACY = "/home/ubuntu/models/features"
CANARIES = "/home/other /root/private /srv/private /home/ubuntu/diary /home/ubuntu/models/roots"
SET = {
    "name": "clips",
    "target": "/home/ubuntu/target",
    "legacy": [LEGACY],
    "arrays": {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}},
}
KINDS = ["legacy", "own", "foreign", "parent", "folder", "file", "hard", "fifo", "target", "above", "entry"]
NAME = "cremad_1001_IEO_ANG_HI.npz"
SHORT = ["upload-home", "upload-data-filled", "fetch-home", "link-home", "grant-home", *(f"case-{number}" for number in range(28, 33))]
# What else changes a directory: scripts/faults attacks it too, and compares (or, with TRAINPREP_ATTACKS=write, writes) the table.
ALL = os.environ.get("TRAINPREP_ATTACKS")
OTHERS = [
    *("upload-home-filled", "upload-data", "upload-empty", "upload-dangling", "upload-again", "upload-left", "fetch-begin"),
    *("link-data", "link-data-filled", "link-stray", "grant-modes", "trial-home", "trial-data", "peer-home", "peer-data", "cache"),
]
SCENARIOS = [*SHORT, *(OTHERS if ALL else [])]
REFUSED = ("case-28", "case-29", "case-30")
RUNS = 20 if ALL else 6  # of each kind
STRIDE = "4" if ALL else "16"  # of the opens; a call that changes something is always attacked
WAYS = "3" if ALL else "1"  # for each call


PRIVATE = [
    "/home/other/private",
    "/root/private",
    "/srv/private",
    "/srv/private/features",
    "/home/ubuntu/diary",
    "/home/ubuntu/models/roots",  # what root left in the user's folder, and the user can rename
]


def lay_out(host):
    """The user's own features, and the canaries."""
    host.lay_out("--features", LEGACY, "--crema-d", "6", "--dense")
    host.run(
        f"for place in {' '.join(PRIVATE)}; do mkdir -p $place && cp {LEGACY}/*.npz $place; done"
        f" && mkdir {LEGACY}/folder /home/ubuntu/{{aside,place,target}} && cp {LEGACY}/{NAME} {LEGACY}/folder/below.npz"
        " && chown -R ubuntu: /home/ubuntu && chown -R other: /home/other && chown -R root: /home/ubuntu/models/roots"
        " && chmod -R go= /home/other/private /root/private /srv/private /home/ubuntu/diary /home/ubuntu/models"
        # protected_hardlinks keeps users from doing this on most systems, not on all
        " && for file in /root/private/*; do ln $file /home/ubuntu/aside/hard_$(basename $file); done"
    )


def canaries(host, changed="%C@"):
    """All about them: owners, modes, link counts, sizes, times of change, ACLs, checksums."""
    stats = host.run(rf"find {CANARIES} -printf '%p|%y|%m|%U|%G|%n|%s|%T@|{changed}|%l\n' | sort").stdout
    acls = host.run(f"getfacl -R -P -p -n {CANARIES}").stdout
    sums = host.run(f"find {CANARIES} -type f -exec sha256sum {{}} + | sort").stdout
    assert stats.count("\n") > 30
    assert sums.count(".npz") >= 36
    return stats + acls + sums


@pytest.fixture(scope="module")
def attacked(start_host):
    host = start_host("attack")
    lay_out(host)
    host.run("mkdir -p /opt/collections/ansible_collections/trainprep/features/plugins /opt/attacks")
    host.put(
        REPOSITORY / "plugins" / "module_utils",
        "/opt/collections/ansible_collections/trainprep/features/plugins/module_utils",
    )
    for script in ATTACKS.glob("*.py"):
        host.put(script, f"/opt/attacks/{script.name}")
    return host


@pytest.mark.parametrize("kind", KINDS)
def test_racing_names_open_move_or_own_nothing_elsewhere(attacked, kind):
    # To rename an object sets its time of change, and here it is the user who does.
    changed = "" if kind in ("hard", "foreign") else "%C@"
    before = canaries(attacked, changed)
    done = json.loads(attacked.run(["python3", "/opt/attacks/driver.py", kind, str(RUNS)]).stdout)
    assert canaries(attacked, changed) == before, done
    for user in ("trainer", "ubuntu"):
        for directory in ("/home/other/private", "/root/private", "/srv/private", "/home/ubuntu/models/roots"):
            assert attacked.run(f"cksum {directory}/*.npz", user=user, check=False).returncode != 0
    # The race was one: names were exchanged many times in each run, and something was done in spite of it.
    totals = done["totals"]
    assert totals["runs"] >= RUNS
    assert totals["exchanges"] > 10 * RUNS, done
    assert sum(totals.get(act, 0) for act in ("granted", "directories", "linked", "removed")) > 0, done


@pytest.fixture(scope="module")
def struck(start_host):
    """``struck(scenario)``: what came of the operation, run once."""
    host = start_host("strike")
    host.run("mkdir -p /opt/collections/ansible_collections/trainprep/features/plugins /opt/attacks")
    host.put(
        REPOSITORY / "plugins" / "module_utils",
        "/opt/collections/ansible_collections/trainprep/features/plugins/module_utils",
    )
    for name in ("places.py", "steps.py", "strike.py"):
        host.put(ATTACKS / name, f"/opt/attacks/{name}")

    @functools.cache
    def run(scenario):
        return json.loads(host.run(["python3", "/opt/attacks/steps.py", scenario, STRIDE, WAYS]).stdout)

    return run


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_call_that_changes_something_is_attacked(struck, scenario):
    """Before every such call of the whole operation, the user exchanges what he owns; nothing outside is ever changed."""
    done = struck(scenario)
    totals = done["totals"]
    assert totals.get("violations", 0) == 0, done
    assert totals["turns"] == 1 + int(WAYS) * done["calls"], done
    assert totals["exchanges"] >= totals["turns"] // 9, done
    assert (totals.get("done", 0) > 0) == (scenario not in REFUSED), done


if ALL:

    def test_the_table_of_calls_and_attacks_is_what_took_place(struck):
        """Each call of the source that changes a directory: the attacks just before it, in which operations."""
        found = {}
        for scenario in SCENARIOS:
            for call, kinds in struck(scenario)["struck"].items():
                if not call.startswith("none: "):
                    together = found.setdefault(call, (set(), set()))
                    together[0].update(kinds)
                    together[1].add(scenario)
        if ALL == "write":
            changing_calls.write_table(found)
        missing = {call: set(changing_calls.KINDS) - found.get(call, (set(), set()))[0] for call in changing_calls.read_table()}
        assert not any(missing.values()), missing


def test_a_file_is_opened_or_refused_by_its_owner(start_host, play):
    """Over SSH, without a race: files in the legacy directory that are not simply the user's own features."""
    host = start_host("still")
    lay_out(host)
    host.lay_out("--features", "/srv/more", "--ravdess", "3", "--dense")
    host.run(
        f"set -- /srv/more/*; mv $1 /root/private && ln /root/private/$(basename $1) {LEGACY}/hard.npz"
        f" && mv $2 {LEGACY}/$'new\\nline.npz' && mv $3 {LEGACY}/...npz"
        f" && ln -s /home/other/private/{NAME} {LEGACY}/link.npz && mkfifo {LEGACY}/pipe.npz"
        f" && chown -h ubuntu: {LEGACY}/* {LEGACY}/...npz && chown root: {LEGACY}/hard.npz && chmod 0600 {LEGACY}/*.npz"
    )
    before = canaries(host)
    result = play(host, PLAYBOOK, {"prepare_features_sets": [SET], "prepare_features_user": "trainer"})
    assert canaries(host) == before
    message = " ".join(result.stdout.split())
    assert result.rc != 0, result.stdout
    assert "Traceback" not in result.stdout
    assert f"{LEGACY}/hard.npz belongs to root but is below /home/ubuntu" in message, result.stdout
    for own in (NAME, "new\nline.npz"):
        host.run(["cksum", f"{LEGACY}/{own}"], user="trainer")
    assert host.run(f"cksum {LEGACY}/hard.npz", user="trainer", check=False).returncode != 0
    assert host.run(f"test -p {LEGACY}/pipe.npz")


def test_a_legacy_directory_that_is_a_link_of_its_user_opens_nothing(start_host, play):
    host = start_host("link")
    lay_out(host)
    host.run(f"mv {LEGACY} {LEGACY}.old && ln -s /home/other/private {LEGACY} && chown -h ubuntu: {LEGACY}")
    before = canaries(host)
    result = play(host, PLAYBOOK, {"prepare_features_sets": [SET], "prepare_features_user": "trainer"})
    assert result.rc != 0
    assert canaries(host) == before
    assert f"{LEGACY} is a link that others than root can change" in " ".join(result.stdout.split()), result.stdout
