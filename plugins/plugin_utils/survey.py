# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists and dictionaries that arrive as text, as AWX surveys and C(-e name=value) hand them over."""

from __future__ import annotations

from typing import Any

import yaml

from ..module_utils.errors import FeatureError

_WORDS: dict[Any, str] = {list: "a list", dict: "a dictionary"}


def structured(value: Any, kind: type | None, name: str) -> Any:
    """Return the list or dictionary (C(kind)) that a text holds as YAML or JSON; any other value as it is.

    FeatureError, which names C(name), for a text that holds neither, and for a list in place of a dictionary or the other way round.
    """
    other = dict if kind is list else list
    if kind is not None and isinstance(value, other):
        advice = "begin each entry with '-' (e.g. - name: speech)" if kind is list else "write 'key: value' pairs, without '-'"
        raise FeatureError(f"{name} is {_WORDS[other]} instead of {_WORDS[kind]}: {advice}")
    if kind is None or not isinstance(value, str):
        return value
    try:
        found = yaml.safe_load(str(value))
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise FeatureError(f"{name} is a text that is neither YAML nor JSON (line {line}): write {_WORDS[kind]} in one of these") from None
    if not isinstance(found, kind):
        raise FeatureError(f"{name} is the text '{str(value)[:40]}' instead of {_WORDS[kind]}: write {_WORDS[kind]} in YAML or JSON")
    return found
