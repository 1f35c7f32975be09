# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.trainprep.features.plugins.module_utils._training.info import (
    count_features,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import ME, a_set, npy


def test_a_health_check_does_not_read_all_data_whatever_the_set_says(tmp_path):
    npy(tmp_path / "t/a.npy", 1)
    found = count_features(ME, {}, [a_set(tmp_path / "t", verify="full", patterns=["*.npy"], reads=["*.npy"])])
    assert found["count"] == 1 and found["ready"]
    assert found["data"]["changed"] is None and found["data"]["digest"] is None
