# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where errors become results of a module."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Iterator

from ._system.paths import display
from .errors import FeatureError, our_fault


@contextlib.contextmanager
def failing(module: Any, role: str = "prepare_features", **so_far: Any) -> Iterator[None]:
    """Turns a FeatureError into the module's failure, at the edge and nowhere else.

    So too what the system refuses where nobody expects it, such as a link that is none any more when it is read; and any
    other exception, as the fault of ours that it is.
    role: whose variables the user and the right to become that user come from. so_far: results that the failure tells as well.
    """
    try:
        yield
    except FeatureError as error:
        text = re.sub(r"\bprepare_features_(user|become)\b", rf"{role}_\1", str(error))
        module.fail_json(msg=text, **so_far)
    except OSError as error:
        place = display(str(error.filename)) if error.filename is not None else "a file system call"
        module.fail_json(
            msg=f"{place}: {error.strerror}: it may have changed during the look, so run again, and look at it if this stays",
            **so_far,
        )
    except Exception as error:  # pylint: disable=broad-exception-caught
        module.fail_json(msg=str(our_fault("the module could not do its work", error)), **so_far)
