# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the modules that scan a host are run: as Ansible runs any module, only without searches for garbage."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
from collections.abc import Iterator
from typing import Any

from ansible.plugins.action.normal import ActionModule as AnyModule


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """No search for garbage in a worker until the end, and none then among what there is by that time.

    Packing a module parses all its module_utils. So many objects set off Python's cyclic collector again and again, and in a
    forked process that touches, and so copies, what the controller holds in memory: half of the time that packing takes.
    """
    if multiprocessing.parent_process() is None:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # It stays until the worker ends, with its task.
        gc.freeze()
        gc.enable()


class ModuleAction(AnyModule):
    """Ansible's own action for modules."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        with gc_paused():
            result: dict[str, Any] = super().run(tmp, task_vars)
        return result
