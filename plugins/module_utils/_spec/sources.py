# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources of features: a directory of the controller, or a store that the host reaches by rclone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Mapping, Optional

from .. import errors


@dataclass(frozen=True)
class Store:
    """A source that rclone on the host reads. C(remote): the name of a configured remote, empty for one that is described
    on the fly. C(path): C(bucket/prefix). C(backend): of the remote, if none of that name is configured.
    """

    text: str
    remote: str
    path: str
    backend: str = ""


# What s3:// and gs:// are if no remote of that name is configured: (rclone's backend, its settings as environment).
# So the host's own credentials are used, as an instance's role, and what its environment says about the store still counts.
BACKENDS = {
    "s3": {"RCLONE_S3_PROVIDER": "AWS", "RCLONE_S3_ENV_AUTH": "true"},
    "gcs": {"RCLONE_GCS_ENV_AUTH": "true"},
}
_SCHEMES = {"s3": "s3", "gs": "gcs"}

_SECRET = re.compile(r"key|secret|pass|token|credential", re.IGNORECASE)
_VALUE = r"""(?:=(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:"']*))?"""
_ON_THE_FLY = re.compile(rf"\A:[A-Za-z0-9_][A-Za-z0-9_ -]*(?P<options>(?:,[A-Za-z0-9_]+{_VALUE})*):(?P<path>.+)\Z", re.DOTALL)


def parse_store(source: str) -> Optional[Store]:
    """Return the store of a set's source, None for a directory of the controller. FeatureError for any other form."""
    if source.startswith(":"):
        return _on_the_fly(source)
    head, colon, path = source.partition(":")
    if not colon or not head or "/" in head or head.startswith(("~", ".")):
        return None
    if not path.startswith("//"):
        return Store(source, head, path)
    if head not in _SCHEMES:
        raise errors.FeatureError(
            f"source '{source}': '{head}://' is not a store that is known here: write s3://bucket/prefix, gs://bucket/prefix, or the"
            " name of an rclone remote and a path, name:path"
        )
    if not path.strip("/"):
        raise errors.FeatureError(f"source '{source}' names no bucket: write {head}://bucket/prefix")
    return Store(source, head, path.strip("/"), _SCHEMES[head])


def _on_the_fly(source: str) -> Store:
    found = _ON_THE_FLY.match(source)
    if not found:
        raise errors.FeatureError(
            f"source '{source}' begins as a remote that rclone makes on the fly, and is not one: write"
            " ':s3,provider=AWS,env_auth=true:bucket/prefix', or s3://bucket/prefix"
        )
    for option in re.findall(rf",([A-Za-z0-9_]+){_VALUE}", found.group("options")):
        if _SECRET.search(option):
            raise errors.FeatureError(
                f"a source that begins with ':' has the option '{option}', which would stand in reports and process lists: use the"
                " host's own credentials (env_auth=true), or a named remote with RCLONE_CONFIG_… variables"
            )
    return Store(source, "", found.group("path"))


def settings_of(store: Store, environment: Mapping[str, str]) -> Dict[str, str]:
    """The variables of an environment that configure the store's remote, for rclone on the host.

    Of s3:// and gs:// no key: there the host's own credentials count.
    """
    if not store.remote:
        return {}
    prefix = f"RCLONE_CONFIG_{store.remote.partition(',')[0].upper().replace('-', '_')}_"
    found = {name: value for name, value in environment.items() if name.startswith(prefix)}
    if store.backend:
        return {name: value for name, value in found.items() if not _SECRET.search(name[len(prefix) :])}
    return found
