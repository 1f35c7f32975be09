# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in one set's target, or is on its way there, is not sent into another's."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import find_site
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import StagingRequest, prepare_upload
from ansible_collections.trainprep.features.plugins.module_utils._upload.targets import Targets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import classify_source
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    ME,
    a_set,
    features,
    link,
    npy,
    run,
)


@pytest.fixture
def host(tmp_path):
    (tmp_path / "data").mkdir()
    features(tmp_path / "source", "a.npz", "b.npz")
    return tmp_path


def receive(*raw, check=False):
    """What each set, in order, is to be sent."""
    sets, claimed, plans = parse_sets(raw), {}, []
    for one in (one for one in sets if one.source):
        manifest = classify_source(one, one.source).manifest
        held = Targets(sets, ME, dry_run=check).held(one, manifest)
        request = StagingRequest(one, held, find_site(one.target, ME), manifest, dict(claimed))
        plan = prepare_upload(request, not check).plan
        claimed.update((wanted.token, f"{one.target}/{name}") for name, wanted in plan.wanted.items())
        plans.append(plan)
    return plans


def both(host, **keys):
    return a_set(host / "data/t", source=str(host / "source"), **keys), a_set(host / "data/u", source=str(host / "source"), **keys)


def test_what_another_target_holds_is_left_out_and_told(host):
    features(host / "data/t", "a.npz")
    (found,) = receive(a_set(host / "data/t"), a_set(host / "data/u", source=str(host / "source")))
    assert (found.send, found.missing.elsewhere, found.missing.present) == (("b.npz",), 1, 0)
    assert f"1 that are in another set's target already (e.g. {host}/data/t/a.npz)" in found.missing.warnings[0]


def test_also_under_another_name_and_through_a_link(host):
    features(host / "old", "a.npz")
    link(host / "data/t/z.npz", host / "old/a.npz")
    (found,) = receive(a_set(host / "data/t"), a_set(host / "data/u", source=str(host / "source")))
    assert found.send == ("b.npz",)


def test_what_its_trainer_does_not_read_does_not_count(host):
    features(host / "data/t", "a.npz")
    (found,) = receive(a_set(host / "data/t", reads=["c*.npz"]), a_set(host / "data/u", source=str(host / "source")))
    assert (found.send, found.missing.elsewhere) == (("a.npz", "b.npz"), 0)


def test_files_without_checksums_are_compared_by_their_bytes(host):
    source = host / "arrays"
    npy(source / "a.npy", 1.0)
    npy(source / "b.npy", 2.0)
    npy(host / "data/t/other.npy", 1.0)
    keys = {"patterns": ["*.npy"], "reads": ["*.npy"]}
    (found,) = receive(a_set(host / "data/t", **keys), a_set(host / "data/u", source=str(source), **keys))
    assert found.send == ("b.npy",)


@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_two_sets_with_one_source_do_not_both_get_it(host, check):
    with pytest.raises(FeatureError, match=r"'u': all features of its source are in another set's target already .e.g. .*data/t"):
        receive(*both(host), check=check)


def test_what_an_earlier_upload_brings_to_a_set_before_counts_too(host):
    first, second = both(host)
    receive(first)  # its list lies beside the staging directory from now on
    first.pop("source")
    with pytest.raises(FeatureError, match="are in another set's target already"):
        receive(first, second)


@pytest.mark.parametrize("check", [True, False], ids=["check", "real"])
def test_a_source_with_too_few_features_is_found_before_anything_is_sent(host, check):
    with pytest.raises(FeatureError, match=r"'t': its source holds too few features, 3 fewer than the 5 that are expected"):
        receive(a_set(host / "data/t", source=str(host / "source"), expected=5), check=check)
    features(host / "data/t", "c.npz")
    (found,) = receive(a_set(host / "data/t", source=str(host / "source"), expected=3), check=check)
    assert found.send == ("a.npz", "b.npz")


def test_files_without_checksums_in_the_target_count_as_held(host):
    npy(host / "data/t/c.npy", 1.0)
    keys = {"patterns": ["*.npz", "*.npy"], "reads": ["*.npz", "*.npy"], "expected": 3}
    (found,) = receive(a_set(host / "data/t", source=str(host / "source"), **keys))
    assert found.send == ("a.npz", "b.npz")


def test_names_that_the_trainer_does_not_read_are_left_out(host):
    (one,) = parse_sets([a_set(host / "data/t", source=str(host / "source"), reads=["b*.npz"])])
    source = classify_source(one, one.source)
    assert (list(source.files), source.left_out) == (["b.npz"], 1)
    (one,) = parse_sets([a_set(host / "data/t", source=str(host / "source"), reads=["c*.npz"])])
    with pytest.raises(FeatureError, match=r"holds no feature of set 't' .*a.npz, which has a name that the set's 'reads' does not match"):
        classify_source(one, one.source)


# What lies in old, and where; the keys of the set t, whose legacy directory it is; those of the set u, which may have none.
LINKED = {
    "topped-up": (["a.npz", "c.npz"], {"source": "source", "expected": 3}, None),
    "topped-up-with-what-is-deeper": (["x/a.npz", "c.npz"], {"source": "source", "expected": 3}, None),
    "in-another-target": (["a.npz"], {}, {"source": "source"}),
    "other-names": (["a.npz", "c.npz"], {"patterns": ["c*"]}, {"source": "source"}),
    "names-that-its-trainer-does-not-read": (["a.npz", "c.npz"], {"reads": ["c*"]}, {"source": "source"}),
    "without-checksums": (["a.npy", "c.npy"], {}, {"source": "arrays"}),
    "trees": (["x/a.npz", "y/.z/b.npz"], {"layout": "tree"}, {"source": "source", "layout": "tree"}),
}


@pytest.mark.parametrize("name", LINKED)
def test_a_dry_run_counts_the_links_that_a_run_makes_before_its_upload(host, name):
    old, one, other = LINKED[name]
    for path in old:
        npy(host / "old" / path, float(ord(path[0]))) if path.endswith(".npy") else features((host / "old" / path).parent, path[-5:])
    for path in ("a.npy", "b.npy"):
        npy(host / "arrays" / path, float(ord(path[0])))
    keys = {"patterns": ["*.np*"], "reads": ["*.np*"]}
    raw = [a_set(host / "data/t", host / "old", **{**keys, **one})] + ([a_set(host / "data/u", **{**keys, **other})] if other else [])
    for each in raw:
        each.update({"source": str(host / each["source"])} if "source" in each else {})
    predicted = [(plan.send, plan.missing) for plan in receive(*raw, check=True)]
    run(*raw)
    assert [(plan.send, plan.missing) for plan in receive(*raw)] == predicted and predicted
