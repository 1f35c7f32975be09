# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who works for a target, and what that account has uploaded, as the inspection finds it."""

from __future__ import annotations

import hashlib
import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, pack_manifest
from ansible_collections.trainprep.features.plugins.module_utils._scan.staging import inspect_staging
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import find_site
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

ROOT = os.geteuid() == 0
USER, OTHER = 4321, 4322
TRAINER = Account("trainer", USER if ROOT else os.geteuid(), 65534, (65534,), "/home/trainer")


@pytest.fixture
def place(tmp_path):
    """Below it the tests give directories away; it may be passed by all."""
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != path.parent and not path.stat().st_mode & 1:
            path.chmod(0o755)
    return tmp_path


def owned(path, uid, mode=0o755):
    path.mkdir(parents=True)
    path.chmod(mode)
    if ROOT:
        os.chown(path, uid, 65534 if uid else 0)
    return path


@pytest.mark.parametrize(
    ("above", "target", "keeper", "worker"),
    [
        (0, None, 0, 0),
        (0, 0, 0, 0),
        (0, USER, 0, USER),  # root makes the staging directory, the user does the rest
        (0, OTHER, 0, OTHER),
        (USER, None, USER, USER),
        (USER, USER, USER, USER),
        (USER, 0, USER, USER),  # what is in a user's directory is the user's
        (OTHER, None, OTHER, OTHER),
    ],
)
def test_who_works_for_a_target(place, above, target, keeper, worker):
    owned(place / "data", above)
    if target is not None:
        owned(place / "data/t", target)
    site = find_site(str(place / "data/t"), TRAINER)
    assert (site.keeper.uid, site.worker.uid) == ((keeper, worker) if ROOT else (os.geteuid(),) * 2)


@pytest.mark.parametrize(
    ("above", "mode", "target", "words"),
    [(0, 0o777, None, "data can be written by every user"), (USER, 0o755, OTHER, "user 4321 and user 4322"),
     (0, 0o1777, OTHER, "is written by user 4322, but")],
)  # fmt: skip
def test_several_users_are_refused(place, above, mode, target, words):
    owned(place / "data", above, mode)
    if target is not None:
        owned(place / "data/t", target)
    if not ROOT:
        assert find_site(str(place / "data/t"), TRAINER).keeper.uid == os.geteuid()
        return
    with pytest.raises(FeatureError) as error:
        find_site(str(place / "data/t"), TRAINER)
    assert words in str(error.value)


def test_a_link_to_the_target_counts_with_its_directory(place):
    owned(place / "home", USER)
    owned(place / "data", 0)
    owned(place / "data/t", 0)
    (place / "home/t").symlink_to(place / "data/t")
    site = find_site(str(place / "home/t"), TRAINER)
    assert (site.keeper.uid, site.worker.uid) == ((USER, USER) if ROOT else (os.geteuid(),) * 2)


@pytest.mark.parametrize(("whose", "believed"), [(USER, True), (OTHER, False)])
def test_the_manifest_of_the_places_owner_is_believed(place, whose, believed):
    owned(place / "home", USER)
    staging = owned(place / "home/.t.incoming", USER, 0o700)
    (staging / "a.npz").write_bytes(b"opaque")
    packed = pack_manifest({"a.npz": Wanted(6, "c" + hashlib.sha256(b"opaque").hexdigest())})
    (place / "home/.t.incoming.manifest").write_text(packed)
    if ROOT:
        os.chown(staging / "a.npz", USER, 65534)
        os.chown(place / "home/.t.incoming.manifest", whose, 65534)
    one = parse_sets([{"name": "w", "target": str(place / "home/t"), "format": "any"}])[0]
    assert inspect_staging(one, TRAINER).complete == (believed or not ROOT)
