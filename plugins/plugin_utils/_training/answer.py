# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema of what training_info returns, for C(answers.check_answer)."""

from __future__ import annotations

from collections.abc import Mapping

from ..answers import Each, Either, Maybe, OneOf, Schema, Whole

_TIMES = dict.fromkeys(("started", "ended"), Maybe(float))
_END = dict.fromkeys(("exit_code", "signal"), Maybe(int))
_PACE = dict.fromkeys(("seconds_per_epoch", "seconds_left"), Maybe(float))
_AXIS = OneOf("epoch", "step")
_METRIC = Either(float, OneOf("nan", "inf", "-inf"))
_BEST: dict[str, Schema] = {"metric": str, "epoch": float, "value": float}
_CODE: dict[str, Schema] = {
    **dict.fromkeys(("commit", "command_line"), Maybe(str)),
    "dirty": Maybe(bool),
    "changes": [str],
    "attempts": int,
}
_PROCESS: dict[str, Schema] = {"pid": int, "name": str}
_DATA: dict[str, Schema] = {
    **dict.fromkeys(("digest", "at_start", "reason"), Maybe(str)),
    "changed": Maybe(bool),
    "changed_sets": [str],
}
_SET: dict[str, Schema] = {
    **dict.fromkeys(("target", "state"), str),
    **dict.fromkeys(("features", "dangling", "rejected", "unreadable"), int),
    "ready": bool,
    "digest": Maybe(str),
    "problems": [str],
}

INFO_ANSWER: Mapping[str, Schema] = {
    **dict.fromkeys(("state", "outcome", "sentence", "user", "directory"), Maybe(str)),
    "healthy": bool,
    "session": Whole({"name": str, "active": bool}),
    "process": Whole({
        "running": bool, "pid": Maybe(int), "others": [Whole(_PROCESS)], "outlived": [Whole({**_PROCESS, "age": float})],
    }),
    "run": Maybe(Whole({"path": str, **_TIMES, **_END, **_CODE, "feature_status": Maybe(int), "sets": [str]})),
    "runs": [Whole({
        "run": str, **_TIMES, "seconds": Maybe(float), "state": str, "outcome": str, "stopped_by": Maybe(str), **_CODE,
        "best": Maybe(Whole({**_BEST, "axis": _AXIS})), "digest": Maybe(str),
    })],
    "log": Whole({"path": Maybe(str), "bytes": Maybe(int), "age": Maybe(float), "lines": [str]}),
    "progress": Whole({"epoch": Maybe(float), "epochs": Maybe(int), "metrics": Each(_METRIC), "errors": [str], **_PACE}),
    "history": Maybe([Whole({
        "run": str, **_TIMES, **_END, "axis": _AXIS, "source": Maybe(Whole({"kind": str, "path": str})),
        "epochs": Maybe(int), **_PACE, "best": Maybe(Whole(_BEST)), "sampled": bool, "curves": Each([(float, Maybe(float))]),
    })]),
    "checkpoint": Maybe(Whole({"path": str, "bytes": int, "age": float})),
    "gpus": [Whole({"name": str, "instance": Maybe(str), **dict.fromkeys(("index", "use", "memory_used", "memory_total"), Maybe(int))})],
    "gpu_problem": Maybe(str),
    "memory": Whole(dict.fromkeys(("total", "available"), Maybe(int))),
    "disk": Whole(dict.fromkeys(("total", "free"), Maybe(int))),
    "features": Whole({
        "count": Maybe(int), "from": str, "status": Maybe(int), "ready": Maybe(bool), "problem": Maybe(str),
        "sets": Each(Whole(_SET)), "data": Whole(_DATA),
    }),
}  # fmt: skip
