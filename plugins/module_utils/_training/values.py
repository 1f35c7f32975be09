# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and numbers of metrics: what a name means for all trainers alike, and the pairs that one line of a log states. Pure."""

from __future__ import annotations

import functools
import re
from typing import Dict, List, Optional, Tuple

TRAIN, VAL, TEST = "", "val_", "test_"
_STAGES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validating", "eval", "evaluation", "evaluating", "evaluate", "dev"), VAL),
    **dict.fromkeys(("test", "testing"), TEST),
}
_SHORT = {"acc": "accuracy", "lr": "learning_rate", "ppl": "perplexity", "average": "", "avg": "", "mean": ""}
_METRIC = re.compile(
    r"(?:^|_)(?:loss|accuracy|f1(?:_score)?|precision|recall|auc|auroc|uar|wer|cer|mae|mse|rmse|iou|miou|dice|map\d*(?:_95)?|bleu"
    r"|perplexity|reward|learning_rate)(?:$|_)"
)
_WORD = r"[A-Za-z][A-Za-z0-9_./@-]*"
# A thousands separator is read if decimals follow ("1,234.5"); "0,5" and "1,234" can mean two numbers and are left out.
_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+\.\d+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)|[-+]?(?:nan|inf(?:inity)?)\b"
_PAIR = re.compile(
    r"(?<![A-Za-z0-9_./@-])((?:" + _WORD + r"[ \t]+){0,3}" + _WORD + r")['\"]?\s*[:=]\s*['\"]?(?:tensor\()?(" + _NUMBER + r")( ?%)?"
    r"(?![\w:/]|\.\w|[,'\u2019]\d|[ \xa0\u202f]\d{3}[.,]\d|\s*\(\s*[-+\d.]+\s*\))",
    re.IGNORECASE,
)
_STAGE_WORD = re.compile(r"(?<![A-Za-z])(" + "|".join(_STAGES) + r")(?![A-Za-z./])", re.IGNORECASE)
# Values of another epoch, of all epochs together, or of the configuration.
_OTHER = re.compile(r"\b(?:best|final|patience|improved|threshold|target|train_runtime)\b", re.IGNORECASE)


@functools.lru_cache(maxsize=4096)
def curve_name(name: str) -> Tuple[str, Optional[str]]:
    """Return a metric's base name as for all trainers, and its stage (None if the name has none): C(Valid Acc) is accuracy, C(val_)."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    stage = None
    for end in (0, -1):
        if len(words) > 1 and words[end] in _STAGES:
            stage = _STAGES[words.pop(end)]
            break
    if len(words) > 1 and words[-1] == "epoch":
        words.pop()  # Lightning: the mean over the epoch
    return "_".join(filter(None, (_SHORT.get(word, word) for word in words))), stage


def stage_of(word: str) -> Optional[str]:
    """Return the stage that a word means; None if it means none."""
    return _STAGES.get(word.lower())


def is_metric(base: str) -> bool:
    """True if a base name is that of a metric that makes a curve."""
    return bool(_METRIC.search(base))


def _pairs(line: str) -> List[Tuple[str, Optional[str], float]]:
    """Return the metrics of a visible line: base name, stage if the name or the head of the line has one, value; empty if they are of
    another epoch than the current one."""
    if _OTHER.search(line):
        return []
    named = [(*curve_name(match.group(1)), match) for match in _PAIR.finditer(line)]
    found = [(base, stage, match) for base, stage, match in named if is_metric(base)]
    if not found:
        return []
    # A stage at the head of the line holds for all its values, unless the line names another one.
    head = line[: found[0][2].start()]
    at_head = _STAGE_WORD.search(head) or (found[0][1] is not None and not re.search(r"[A-Za-z]", head))
    stages = {_STAGES[word.lower()] for word in _STAGE_WORD.findall(line)} if at_head else set()
    common = stages.pop() if len(stages) == 1 else None
    stated = []
    for base, stage, match in found:
        value = float(match.group(2).replace(",", ""))
        stated.append((base, common if stage is None else stage, value / 100 if match.group(3) else value))
    return stated


def certain(line: str, plain_is_training: bool) -> Dict[str, float]:
    """Return the values of a line whose stage is certain, by curve name.

    plain_is_training: names without a stage are of the training, as in a Keras or tqdm bar of an epoch and in a trainer's dictionary.
    """
    stated = _pairs(line)
    if plain_is_training and _STAGE_WORD.search(line) and _STAGE_WORD.search(_PAIR.sub("", line)):
        plain_is_training = False
    twins = {name for name, stage, _value in stated if stage == VAL}
    found: Dict[str, float] = {}
    for name, stage, value in stated:
        if stage is None and (plain_is_training or name in twins or name.startswith("learning_rate")):
            stage = TRAIN
        if stage is not None:
            found.setdefault(stage + name, value)
    return found
