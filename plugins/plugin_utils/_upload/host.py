# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's side of an upload as the controller sees it: the steps of the module feature_transfer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...module_utils.errors import FeatureError
from .options import Options
from .progress import Show

_PAUSE = 3.0


class BusyError(FeatureError):
    """Another upload of the same set did not end in time."""


class Host:
    """One host. ask: runs feature_transfer with arguments."""

    def __init__(self, name: str, options: Options, ask: Callable[[dict[str, Any]], dict[str, Any]], show: Show) -> None:
        self.name = name
        self.show = show
        self._ask = ask
        self._wait = options.wait
        self._always = {"sets": options.raw, "user": options.user, "variable_prefix": options.variable_prefix}

    def step(self, step: str, environment: Mapping[str, str] | None = None, **request: Any) -> dict[str, Any]:
        answer = self._ask({**self._always, "step": step, "request": request, "environment": dict(environment or {})})
        if answer.get("failed") or step not in answer:
            error = FeatureError(f"{self.name}: {str(answer.get('msg') or 'the host gave no answer').strip()}")
            error.trace = answer.get("exception") or ""
            raise error
        return answer

    def stage(self, sources: Mapping[str, str], connecting_uid: int | None, streams: int) -> dict[str, Any]:
        """Plan the upload of these sources (packed manifests by set) and, with a uid, make the host ready for it."""

        def stage() -> dict[str, Any]:
            return self.step("stage", sources=dict(sources), connecting_uid=connecting_uid, streams=streams)

        return self._unless_busy(stage, lambda answer: [one["shown"] for one in answer["stage"].values() if one["busy"]])

    def receive(self, name: str, sender: Mapping[str, Any]) -> dict[str, Any]:
        """Have the host receive a set from another host, see module_utils/_upload/peer_steps.py."""

        def receive() -> dict[str, Any]:
            return self.step("receive", set=name, **sender)

        answer = self._unless_busy(receive, lambda answer: [answer["receive"]["shown"]] if answer["receive"]["busy"] else [])
        return dict(answer["receive"])

    def start_fetch(self, name: str, environment: Mapping[str, str]) -> dict[str, Any]:
        """List the store of a set and, outside check mode, start to fetch from it."""

        def start() -> dict[str, Any]:
            return dict(self.step("fetch", environment, set=name, state="start")["fetch"])

        return self._unless_busy(start, lambda answer: [answer["shown"]] if answer["busy"] else [])

    def _unless_busy(
        self, attempt: Callable[[], dict[str, Any]], busy_in: Callable[[dict[str, Any]], list[str]]
    ) -> dict[str, Any]:
        """The answer of the first attempt that finds no other upload at work; BusyError if the wait is over."""
        end = time.monotonic() + self._wait
        shown = False
        while True:
            answer = attempt()
            busy = busy_in(answer)
            if not busy:
                return answer
            if not shown:
                self.show(f"{self.name}: another upload is writing into {busy[0]}, waiting for it", False)
                shown = True
            if time.monotonic() >= end:
                raise BusyError(
                    f"{self.name}: {busy[0]} is still being written by another upload (waited {self._wait:.0f} s for it): it may"
                    " be one whose controller has gone; wait until it ends, then run again"
                )
            time.sleep(min(_PAUSE, self._wait))
