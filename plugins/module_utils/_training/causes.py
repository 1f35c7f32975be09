# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a training failed: the first real error in the last lines of its log, not that of a wrapper around it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from . import log, verdict

MAX_ERRORS = 5
_MOST_TRACEBACKS = 200  # that are read, the last ones
_LONGEST = 1000  # lines of a traceback with its message, those of other processes between them included
_TRACEBACK = re.compile(r"(?:Original |\+ Exception Group )?Traceback \(most recent call last\):?\s*$")
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?:: ?(.*)|)$")
_DIRECT = "The above exception was the direct cause of"
_WRAPPER = re.compile(
    r"(?:\w+\.)*(?:ChildFailedError|CalledProcessError|Process(?:Raised|Exited)Exception|_?RemoteTraceback|RayTaskError\S*"
    r"|TrainingFailedError|SystemExit|SimplifiedTraceback|UnfilteredStackTrace)\b|.*: Caught \w+ in (?:DataLoader worker|replica)"
)
# What the other processes of a distributed training say when one has failed.
_SECONDARY = re.compile(
    r"(?:\w+\.)*(?:DistBackendError|DistNetworkError|DistStoreError|BrokenPipeError|ConnectionResetError|BrokenProcessPool"
    r"|KeyboardInterrupt|EOFError:?\s*$)|RuntimeError: \[enforce fail at inline_container"
    r"|.*(?:Connection closed by peer|NCCL communicator was aborted|Socket Timeout)"
)
# Ray puts the worker's frames and its exception below this line.
_AROUND = re.compile(r"(?:\w+\.)*RayTaskError\(")
# Errors that no traceback goes before.
_SPECIAL = re.compile(
    r"(?P<rest>Watchdog caught collective operation timeout|what\(\):\s|Fatal Python error: |(?:CUDA|HIP|NCCL) (?:error|out of memory)\b)"
    r"|\bout of memory\b|Out of memory|std::bad_alloc|oom-kill|Segmentation fault|Bus error|core dumped|Illegal instruction"
    r"|: (?:command )?not found$|is not a TTY|No such file or directory|Permission denied|No space left on device|slurmstepd: error"
    r"|\bKilled\b|^thread '.*' panicked at |^panic: |^Lmod has detected the following error"
)
_LEVEL = re.compile(
    r"(?:[\[(<]?[\d:.,/ T+Z-]{8,}[\])>]?\s*[-|:]?\s*)?(?:[\w.]+\s*[-|:]\s*)?"
    r"[\[<]?(?:ERROR|CRITICAL|FATAL|Error|error|fatal)\b[\]>]?\s*[-|:]?\s*.*[A-Za-z]{3}.*$|\S+\.py: error: .*"
)
_NAMED = re.compile(r"(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|NotFound): .*[A-Za-z]{3}.*$")
_METRIC_NAME = re.compile(r"(?:Error|error)(?: rates?| ?\([^)]*\)| on(?: the)? \w+(?: set)?)?\s*[:=]?\s*[-+]?[\d.]+\s*%?\s*$")
_IGNORED = re.compile(r"wandb: |.*torch\.?distributed\.elastic|E\d{4} .*api\.py|W\d{4} |.*failed \(exitcode: |\s+Caused by: ")
_ROOT_RANK, _ROOT_CODE = re.compile(r"\s*rank\s*: (\d+)"), re.compile(r"\s*exitcode\s*: (-?\d+)")
# Graph execution errors: what stands before their message.
_GRAPH = re.compile(r"\s*$|\s|Detected at node|Node: |<stack traces|\d+ root error|Detected at |\[\[")
_DAMAGED = re.compile(
    r"BadZipFile|zlib\.error|BadGzipFile|LZMAError|File is not a zip file|Bad CRC-32|Bad magic number|No data left in file"
    r"|Failed to interpret file|the magic string is not correct|EOF: reading array|containing pickled data when allow_pickle"
    r"|UnpicklingError|Ran out of input|truncated file|file signature not found|Error while deserializing header|PytorchStreamReader failed"
    r"|magic bytes not found|Parquet file size is|Not an Arrow file|Expected to be able to read|tarfile\.ReadError|unexpected end of data"
    r"|Compressed file ended before|(?:corrupted|truncated) record at"
)
# What these say for a file that is cut off is said by other code too: it counts if a reader of files raised it.
_CUT_OFF = re.compile(r"EOFError:?\s*$|ValueError: cannot reshape array")
_READER = re.compile(r'File ".*(?:numpy/lib/\w+|zipfile|zipfile/__init__|gzip|lzma|tarfile)\.py"')
_FEATURE = re.compile(r"(?<![\w.])[\w./~@+-]*\.(?:npz|npy|pt|pth|h5|hdf5|safetensors|parquet|arrow|pkl|tar|zarr)(?![\w])")
_CHECKPOINT = re.compile(r"checkpoint|ckpt|weights|optimi[sz]er|(?:best|last)[^/]*\Z", re.IGNORECASE)
_FULL = "ansible-playbook trainprep.features.prepare_features --check finds every damaged file if the feature set says verify: full"


@dataclass(frozen=True)
class _Raised:
    """An exception of a traceback: where it is in the log, its text, the prefix of its process, and whether the next one names it as its
    direct cause."""

    at: int
    text: str
    prefix: str
    direct: bool = False


def _shown(lines: Sequence[str]) -> List[str]:
    """The lines without control sequences, each state of a progress bar as one; of a printed array its beginning."""
    parts = (part for line in lines for part in log.split(line))
    return [log.harmless(part[: 2 * log.MAX_READ])[: log.MAX_READ].rstrip() for part in parts]


def find_cause(lines: Sequence[str]) -> Optional[str]:
    """Return the cause in these raw lines; if none is recognized, the last line. None if there is no line."""
    shown = _shown(lines)
    raised = _tracebacks(shown)
    rank, code = _root_failure(shown)
    found = _first_real(raised, rank)
    text = found.text if found else _special(shown) or _logged(shown)
    where = _of_rank(rank, code)
    if not text and where:
        text, where = where, ""
    if not text and raised:
        found = next((one for one in reversed(raised) if not _WRAPPER.match(one.text)), raised[-1])
        text = found.text
    if not text:
        last = next((line for line in reversed(shown) if re.search(r"[^\W_]", line) and not _IGNORED.match(line)), "")
        return f"the log ends with: {last.strip()[:log.MAX_LINE]}" if last else None
    if _is_of_damage(text, shown[: found.at] if found else []):
        behind = [one.text for one in raised if found and one.at >= found.at and one.prefix == found.prefix]
        text = _with_file(text, [*shown[: found.at if found else None], *behind, text])
    return text[:log.MAX_LINE] + (f" ({where})" if where else "")


def find_errors(lines: Sequence[str]) -> List[str]:
    """Return the last errors that a log states: exceptions of tracebacks, and lines that are an error."""
    shown = _shown(lines)
    found = [(one.at, one.text) for one in _tracebacks(shown) if not _WRAPPER.match(one.text)]
    found += [(at, log.without_rank(line)) for at, line in enumerate(shown) if _states_error(log.without_rank(line))]
    return [text[:log.MAX_LINE] for text in list(dict.fromkeys(text for _at, text in sorted(found)))[-MAX_ERRORS:]]


def _tracebacks(lines: Sequence[str]) -> List[_Raised]:
    found = [(at, match) for at, match in enumerate(map(_TRACEBACK.search, lines)) if match]
    raised = [_exception_after(lines, at, lines[at][: match.start()]) for at, match in found[-_MOST_TRACEBACKS:]]
    return [one for one in raised if one]


def _exception_after(lines: Sequence[str], at: int, prefix: str) -> Optional[_Raised]:
    """The first line behind a traceback's frames that is not indented: its exception, whatever the name."""
    following = next((line for line in lines[at + 1 : at + 200] if line.strip()), "")
    prefix = prefix if following.startswith(prefix) else ""
    behind = range(at + 1, min(len(lines), at + _LONGEST))
    own = [(number, lines[number][len(prefix) :]) for number in behind if lines[number].startswith(prefix)]
    for place, (number, text) in enumerate(own):
        if not text.strip() or text[0] in " \t|+" or (_AROUND.match(text) and place + 1 < len(own)):
            continue
        match = _EXCEPTION.match(text)
        if not match:
            return None
        rest = [line for _number, line in own[place + 1 :]]
        direct = any(line.startswith(_DIRECT) for line in rest[:4])
        return _Raised(number, _complete(text, rest), prefix, direct)
    return None


def _complete(text: str, rest: Sequence[str]) -> str:
    """The exception with the line that says what went wrong, if its own first line ends in a colon."""
    if text.endswith("Graph execution error:"):
        name = text.split(":", 1)[0].rpartition(".")[2]
        message = next((line for line in rest[:400] if not _GRAPH.match(line)), "")
        return f"{name}: {re.sub(r'^(?:[(]0[)] )?(?:[A-Z_]+: +)?', '', message)}" if message else text
    if text.endswith(":") and rest and rest[0].strip() and not _WRAPPER.match(text):
        return f"{text} {rest[0].strip()}"
    return text


def _first_real(raised: Sequence[_Raised], rank: Optional[int]) -> Optional[_Raised]:
    """The exception that the process ended with or, of several processes, that of the root rank, else of the first to fail."""
    real = [one for one in raised if not _WRAPPER.match(one.text) and not _SECONDARY.match(one.text)]
    if not real:
        return None
    last = {one.prefix: one for one in real}  # of each process
    of_root = [one for prefix, one in last.items() if rank is not None and re.search(rf"\D{rank}\D", prefix)]
    ranked = [one for prefix, one in last.items() if re.search(r"\d", prefix)]
    chosen = min(of_root or ranked or [real[-1]], key=lambda one: one.at)
    own = [one for one in real if one.prefix == chosen.prefix and one.at <= chosen.at]
    while len(own) > 1 and own[-2].direct:
        own.pop()
    return own[-1]


def _root_failure(lines: Sequence[str]) -> Tuple[Optional[int], Optional[int]]:
    """The rank and the exit code below "Root Cause" in torchrun's table."""
    start = next((at for at in range(len(lines) - 1, -1, -1) if "Root Cause" in lines[at]), None)
    if start is None:
        return None, None
    rank, code = (
        next((int(match.group(1)) for match in map(pattern.match, map(log.without_rank, lines[start : start + 12])) if match), None)
        for pattern in (_ROOT_RANK, _ROOT_CODE)
    )
    return rank, code


def _of_rank(rank: Optional[int], code: Optional[int]) -> str:
    if rank is None or code is None:
        return ""
    return f"rank {rank}, " + (f"exit code {code}" if code >= 0 else f"signal {-code}{verdict.signal_name(-code)}")


def _special(lines: Sequence[str]) -> str:
    """The last error that no traceback goes before; of what a library puts in a line of its own, without that line's head."""
    for at in range(len(lines) - 1, -1, -1):
        text = log.without_rank(lines[at])
        match = None if _IGNORED.match(text) else _SPECIAL.search(text)
        if match:
            return _complete(text[match.start() if match.group("rest") else 0 :].strip(), lines[at + 1 :])
    return ""


def _logged(lines: Sequence[str]) -> str:
    at = next((at for at in range(len(lines) - 1, -1, -1) if _states_error(log.without_rank(lines[at]))), None)
    return "" if at is None else _complete(log.without_rank(lines[at]), lines[at + 1 :])


def _states_error(line: str) -> bool:
    """True if a line is an error of its own: not a metric called error, not a log level in a configuration."""
    text = line[:log.MAX_READ]
    if _IGNORED.match(text) or _METRIC_NAME.search(text) or _WRAPPER.match(text):
        return False
    return bool(_NAMED.match(text) or _LEVEL.match(text))


def _is_of_damage(text: str, before: Sequence[str]) -> bool:
    """True if a reader of files says that a file is damaged. before: the traceback's frames."""
    if _DAMAGED.search(text):
        return True
    frame = next((line for line in reversed(before[-20:]) if 'File "' in line), "")
    return bool(_CUT_OFF.match(text) and _READER.search(frame))


def _with_file(text: str, lines: Sequence[str]) -> str:
    """The cause with the damaged file's name, if these lines have one, and what finds it."""
    named = [name for line in lines[-200:] for name in _FEATURE.findall(line) if "/" in name or not name.endswith(".npy")]
    named = [name for name in named if not _CHECKPOINT.search(name)]
    file = f"; the last file named in the log is {named[-1][-120:]}" if named else ""
    rest = f": a damaged feature file{file}; {_FULL}"
    return text[: log.MAX_LINE - len(rest)] + rest
