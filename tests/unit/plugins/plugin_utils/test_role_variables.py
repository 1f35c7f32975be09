# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils.role_arguments import all_variables, misspelt


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("prepare_feature_sets", "prepare_features_sets"),
        ("prepare_features_set", "prepare_features_sets"),
        ("prepare_features_permision", "prepare_features_permissions"),
        ("preparefeatures_sets", "prepare_features_sets"),
        ("deploy_trainings_script", "deploy_training_script"),
        ("monitor_training_titel", "monitor_training_title"),
    ],
)
def test_a_similar_name_is_suggested(name, meant):
    (message,) = misspelt({name: 1}, all_variables())
    assert message.startswith(f"{name} is not a variable") and message.endswith(f"did you mean {meant}?")


def test_a_name_of_ours_that_resembles_none():
    (message,) = misspelt({"prepare_features_colour_of_the_sky": 1}, all_variables())
    assert "did you mean" not in message and "prepare_features_colour_of_the_sky" in message


def test_other_variables_are_left_alone():
    others = ["prepare_host", "deploy_user", "monitoring_url", "training_hosts", "ansible_host", "prepare_database_sets"]
    registered = {"prepare_features_result": {"changed": False}, "__prepare_features_fail_on": "unready"}
    assert misspelt({**dict.fromkeys([*others, *all_variables()], 1), **registered}, all_variables()) == []
