# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where errors become results of a module."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping, Optional

from . import errors
from ._system import paths


@contextlib.contextmanager
def failing(module: Any, so_far: Optional[Mapping[str, Any]] = None, **more: Any) -> Iterator[None]:
    """Turn errors into the module's failure, at the edge and nowhere else.

    An OSError that no code expects names its path. Any other exception is an internal error, with its traceback in C(exception).
    Inside, messages name options as the module's parameters say. so_far, more: what the failure returns as well; C(so_far) may
    be filled inside.
    """
    try:
        with errors.naming(module.params):
            yield
    except OSError as error:
        place = paths.display(str(error.filename)) if error.filename is not None else "a file system call"
        message = f"{place}: {error.strerror}: it may have changed during the inspection, so run again"
        module.fail_json(msg=message, **{**(so_far or {}), **more})
    except Exception as error:  # pylint: disable=broad-exception-caught
        known = error if isinstance(error, errors.FeatureError) else errors.internal_error("the module did not finish", error)
        module.fail_json(msg=str(known), **{**(so_far or {}), **more, **({"exception": known.trace} if known.trace else {})})
