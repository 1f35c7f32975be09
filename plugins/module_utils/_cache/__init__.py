# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cached inspection: the facts of the last one, returned while nothing that they depend on has changed.

The door is C(lookup.lookup) and C(store.store).
"""
