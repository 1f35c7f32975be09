# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets and dictionaries as text, as AWX surveys give them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import check_role_arguments
from ansible_collections.trainprep.features.plugins.plugin_utils.survey import structured

SETS = [{"name": "wav", "target": "/data/wav"}]


@pytest.mark.parametrize("text", ["- name: wav\n  target: /data/wav\n", '[{"name": "wav", "target": "/data/wav"}]'])
def test_yaml_and_json_are_what_they_say(text):
    assert structured(text, list, "prepare_features_sets") == SETS
    assert structured(SETS, list, "prepare_features_sets") is SETS


@pytest.mark.parametrize("text", ["", "wav", "a: b: c", "[1, 2", "3", "!!python/object:os.system {}"])
def test_any_other_text_is_a_message_that_names_the_variable(text):
    with pytest.raises(FeatureError, match=r"^prepare_features_sets is .*YAML"):
        structured(text, list, "prepare_features_sets")


@pytest.mark.parametrize(("value", "kind", "said"), [
    ({"wav": {"target": "/a"}}, list, "x is a dictionary instead of a list: begin each entry with '-'"),
    ([{"NCCL_DEBUG": "INFO"}], dict, "x is a list instead of a dictionary: write 'key: value' pairs"),
])
def test_a_list_in_place_of_a_dictionary_or_the_other_way_round(value, kind, said):
    with pytest.raises(FeatureError, match=said):
        structured(value, kind, "x")


class Templar:
    """Returns values as they are."""

    def template(self, value):
        return value


def test_a_role_takes_its_sets_as_text():
    check_role_arguments("prepare_features", {"prepare_features_sets": "- {name: a, target: /a}"}, Templar())
    with pytest.raises(AnsibleActionFail, match="prepare_features: prepare_features_sets is the text 'a'"):
        check_role_arguments("prepare_features", {"prepare_features_sets": "a"}, Templar())
