# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode says what the run will say: every messy host, uploads and several sets, in check mode, then in a run.

test_pairs.py has the combinations of options.
"""

from __future__ import annotations

import json

import pytest

from tests.support.cases import Case, Cases
from tests.support.layout import crema_d_names, write_facenet, write_features
from tests.support.messes import CONFLICT, NOTHING, OLD, READY, UNKNOWN, UNREADY, case, cases_of, several

FEW, NAMES = 3, crema_d_names(3)
HAS = f"write_features('old', {NAMES[:2]!r})"
# A feature whose path is too long for a link, in the second set's legacy directory.
LONG = """
os.mkdir('two.old')
features('.', 'z')
here = os.open('two.old', os.O_RDONLY)
for _level in range(20):
    os.mkdir('d' * 240, dir_fd=here)
    here = os.open('d' * 240, os.O_RDONLY, dir_fd=here)
os.rename('z.npz', 'z.npz', dst_dir_fd=here)
"""
# SOURCE and OTHERS are directories of the controller, with FEW features and with another model's files.
UPLOADS = {
    "upload": case("", source="SOURCE"),
    "upload_expected": case("", source="SOURCE", expected=FEW),
    "upload_too_few": case("", source="SOURCE", expected=60),
    "upload_into_target_of_others": case("others('target', 'q')", source="SOURCE"),
    "upload_in_the_way": case(f"others('target', {NAMES[0][:-4]!r})", source="SOURCE"),
    "no_upload_of_a_linked_set": case(HAS, source="SOURCE"),
    "legacy_too_few": case(OLD, expected=60),
    "legacy_too_few_with_source": case(HAS, source="SOURCE", expected=FEW),
    "top_up": case(HAS, source="SOURCE", expected=FEW, prepare_features_top_up=True),
    "top_up_of_a_target": case(HAS.replace("old", "target"), source="SOURCE", expected=FEW, prepare_features_top_up=True),
    "top_up_too_few": case(HAS, source="SOURCE", expected=60, prepare_features_top_up=True),
    "source_missing": case("", source="D/nowhere"),
    "source_missing_and_not_needed": case(OLD, source="D/nowhere"),
    "source_of_others": case("", source="OTHERS"),
    "upload_because_nobody_listed": case(
        HAS.replace("old", "else"), source="SOURCE", prepare_features_search_roots=["D/"], prepare_features_on_discovery="upload"),
    "absent": case(OLD + "; link('target/a.npz', d + '/old/a.npz')", prepare_features_state="absent"),
    "absent_with_source": case(OLD + "; link('target/a.npz', d + '/old/a.npz')", prepare_features_state="absent", source="SOURCE"),
    "absent_nothing": case("", prepare_features_state="absent", source="D/nowhere"),
    "closed_to_the_user": case(OLD + "; os.chmod('old', 0o700); os.chmod('old/a.npz', 0o600)"),
    "closed_and_not_granted": case(OLD + "; os.chmod('old/a.npz', 0o600)", prepare_features_permissions="check"),
    "not_required_to_be_ready": case(OLD, expected=60, prepare_features_require_ready=False),
    "stray": case(OLD + "; features('else', 'c'); link('target/c.npz', d + '/else/c.npz')", legacy=["D/old", "D/else"]),
    "peers_nobody_has": case("", prepare_features_peers="peers_nobody_has"),
    "peers_and_source": case("", prepare_features_peers="peers_and_source", source="SOURCE"),
    "two_second_without_source": several("features('one.old', 'a')", {"name": "one"}, {"name": "two"}),
    "two_second_source_missing": several("features('one.old', 'a')", {"name": "one"}, {"name": "two", "source": "/nowhere"}),
    "two_second_too_few": several("features('one.old', 'a')", {"name": "one"}, {"name": "two", "source": "SOURCE", "expected": 60}),
    "two_second_long_path": several("features('one.old', 'a')\n" + LONG, {"name": "one"}, {"name": "two"}),
    "two_second_damaged": several(
        "features('one.old', 'a'); features('two.old', 'b'); write('two/b.npz')", {"name": "one"}, {"name": "two"}),
    "two_second_in_the_first": several(HAS.replace("old", "one.old"), {"name": "one"}, {"name": "two", "source": "SOURCE"}),
    "two_with_one_source": several("", {"name": "one", "source": "SOURCE"}, {"name": "two", "source": "SOURCE"}),
    "two_second_in_conflict": several(
        "features('one.old', 'a'); features('two.old/x', 'b', seed='1'); features('two.old/y', 'b', seed='2')",
        {"name": "one"}, {"name": "two"}),
    "not_root": case(OLD, prepare_features_become=False),
    "not_root_upload": case("", source="SOURCE", prepare_features_become=False),
    "read_only": case("features('old', 'a')", target="/fixed/target"),
    "read_only_upload": case("", target="/fixed/uploaded", source="SOURCE"),
}
MESSES = cases_of(UNKNOWN, NOTHING, CONFLICT, READY, UNREADY)
# What differs since in check mode nothing is there yet, or all is.
WOULD = (("would hold", "holds"),)


@pytest.fixture(scope="module")
def outcomes(start_host, play, tmp_path_factory, full):
    scratch = tmp_path_factory.mktemp("check")
    write_features(scratch / "source", NAMES)
    (scratch / "others").mkdir()
    write_facenet(scratch / "others" / "a.npz")
    texts = (("SOURCE", str(scratch / "source")), ("OTHERS", str(scratch / "others")))
    cases = Cases(start_host("check", args=["--tmpfs", "/fixed:ro"]), play, scratch)
    table = {**(MESSES if full else {}), **{name: at(one, texts) for name, one in UPLOADS.items()}}
    return cases.run(table, check=True), cases.run(table, fresh=False)


def at(one, texts):
    def variables(d):
        text = json.dumps(one.variables(d))
        for word, path in texts:
            text = text.replace(f'"{word}"', json.dumps(path))
        return json.loads(text)

    return Case(one.setup, variables)


def counts(outcome):
    """What the steps did, or would do: a check sends what a run publishes."""
    total = dict.fromkeys(("linked", "replaced", "removed", "granted", "directories", "sent"), 0)
    for event in outcome.result.results(outcome.name):
        for one in event["result"].get("sets", {}).values():
            total = {key: number + one.get(key, 0) for key, number in total.items()}
    return {**total, "changed": any(event["result"].get("changed") is True for event in outcome.result.results(outcome.name))}


def said(outcome):
    """All that a run says blocks the host, or a check says will."""
    texts = [line for message in outcome.messages for line in message.splitlines()]
    sets = outcome.facts.get("feature_sets", {}).values()
    texts += [text for one in sets for text in one["problems"] if text not in one["planned"]]
    for would, does in WOULD:
        texts = [text.replace(would, does) for text in texts]
    return set(texts)


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=pytest.mark.full) for name in MESSES), *UPLOADS])
def test_check_mode_says_what_the_run_says(outcomes, name):
    checked, ran = (found[name] for found in outcomes)
    assert checked.after == checked.before
    assert counts(checked) == counts(ran)
    if checked.failed:
        assert checked.messages == ran.messages
        return
    ready = ran.ready and not ran.failed
    assert name.startswith("absent") or checked.facts["features_will_be_ready"] == ready, (said(checked), said(ran))
    assert said(checked) == said(ran)
