# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over a directory, and what it saw in short."""

from __future__ import annotations

from ansible_collections.trainprep.features.plugins.module_utils._formats.interface import Criteria
from ansible_collections.trainprep.features.plugins.module_utils._scan.directories import ScanOptions, scan_directory
from ansible_collections.trainprep.features.plugins.module_utils._scan.places import look_up
from ansible_collections.trainprep.features.plugins.module_utils._spec.names import name_filter
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import WAV2VEC

QUESTION = Criteria(parse_arrays(WAV2VEC))
NPZ = name_filter(["*.npz"])


def scan(directory, accept=NPZ, **options):
    return scan_directory(look_up(str(directory)), accept, QUESTION, {}, ScanOptions(**options))


def target(directory, **options):
    """As a target is scanned."""
    return scan(directory, recursive=False, as_glob=True, keep_names=True, **options)


def seen(result):
    """By path: the kind of the entry, and of its classification where there is one."""
    return {entry.path: (entry.kind, entry.classification.kind) for entry in result.entries}


def found(result):
    return sorted(entry.path for entry in result.entries if entry.is_feature)
