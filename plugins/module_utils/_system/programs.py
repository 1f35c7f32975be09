# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host: with C(sessions), the one place where processes are started that are not copies of this one.

``run_command`` knows no time limit, and its module is out of reach in a child that became another user.
"""

from __future__ import annotations

import subprocess
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Union


class Answer(NamedTuple):
    """What a program ended with."""

    code: int
    output: bytes
    errors: bytes


def ask_program(
    command: Sequence[str],
    seconds: Optional[float],
    environment: Mapping[str, str],
    given: Union[bytes, int, None] = None,
    directory: Optional[int] = None,
) -> Optional[Answer]:
    """Run a program to its end; None if it does not end in time, and is killed.

    given: its input, or the descriptor of it. directory: an open one, in which it runs.
    """
    source: Dict[str, Any] = {"input": given} if isinstance(given, bytes) else {"stdin": subprocess.DEVNULL if given is None else given}
    if directory is not None:
        source.update(cwd=f"/proc/self/fd/{directory}", pass_fds=(directory,))
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(command),
            env=dict(environment),
            **source,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return Answer(done.returncode, done.stdout, done.stderr)
