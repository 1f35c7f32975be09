# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the modules that scan a host are run: as Ansible runs any module, only with few searches for garbage."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
from collections.abc import Iterator
from typing import Any

from ansible.plugins.action.normal import ActionModule as AnyModule
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, naming
from ansible_collections.trainprep.features.plugins.plugin_utils.connecting import with_user


@contextlib.contextmanager
def gc_of_what_is_new() -> Iterator[None]:
    """In a worker, a search for garbage only among what is made inside, and seldom; none later among what is there by then.

    Packing a module parses all its module_utils. So many objects set off Python's cyclic collector again and again, and in a
    forked process that touches, and so copies, what the controller holds in memory: half of the time that packing takes. Without
    any search all that was parsed would stay, 17 MB of it, since Ansible ties a tree's imports to their parents.
    """
    if multiprocessing.parent_process() is None:
        yield
        return
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(10_000, 1_000, 1_000)
    try:
        yield
    finally:
        # It stays until the worker ends, with its task.
        gc.freeze()
        gc.set_threshold(*thresholds)


class ModuleAction(AnyModule):
    """Ansible's own action for modules."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result; without a training user in its arguments, that is the connecting user."""
        try:
            with naming(self._task.args):
                self._task.args = with_user(self, self._task.args)
        except FeatureError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        with gc_of_what_is_new():
            result: dict[str, Any] = super().run(tmp, task_vars)
        return result
