# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host answers is data of the types that a schema names, whatever the host is."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils.answers import (
    LINES,
    PLAIN,
    Each,
    Maybe,
    OneOf,
    Whole,
    check_answer,
    clean,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_answers import facts_schema
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import completed
from ansible_collections.trainprep.features.plugins.plugin_utils.run_id import run_id

SCHEMA = {
    "name": str, "text": LINES, "number": int, "share": float, "flag": bool, "status": OneOf(0, 1, None), "pid": Maybe(int), "words": [str],
    "sets": Each({"linked": int}, frozenset(["a"])), "any": PLAIN, "facts": {"ready": bool},
    "left": Maybe(float), "point": (float, Maybe(float)), "whole": Whole({"a": int, "b": Maybe(str)}),
}


def checked(**answer):
    return check_answer(answer, SCHEMA, "gpu-1", "training_info")


ALLOWED = [
    ({"name": "a"}, {"name": "a"}),
    ({"name": "é 日本 \U0001f600"}, {"name": "é 日本 \U0001f600"}),
    ({"number": 2**62}, {"number": 2**62}),
    ({"share": 1}, {"share": 1}),
    ({"left": float("nan")}, {"left": None}),
    ({"point": [1.0, float("-inf")]}, {"point": [1.0, None]}),
    ({"whole": {"a": 1, "b": None, "c": 2}}, {"whole": {"a": 1, "b": None}}),
    ({"any": [float("nan")]}, {"any": [None]}),
    ({"status": None}, {"status": None}),
    ({"pid": None}, {"pid": None}),
    ({"words": ("a", "b")}, {"words": ["a", "b"]}),
    ({"sets": {"a": {"linked": 1, "more": 2}, "../b": {"linked": []}}}, {"sets": {"a": {"linked": 1}}}),
    ({"facts": {"ready": True, "ansible_python_interpreter": "x"}}, {"facts": {"ready": True}}),
    ({"any": {"a": [1, None, "x\ny", {"b": 2.5}]}}, {"any": {"a": [1, None, "x\ny", {"b": 2.5}]}}),
    ({"due": ["../../tmp/evil"], "_ansible_x": 1, "add_host": {}, "results": []}, {}),
    ({"changed": True, "msg": "one\ntwo", "failed": True}, {"changed": True, "msg": "one\ntwo", "failed": True}),
]


@pytest.mark.parametrize(("answer", "kept"), ALLOWED, ids=[str(number) for number in range(len(ALLOWED))])
def test_what_the_schema_names_is_kept_and_all_else_dropped(answer, kept):
    assert checked(**answer) == kept


ODD = [
    ("share", float("nan")), ("share", float("inf")), ("point", [1.0]), ("point", [1.0, 2.0, 3.0]), ("point", "ab"), ("point", None),
    ("point", [float("nan"), 1.0]), ("whole", {"a": 1}), ("whole", {}), ("whole", None), ("whole", [1]),
    ("name", 1), ("name", None), ("name", ["a"]), ("text", {}), ("number", "1"), ("number", True), ("number", 1.5), ("number", None),
    ("number", 2**63), ("share", "1"), ("share", False), ("flag", 1), ("flag", "true"), ("status", {"a": 1}), ("status", True),
    ("status", []), ("status", "0"), ("pid", "1"), ("words", "abc"), ("words", [1]), ("words", {"a": 1}), ("sets", []),
    ("sets", {"a": 1}), ("sets", {"a": {"linked": "all"}}), ("facts", "x"), ("facts", {"ready": "yes"}), ("changed", "yes"),
    ("failed", {}), ("msg", ["a"]), ("diff", "x"), ("any", json.loads("[" * 30 + "]" * 30)),
]


@pytest.mark.parametrize(("key", "value"), ODD, ids=[f"{number}-{key}" for number, (key, _value) in enumerate(ODD)])
def test_another_type_is_one_message_that_names_host_module_and_key(key, value):
    result = checked(**{"changed": False, "name": "a", key: value})
    assert set(result) == {"failed", "changed", "msg"} and result["failed"] is True
    assert result["msg"].startswith(f"gpu-1: the answer of training_info cannot be used, since '{key}")


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x1b[31mred", "a\x9b2Jb", "a\u202eb", "a\u2028b", "a\ud800b", "a\x00b\x7f", "a\rb"])
def test_control_characters_are_removed_everywhere(text):
    found = checked(name=text, text=text, words=[text], any={text: [text]}, msg=text, exception=text, warnings=[text])
    said = json.dumps(found, ensure_ascii=False)
    assert clean(said) == said and said.encode("utf-8")
    assert clean("a\nb\tc") == "a b c" and clean("a\nb\tc", lines=True) == "a\nb\tc"


@dataclasses.dataclass(frozen=True)
class Summary:
    """As Ansible's own records since 2.19."""

    text: str
    causes: tuple
    number: int = 3


def test_records_of_ansible_are_kept_and_cleaned():
    found = checked(exception=Summary("a\x1b[1m", (Summary("b\x07", ()),)), warnings=["w\x1b", Summary("c", ()), 3], deprecations=7)
    assert found == {"exception": Summary("a[1m", (Summary("b", ()),)), "warnings": ["w", Summary("c", ())], "deprecations": None}


class Unsafe(str):
    """As ansible-core 2.18 marks the texts of an answer."""


def test_marked_texts_are_texts():
    schema = {"step": OneOf("link", "upload"), "status": OneOf(0, 1, None), "path": str}
    answer = {"step": Unsafe("link"), "status": 1, "path": Unsafe("/data")}
    assert check_answer(answer, schema, "h", "m") == {"step": "link", "status": 1, "path": "/data"}
    assert check_answer({"status": True}, schema, "h", "m")["failed"]


def test_the_interpreter_that_ansible_discovered_is_kept_as_a_text():
    facts = {"discovered_interpreter_python": "/usr/bin/python3", "ansible_connection": "local"}
    assert checked(ansible_facts=facts) == {"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3"}}
    assert checked(ansible_facts={"discovered_interpreter_python": ["x"]}) == {}
    assert checked(ansible_facts=7) == {}


def test_facts_are_of_declared_sets_in_their_order_and_say_which_run_they_are_of():
    sets = [{"name": "b", "target": "/b"}, {"name": "a", "target": "/a"}]
    answer = {"ansible_facts": {"feature_status": 2, "feature_steps": ["link"], "feature_sets": {
        "a": {"status": 2, "declared": {"name": "a", "target": "/evil"}}, "b": {"status": 0}, "c": {"status": 1}}}}
    found = check_answer(answer, {"ansible_facts": facts_schema(frozenset("ab"))}, "h", "m")["ansible_facts"]
    facts = completed(found, sets, {})
    assert list(facts["feature_sets"]) == ["b", "a"]
    assert facts["feature_sets"]["a"] == {"status": 2, "declared": {"name": "a", "target": "/a"}, "fetched_from": None}
    assert facts["feature_run"] == run_id() and len(run_id()) == 32


@pytest.mark.parametrize(("run", "origin"), [("this", "gpu-1"), ("another", None), (None, None)])
def test_facts_keep_where_a_set_came_from_in_this_run(run, origin):
    before = {"feature_run": run_id() if run == "this" else run, "feature_sets": {"a": {"fetched_from": "gpu-1"}}}
    facts = completed({"feature_sets": {"a": {"status": 1}}}, [{"name": "a"}], before)
    assert facts["feature_sets"]["a"]["fetched_from"] == origin
