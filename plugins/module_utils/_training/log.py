# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a training log says: lines as a person sees them, the filters, the last epoch and its metrics. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Tuple

ALL, TRAINING, VALIDATION = "all", "training", "validation"
FILTERS = (ALL, TRAINING, VALIDATION)

MAX_METRICS = 24
MAX_ERRORS = 5
MAX_LINE = 400  # characters of one line that can stand in a result
MAX_READ = 2000  # and that are looked at: whoever prints a whole array on one line prints no metric there

# What moves a cursor, sets a title or colours: nothing of a log may drive the terminal of whoever watches it.
_TERMINAL = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
# "Epoch 3/30" says where the training is, "best val_loss in epoch 2" does not.
_EPOCH = re.compile(
    r"(?<!\bin )(?<!\bat )(?<!\bof )(?<!\bfrom )(?<!\bbest )(?<!\bsince )\bepoch\s*[:=#\[]?\s*(\d+)(?:\s*(?:/|of)\s*(\d+))?",
    re.IGNORECASE,
)
# "12/233 [==>" and "12/233 - 1s" of Keras, "  5%|#" of tqdm.
_STEPS = re.compile(r"^\s*(\d{1,9})/(\d{1,9})(?= )|\b(\d{1,3})%\|")
NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b"
# Quoted too, as a printed dictionary has them.
_PAIR = re.compile(
    r"(?<![A-Za-z0-9_./@-])([A-Za-z][A-Za-z0-9_./@-]*)['\"]?\s*[:=]\s*['\"]?(" + NUMBER + r")(%)?(?![\w.:/])", re.IGNORECASE
)
_METRIC = re.compile(
    r"(^|[_./-])(loss|acc|accuracy|f1|f1_score|precision|recall|auc|uar|wer|mae|mse|rmse|perplexity|ppl)(?=$|[_./@-])",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"^Traceback \(most recent call last\)"
    r"|^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)"
    r"|\b(?:ERROR|CRITICAL|FATAL|Error:|error:|out of memory|Killed|Segmentation fault|core dumped)"
)
_NOTABLE = re.compile(
    r"\bepoch\b|loss|acc(?:uracy)?\b|\bval_|checkpoint|early stopping|\btraining (?:complete|finished|done|ended)|\bMODEL\b",
    re.IGNORECASE,
)
_VALIDATED = re.compile(r"\bval[_/.-]|\bval\s*[:=]|\b(?:val|valid|validation) \w+\s*[:=]|\bvalidation\b", re.IGNORECASE)


def harmless(line: str) -> str:
    """The line without its end and without what would drive a terminal."""
    return _TERMINAL.sub("", line.rstrip("\r\n"))


def visible(line: str) -> str:
    """The line as a terminal leaves it: what a progress bar wrote over is gone, colours too."""
    text = harmless(line)
    if "\r" in text:
        text = next((part for part in reversed(text.split("\r")) if part.strip("\b ")), "")
    if "\b" in text:
        # Keras goes back over its bar by as many \b as the bar is long, then writes the next one.
        text = next((part for part in reversed(re.split("\b+", text)) if part.strip()), "")
    return text.rstrip()


def overwritten(data: bytes) -> int:
    """How many bytes at the beginning of an unfinished line what follows in it has written over, as a progress bar does."""
    return max(data.rfind(b"\r", 0, -1), data.rfind(b"\b", 0, -1), 0)


def wanted(line: str, which: str) -> bool:
    """Whether a visible line passes the filter: V(all), V(training) or V(validation)."""
    if which == ALL:
        return True
    line = line[:MAX_READ]
    if which == VALIDATION:
        return bool(_VALIDATED.search(line))
    return bool(_NOTABLE.search(line) or _ERROR.search(line))


def epoch_of(line: str) -> Tuple[Optional[int], Optional[int]]:
    """The epoch that a visible line names as the one that goes on, and of how many; None where it does not."""
    match = _EPOCH.search(line)
    if not match or len(match.group(1)) > 9 or len(match.group(2) or "") > 9:
        return None, None
    return int(match.group(1)), int(match.group(2)) if match.group(2) else None


def share_of(line: str) -> Optional[float]:
    """How much of its epoch is over when a visible line is written: as its bar says, all of it where it has metrics; None where
    nothing tells."""
    match = _STEPS.search(line)
    if match:
        step, steps = (int(match.group(1)), int(match.group(2))) if match.group(1) else (int(match.group(3)), 100)
        return min(1.0, step / steps) if steps else None
    return 1.0 if metrics_of(line) else None


def metrics_of(line: str) -> Dict[str, float]:
    """The numbers of one line with C(key: value) or C(key=value) pairs; empty where none of them is a metric."""
    found = {}
    for name, value, percent in _PAIR.findall(line):
        number = float(value)
        found[name] = number / 100 if percent else number
    return found if any(_METRIC.search(name) for name in found) else {}


@dataclass
class Progress:
    """How far a log shows the training to be. C(metrics) are the last value of each, C(errors) the last error lines.

    share: how much of that epoch is over.
    """

    epoch: Optional[int] = None
    share: float = 0.0
    epochs: Optional[int] = None
    metrics: Dict[str, float] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)
    last_line: str = ""

    def as_result(self) -> Dict[str, Any]:
        """The same for a module's result; V(nan) and the infinities, which JSON lacks, as text."""
        return {
            "epoch": self.epoch,
            "epochs": self.epochs,
            "metrics": {name: value if math.isfinite(value) else str(value) for name, value in self.metrics.items()},
            "errors": list(self.errors),
            "last_line": self.last_line,
        }


def read_progress(lines: Iterable[str]) -> Progress:
    """The state after these lines (raw ones, oldest first)."""
    progress = Progress()
    for raw in lines:
        line = visible(raw)[:MAX_READ]
        if not line:
            continue
        progress.last_line = line[:MAX_LINE]
        epoch, epochs = epoch_of(line)
        if epoch is not None and epoch != progress.epoch:
            progress.epoch, progress.share = epoch, 0.0
        progress.epochs = epochs or progress.epochs
        share = share_of(line)
        progress.share = progress.share if share is None else share
        for name, value in metrics_of(line).items():
            if name.lower() == "epoch":
                continue
            if name in progress.metrics or len(progress.metrics) < MAX_METRICS:
                progress.metrics[name] = value
        if _ERROR.search(line) and not line.startswith("Traceback"):
            progress.errors = (progress.errors + [line[:MAX_LINE]])[-MAX_ERRORS:]
    return progress
