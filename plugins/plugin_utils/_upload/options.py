# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of feature_upload, and which sets it uploads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._spec.options import PLAN_ARGUMENTS
from ...module_utils._spec.sets import FeatureSet, parse_sets
from ...module_utils._spec.sources import parse_store
from ...module_utils.errors import FeatureError, named
from .rsync import check_options, check_streams

SPEC: dict[str, dict[str, Any]] = {
    **PLAN_ARGUMENTS,
    "rsync_opts": {"type": "list", "elements": "str", "default": []},
    "streams": {"type": "raw", "default": "auto"},
    "wait": {"type": "float", "default": 60.0},
    "peer_sends": {"type": "int", "default": 2},
}
_VALIDATOR = ArgumentSpecValidator(SPEC)


@dataclass(frozen=True)
class Options:
    """What a task asks for.

    C(raw): all sets of the host as given; C(sets): those to upload; C(streams): None for auto; C(peers): a pattern of hosts;
    C(prepare): arguments of feature_prepare, which finishes what was uploaded.
    """

    raw: list[dict[str, Any]]
    sets: list[FeatureSet]
    user: str
    rsync_opts: list[str]
    streams: int | None
    wait: float
    variable_prefix: str
    peers: str = ""
    peer_sends: int = 2
    prepare: Mapping[str, Any] = field(default_factory=dict)

    @property
    def limits(self) -> list[str]:
        """The options of rsync that hold for a transfer between two hosts too."""
        return [option for option in self.rsync_opts if option.startswith("--bwlimit=")]

    @property
    def from_here(self) -> list[FeatureSet]:
        """The sets whose source is a directory on the controller."""
        return [one for one in self.sets if not parse_store(one.source or "")]

    @property
    def from_stores(self) -> list[FeatureSet]:
        """The sets that the host fetches by itself."""
        return [one for one in self.sets if parse_store(one.source or "")]


def parse_options(arguments: Mapping[str, Any], facts: Mapping[str, Any]) -> Options:
    """Check a task's arguments. facts: the host's C(feature_sets), empty before an inspection. FeatureError for bad ones."""
    unknown = sorted(set(arguments) - set(SPEC))
    if unknown:
        raise FeatureError(f"feature_upload has no option '{unknown[0]}': its options are {', '.join(sorted(SPEC))}")
    checked = _VALIDATOR.validate(dict(arguments))
    if checked.error_messages:
        raise FeatureError(f"feature_upload: {'; '.join(checked.error_messages)}")
    given = checked.validated_parameters
    return Options(
        raw=given["sets"],
        sets=[one for one in parse_sets(given["sets"]) if _is_wanted(one, facts)],
        user=given["user"] or "",
        rsync_opts=check_options(given["rsync_opts"]),
        streams=check_streams(given["streams"]),
        wait=given["wait"],
        variable_prefix=given["variable_prefix"],
        peers=given["peers"],
        peer_sends=_at_least_one(given["peer_sends"]),
        # Nothing is pruned in a run that uploads.
        prepare={**{name: given[name] for name in PLAN_ARGUMENTS if given[name] is not None}, "prune": "none"},
    )


def _at_least_one(number: int) -> int:
    if number < 1:
        raise FeatureError(f"{named('peer_sends')}: {number} is not a number of hosts to send to at once: set 1 or more")
    return number


def _is_wanted(one: FeatureSet, facts: Mapping[str, Any]) -> bool:
    """True if the inspection said that the set has to be uploaded; without one, if the set has a source."""
    known = facts.get(one.name)
    return known.get("to_upload") is True if isinstance(known, Mapping) else bool(one.source)


def names_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What messages call the options, see errors.named."""
    prefix = str(arguments.get("variable_prefix") or "")
    return {"variable_prefix": prefix, "variable_names": {"streams": f"{prefix}upload_streams"} if prefix else {}}
