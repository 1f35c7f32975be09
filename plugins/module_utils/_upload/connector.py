# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the connecting user runs on a host in place of rsync: it hands its standard streams to a service (see service.py). Pure."""

from __future__ import annotations

import re
from typing import List

from .. import errors

# What it, or the service, says on stderr.
ARRIVED, IMPOSTOR, REFUSED = "feature_upload: arrived", "feature_upload: another receiver", "feature_upload: refuses"

# Run by the login shell, whichever that is (bash, fish, csh, ...): one line, without single quotes, exclamation marks and backslashes.
# As a forced command it gets rsync's arguments from SSH's environment, else from its command line.
_CODE = (
    "import array,os,socket,struct,sys;"
    "s=socket.socket(socket.AF_UNIX);"
    "s.connect(chr(0)+sys.argv[1]);"
    'u=struct.unpack("3i",s.getsockopt(socket.SOL_SOCKET,socket.SO_PEERCRED,12))[1];'
    f'u==int(sys.argv[2]) or sys.exit("{IMPOSTOR}");'
    'a=sys.argv[3:] or [os.environ.get("SSH_ORIGINAL_COMMAND","")];'
    "s.sendmsg([chr(0).join(a).encode()],"
    '[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array("i",[0,1,2]))]);'
    "c=s.recv(1);"
    f'c==bytes(1) and print("{ARRIVED}",file=sys.stderr);'
    "sys.exit(c[0] if c else 12)"
)
_PYTHON = re.compile(r"/[\w./+@-]+")
_NAME = re.compile(r"[0-9a-f]{32}")


def connector_words(python: str, name: str, uid: int) -> List[str]:
    """Return the command. python: the host's interpreter; name, uid: where the service listens, and as whom it runs.

    FeatureError for an interpreter that no command line can name.
    """
    if not (_PYTHON.fullmatch(python) and _NAME.fullmatch(name)):
        raise errors.FeatureError(
            f"the host's answer is not understood ('{python[:80]}' is no interpreter that a command line can name): set"
            " ansible_python_interpreter"
        )
    return [python, "-ISc", _CODE, name, str(uid)]
