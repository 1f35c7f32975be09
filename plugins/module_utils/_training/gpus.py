# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The GPUs of a host as nvidia-smi, amd-smi or rocm-smi report them, and what such a program says if it fails."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .._system import programs

TIME_LIMIT = 30.0  # seconds for each call
PROGRAMS = ("nvidia-smi", "amd-smi", "rocm-smi")
_PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/rocm/bin"  # beside PATH
_KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH")
_FIELDS = ("index", "name", "utilization.gpu", "memory.used", "memory.total", "uuid")
_USERS = ("gpu_uuid", "pid", "used_memory")
_MIG = re.compile(r"\s+MIG\s+(\S+)\s+Device\s+(\d+):")
_TAG = re.compile(r"<(gpu_instance_id|compute_instance_id|total|used|pid|used_memory)>([^<]*)<")
_UNKNOWN = ("[N/A]", "[Not Supported]", "[Not Found]")  # what a GPU does not have; every other text in brackets is an error

Users = List[Tuple[int, Optional[int]]]  # process and MiB


class Gpus(NamedTuple):
    """One entry a GPU or MIG instance, memory in MiB, use in percent, None for what is not known; and what went wrong.

    C(processes), if asked for, are those that use it, with their memory; None if they are not known.
    """

    found: List[Dict[str, Any]]
    problem: Optional[str] = None


def find_gpus(processes: bool = False) -> Gpus:
    """Return the GPUs of this host, if asked for with the processes that use them: of the first program that finds some. If none does,
    what the first one says; no problem if there is no such program."""
    answers = []
    for name, ask in zip(PROGRAMS, (_nvidia, _amd, _rocm)):
        program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")
        if program:
            answers.append(ask(program, processes))
            if answers[-1].found:
                return answers[-1]
    return answers[0] if answers else Gpus([])


def _ask(program: str, *arguments: str) -> Tuple[str, Optional[str]]:
    """The program's output, and what is wrong with it."""
    name = program.rpartition("/")[2]
    # It may run as another account than what started us, and what a play put into our environment may be secret.
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        answer = programs.ask_program([program, *arguments], TIME_LIMIT, kept)
    except OSError as error:
        return "", f"{name} cannot be run: {error.strerror}"
    if answer is None:
        return "", f"{name} did not answer within {TIME_LIMIT:g} s"
    output = answer.output.decode("utf-8", "replace")
    if answer.code == 0:
        return output, None
    said = (answer.errors.decode("utf-8", "replace").strip() or _table(output)[1] or "no message").split("\n")
    return output, f"{name}: {' '.join(line.strip() for line in said)[:300]} (exit code {answer.code})"


def _nvidia(program: str, processes: bool) -> Gpus:
    output, problem = _ask(program, "--query-gpu=" + ",".join(_FIELDS), "--format=csv,noheader,nounits")
    rows, remarks = _table(output)
    said = " ".join(filter(None, (remarks, _cell_errors(rows))))
    problem = problem or (f"nvidia-smi: {said[:300]}" if said else None)
    entries = []
    for index, name, use, used, total, _uuid in rows:
        number = [int(cell) if cell.isdigit() else None for cell in (index, use, used, total)]
        entries.append(_entry(number[0], name, number[1], number[2], number[3]))
    if processes and rows:
        said, failed = _ask(program, "--query-compute-apps=" + ",".join(_USERS), "--format=csv,noheader,nounits")
        problem = problem or failed
        for entry, row in zip(entries, rows):
            entry["processes"] = None if failed else _users_of(row[5], said)
    if any(entry["use"] is None for entry in entries):
        listed = parse_mig(_ask(program, "-L")[0], _ask(program, "-q", "-x")[0])
        entries = [one for entry in entries for one in _instances(entry, listed, processes)]
    return Gpus(entries, problem)


def _table(output: str) -> Tuple[List[List[str]], str]:
    """The rows of nvidia-smi's table of GPUs, and the lines that are no rows."""
    rows, rest = [], []
    for line in filter(None, map(str.strip, output.splitlines())):
        cells = _cells(line)
        if len(cells) == len(_FIELDS) and cells[0].isdigit():
            rows.append(cells)
        else:
            rest.append(line)
    return rows, " ".join(rest)


def _cells(line: str) -> List[str]:
    return [part.strip() for part in line.split(",")]


def _users_of(uuid: str, table: str) -> Users:
    """The processes on a GPU, from the rows of nvidia-smi's table of them."""
    rows = map(_cells, table.splitlines())
    return [(int(row[1]), _whole(row[2])) for row in rows if len(row) == len(_USERS) and row[0] == uuid and row[1].isdigit()]


def _cell_errors(rows: List[List[str]]) -> str:
    """The errors that nvidia-smi's table has instead of values."""
    found = ((row[0], cell) for row in rows for cell in row[1:])
    wrong = (f"GPU {gpu}: {cell.strip('[]')}" for gpu, cell in found if cell == "ERR!" or (cell[:1] == "[" and cell not in _UNKNOWN))
    return "; ".join(dict.fromkeys(wrong))


def _entry(index: Optional[int], name: str, use: Any, used: Any, total: Any, instance: Optional[str] = None) -> Dict[str, Any]:
    return {"index": index, "name": name, "instance": instance, "use": use, "memory_used": used, "memory_total": total}


class Instance(NamedTuple):
    """A MIG instance; users is None if they are not known."""

    name: str
    used: Optional[int] = None
    total: Optional[int] = None
    users: Optional[Users] = None


def parse_mig(listed: str, xml: str) -> Dict[int, List[Instance]]:
    """The MIG instances by GPU, from C(nvidia-smi -L) and C(nvidia-smi -q -x)."""
    found: Dict[int, List[Instance]] = {}
    gpu = -1
    for line in listed.splitlines():
        heading, instance = re.match(r"GPU (\d+):", line), _MIG.match(line)
        gpu = int(heading.group(1)) if heading else gpu
        if instance:
            found.setdefault(gpu, []).append(Instance(f"{instance.group(1)}, instance {instance.group(2)}"))
    for number, part in enumerate(xml.split("<gpu id=")[1:]):
        devices = [dict(_TAG.findall(device.partition("<bar1_memory_usage>")[0])) for device in part.split("<mig_device>")[1:]]
        if devices and len(devices) == len(found.get(number, ())):
            users = [dict(_TAG.findall(one)) for one in part.split("<process_info>")[1:]]
            found[number] = [
                Instance(one.name, _mebibytes(device.get("used")), _mebibytes(device.get("total")), _users_in(device, users))
                for one, device in zip(found[number], devices)
            ]
    return found


def _users_in(device: Dict[str, str], users: List[Dict[str, str]]) -> Optional[Users]:
    ids = ("gpu_instance_id", "compute_instance_id")
    own = [one for one in users if all(one.get(key) == device.get(key) for key in ids) and one.get("pid", "").isdigit()]
    return None if device.get(ids[0]) is None else [(int(one["pid"]), _mebibytes(one.get("used_memory"))) for one in own]


def _instances(row: Dict[str, Any], listed: Dict[int, List[Instance]], processes: bool) -> List[Dict[str, Any]]:
    instances = listed.get(row["index"] if row["index"] is not None else -1)
    if not instances:
        return [row]
    entries = [(one, _entry(row["index"], row["name"], None, one.used, one.total, one.name)) for one in instances]
    return [{**entry, "processes": one.users} if processes else entry for one, entry in entries]


def _mebibytes(text: Any) -> Optional[int]:
    match = re.match(r"(\d+) MiB\Z", str(text))
    return int(match.group(1)) if match else None


def _json(program: str, *arguments: str) -> Tuple[Any, Optional[str]]:
    """The program's JSON, with what is wrong: amd-smi and rocm-smi put warnings before it."""
    output, problem = _ask(program, *arguments)
    name = program.rpartition("/")[2]
    start = next((match.start() for match in re.finditer(r"^[\[{]", output, re.MULTILINE)), len(output))
    warning = " ".join(output[:start].split())[:300]
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(output[start:]), problem or (f"{name}: {warning}" if warning else None)
    return None, problem or f"{name} gives no JSON{': ' + warning if warning else ''}"


def _amd(program: str, processes: bool) -> Gpus:
    metrics, problem = _json(program, "metric", "--usage", "--mem-usage", "--json")
    names, _problem = _json(program, "static", "--asic", "--json")
    found = parse_amd(metrics, names)
    if processes and found:
        said, failed = _json(program, "process", "--json")
        problem = problem or failed
        for entry in found if said else ():
            entry["processes"] = users_of_amd(said, entry["index"])
    return Gpus(found, problem)


def users_of_amd(said: Any, index: Optional[int]) -> Users:
    """The processes on a GPU, from C(amd-smi process); an entry that is a text says that there is none."""
    lists = [one.get("process_list") for one in _list(said) if one.get("gpu") == index]
    users = [_at(one, "process_info") for part in lists if isinstance(part, list) for one in part]
    known = [(_at(one, "pid"), _whole(_at(one, "memory_usage", "vram_mem"))) for one in users if isinstance(one, dict)]
    return [(pid, None if used is None else used >> 20) for pid, used in known if isinstance(pid, int)]


def parse_amd(metrics: Any, names: Any) -> List[Dict[str, Any]]:
    """One entry a GPU, from C(amd-smi metric) and C(amd-smi static)."""
    called = {one.get("gpu"): _at(one, "asic", "market_name") for one in _list(names)}
    found = []
    for one in _list(metrics):
        places = (("usage", "gfx_activity"), ("mem_usage", "used_vram"), ("mem_usage", "total_vram"))
        use, used, total = (_whole(_at(one, *place)) for place in places)
        index = one.get("gpu")
        found.append(_entry(index if isinstance(index, int) else None, str(called.get(index) or "AMD GPU"), use, used, total))
    return found


def _list(value: Any) -> List[Dict[str, Any]]:
    value = value.get("gpu_data") if isinstance(value, dict) else value
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value["value"] if isinstance(value, dict) and "value" in value else value


def _whole(value: Any) -> Optional[int]:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _rocm(program: str, _processes: bool) -> Gpus:
    cards, problem = _json(program, "--showuse", "--showmeminfo", "vram", "--showproductname", "--json")
    return Gpus(parse_rocm(cards), problem)


def parse_rocm(cards: Any) -> List[Dict[str, Any]]:
    """One entry a card, from C(rocm-smi --json)."""
    found = []
    for card, values in sorted(cards.items()) if isinstance(cards, dict) else ():
        if isinstance(values, dict) and re.match(r"card\d+\Z", card):
            known = {key.lower(): value for key, value in values.items()}
            used, total = (_whole(known.get(f"vram total {word}memory (b)")) for word in ("used ", ""))
            found.append(_entry(
                int(card[4:]), str(known.get("card series") or "AMD GPU"), _whole(known.get("gpu use (%)")),
                None if used is None else used >> 20, None if total is None else total >> 20,
            ))  # fmt: skip
    return found
