# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets plain pytest import ``ansible_collections.trainprep.features``.

The ``ansible`` package installs a package ``ansible_collections`` of its own, which hides every
other directory of that name; Ansible's collection finder knows how to look in several places.
Under ``ansible-test units``, and in a tree of its own (scripts/check_sanity), the collection is found already.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest


def _is_found() -> bool:
    """True if a finder of collections is installed, or Python's path leads to this one. Importing would hide it from the finder."""
    finders = (type(finder).__name__ for finder in sys.meta_path)
    return "_AnsibleCollectionFinder" in finders or any(Path(one, "ansible_collections/trainprep").is_dir() for one in sys.path)


if not _is_found():
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(Path(__file__).resolve().parents[2] / "collections")])


@pytest.fixture
def tmp_path():
    """A directory of the test's own that other accounts may pass, as pytest's own may not be.

    Tests become other accounts; opening pytest's directories for them would race with every other test run on the machine.
    """
    path = Path(tempfile.mkdtemp(prefix="tp-unit-")).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
