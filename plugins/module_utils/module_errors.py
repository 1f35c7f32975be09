# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where errors become results of a module."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

from . import errors
from ._system import paths


@contextlib.contextmanager
def failing(module: Any, **so_far: Any) -> Iterator[None]:
    """Turns a FeatureError into the module's failure, at the edge and nowhere else.

    So too what the system refuses where nobody expects it, such as a link that is none any more when it is read; and any
    other exception, as the fault of ours that it is.
    Inside, messages call the options as the module was told to. so_far: results that the failure tells as well.
    """
    try:
        with errors.naming(module.params):
            yield
    except errors.FeatureError as error:
        module.fail_json(msg=str(error), **so_far)
    except OSError as error:
        place = paths.display(str(error.filename)) if error.filename is not None else "a file system call"
        module.fail_json(
            msg=f"{place}: {error.strerror}: it may have changed during the look, so run again, and look at it if this stays",
            **so_far,
        )
    except Exception as error:  # pylint: disable=broad-exception-caught
        module.fail_json(msg=str(errors.our_fault("the module could not do its work", error)), **so_far)
