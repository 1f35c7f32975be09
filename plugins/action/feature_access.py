# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name."""

from ..plugin_utils.module_action import FeatureAction


class ActionModule(FeatureAction):
    module = "feature_access"
