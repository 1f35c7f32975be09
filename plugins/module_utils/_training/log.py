# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One line of a training log: its visible text, the filters, the epoch it names, and the part of the epoch that is over. Pure."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional

MAX_LINE = 400  # characters of a line in a result
MAX_READ = 2000  # characters of a line that are parsed: a longer line is a printed array

# No log may drive the terminal of its reader.
_TERMINAL = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
# torchrun, accelerate, srun -l, mpirun --tag-output and Ray put the rank before each line.
_RANK = re.compile(r"(?:\[(?:rank|default)?\s?\d+\]: ?|\d{1,4}: |\[\d+,\d+\]<std(?:out|err)>: ?|\(\w+ pid=\d+[^)]*\) )")
# Of another epoch, or a configuration.
_NOT_NOW = re.compile(r"\b(?:best|final|resum\w*|restor\w*|load\w*|early|previous|Namespace)\b|\bcheckpoint \S+ \(epoch", re.IGNORECASE)
_EPOCHS = tuple(
    (word, re.compile(pattern, re.IGNORECASE))
    for word, pattern in (
        # "Epoch 3/30", "Epoch: [0][ 10/500]", "Epoch(train) [1][10/50]", "epoch=4", "'epoch': 0.5"
        (
            "epoch",
            r"epoch(?<![\w/-]epoch)(?<!\b(?:in|at|of) epoch)(?<!\b(?:per|max|num) epoch)(?<!\b(?:from|last) epoch)"
            r"(?<!\b(?:since|total|start|every|epoch) epoch)(?<!\bwarmup epoch)(?:\((?:train|val|test)\))?['\"]?\s*[:=#]?\s*['\"]?[\[(]?\s*"
            r"(\d{1,9}(?:\.\d+)?)(?![A-Za-z_\d%]|[.,]\d)(?:\s*(?:/|of)\s*(\d{1,9}))?(?!\d|\.\d)",
        ),
        ("g", r"^\s*(\d{1,9})/(\d{1,9})\s+\d+(?:\.\d+)?G\s"),  # ultralytics
        ("train: ", r"^Train: (\d{1,9}) \[()"),  # timm
        ("epoch", r"\b(\d{1,9})(?:/(\d{1,9}))?epoch\b"),  # ESPnet
    )
)
# "12/233 [==>" and "12/233 - 1s" of Keras, "  5%|#" of tqdm, "[ 10/500]" of a printed step; of an unknown number of steps "batch 50" and
# "1-50batch" (ESPnet).
_STEPS = re.compile(
    r"(?<![\d/.-])(\d{1,9})\s*/\s*(\d{1,9})(?![\d/.-])|\b(\d{1,3})%\|"
    r"|(?:\d-\d+batch|(?<![\w/])(?:global[_ ])?(?:step|iter(?:ation)?s?|batch)\s*[:=#]?\s*\[?\d+(?!\d|\s*/|%))()",
    re.IGNORECASE,
)
_BAR = re.compile(r"\s*(?:\x1b\[1m\s*)?(\d{1,9})/(\d{1,9})(?=[\s\x1b])|[^|]{0,80}?\b\d{1,2}%\|")
_METRIC = re.compile(
    r"(?:loss|acc|accuracy|f1|score|precision|recall|auc|auroc|uar|mae|mse|wer|cer|iou|dice|map|bleu|ppl|perplexity)['\"]?\s*[:=]\s*['\"]?"
    r"(?:tensor\()?[-+]?(?:\d|\.\d|nan|inf)",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"^Traceback \(most recent call last\)|^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)"
    r"|^(?:[a-z_]\w*\.)+[A-Z]\w*: "
    r"|\b(?:ERROR|CRITICAL|FATAL|Error:|error:|out of memory|Killed|Segmentation fault|core dumped)"
)
_NOTABLE = re.compile(
    r"\bepoch\b|loss|acc(?:uracy)?\b|\bval_|checkpoint|early stopping|\btraining (?:complete|finished|done|ended)|\bMODEL\b",
    re.IGNORECASE,
)
_VALIDATED = re.compile(r"\bval[_/.-]|\bval\s*[:=]|\b(?:val|valid|validation) \w+\s*[:=]|\bvalidation\b", re.IGNORECASE)


def harmless(line: str) -> str:
    """Return the line without its end and without terminal control sequences."""
    return _TERMINAL.sub("", line.rstrip("\r\n"))


def visible(line: str) -> str:
    """Return the line as a terminal shows it in the end: without the text that a progress bar wrote over."""
    text = harmless(line)
    if "\r" in text:
        text = next((part for part in reversed(text.split("\r")) if part.strip("\b ")), "")
    if "\b" in text:
        # Keras moves back over its bar with one \b per character, then writes the next bar.
        text = next((part for part in reversed(re.split("\b+", text)) if part.strip()), "")
    return text.rstrip()


def split(text: str) -> List[str]:
    """Split text into lines that are not empty, the states of a progress bar included."""
    return re.split("[\r\n\b]+", text)


def without_rank(line: str) -> str:
    """Return the line without the rank that a launcher put before it."""
    match = _RANK.match(line)
    return line[match.end() :] if match else line


def overwritten(data: bytes) -> int:
    """Return how many leading bytes of an unfinished line a progress bar has written over."""
    return max(data.rfind(b"\r", 0, -1), data.rfind(b"\b", 0, -1), 0)


def wanted(line: str, which: str) -> bool:
    """True if a visible line passes the filter V(all), V(training) or V(validation)."""
    if which == "all":
        return True
    line = line[:MAX_READ]
    if which == "validation":
        return bool(_VALIDATED.search(line))
    return bool(_NOTABLE.search(line) or _ERROR.search(line))


class LogPlace(NamedTuple):
    """What a visible line says of the progress: the current epoch, the number of epochs, the part of the epoch (0 to 1) that is over;
    None for what it does not say. Metrics without a bar are written at the end of their epoch: that is a part of 1. step: one is named."""

    epoch: Optional[float] = None
    epochs: Optional[int] = None
    share: Optional[float] = None
    step: bool = False


def place_of(line: str) -> LogPlace:
    """Return what a visible line says of the progress."""
    low = line.lower()
    if not ("epoch" in low or "/" in line or "%|" in line or "train: " in low or _METRIC.search(line)):
        return LogPlace()
    match = None
    if not _NOT_NOW.search(line):
        found = (pattern.search(line) for word, pattern in _EPOCHS if word in low)
        match = next((one for one in found if one), None)
    start = match.end() if match else 0
    metric = _METRIC.search(line, start)
    share = _share(line, start, metric.start() if metric else len(line))
    step = share is not None
    if share is None and (metric or _METRIC.search(line)):
        share = 1.0
    if match is None:
        return LogPlace(share=share, step=step)
    return LogPlace(float(match.group(1)), int(match.group(2)) if match.group(2) else None, share, step)


def _share(line: str, start: int, end: int) -> Optional[float]:
    match = _STEPS.search(line, start, end)
    if match is None:
        return None
    if match.group(4) is not None:
        return 0.0
    step, steps = (int(match.group(1)), int(match.group(2))) if match.group(1) else (int(match.group(3)), 100)
    return min(1.0, step / steps) if steps else None


def is_partial_bar(line: str) -> bool:
    """True if a raw line is a progress bar that has not reached its end."""
    match = _BAR.match(line)
    return match is not None and (match.group(1) is None or match.group(1) != match.group(2))
