# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which somebody means harm: archives, directories, manifests and run records made to fool who reads them.

Each module runs with little memory and processor time, so that what is only slow or large fails as well.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import struct
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import fault_cases, fault_uploads
from tests.support.fault_cases import NOBODY, ROOT, feature, one_set
from tests.support.faults import Modules, content, plain
from tests.support.hosts import REPOSITORY
from tests.support.layout import crema_d_names
from tests.support.waiting import run

# 2 GiB of addresses, 60 seconds of processor time.
LIMITS = ["prlimit", f"--as={2 << 30}", "--cpu=60"]


def archive(entries: int = 1, size: int = 8, packed: bytes = b"", method: int = 0, listed: int | None = None, offset: int = 0) -> bytes:
    """An archive that says of itself what the arguments say."""
    local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, method, 0, 33, 0, len(packed), size & 0xFFFFFFFF, 20, 0)
    body = local + b"wav2vec_features.npy" + packed
    entry = struct.pack("<4s4B4HIIIHHHHHII", b"PK\1\2", 20, 3, 20, 0, 0, method, 0, 33, 0, len(packed), size & 0xFFFFFFFF, 20, 0, 0, 0, 0,
                        0o600 << 16, offset) + b"wav2vec_features.npy"  # fmt: skip
    directory = entry * entries
    count = min(entries if listed is None else listed, 65535)
    return body + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)


def endless_directory() -> bytes:
    """A zip64 end record that announces 2^32 entries."""
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 32, 1 << 32, 1 << 40, 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)
    return record + locator + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


LIES: dict[str, bytes] = {
    "bomb.npz": archive(size=1 << 31, packed=zlib.compress(bytes(1 << 24), 9)[2:-4], method=8),
    "endless.npz": b"PK\3\4" + endless_directory(),
    "overlapping.npz": archive(entries=3000),
    "many.npz": archive(entries=60000, listed=60000),
    "huge_shape.npz": archive(size=4096, packed=header("(9999999999999, 768)").ljust(4096)),
    "nested_header.npz": archive(size=8192, packed=header("(" * 4000 + ")" * 4000).ljust(8192)),
    "long_integer.npz": archive(size=8192, packed=header("(" + "9" * 7000 + ", 768)").ljust(8192)),
    "backwards.npz": archive(offset=0xFFFFFFF0),
    "end_only.npz": b"PK\5\6" + bytes(18),
    "header_only.npy": b"\x93NUMPY\3\0\xff\xff\xff\xff",
}


def test_archives_that_lie(place, tally):
    tried = tally("Hostile: archives that lie")
    good = place / "old" / "good.npz"
    feature(good)
    for name, data in LIES.items():
        (place / "old" / name).write_bytes(data)
    with (place / "old" / "ten_gigabytes.npz").open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(10 << 30)
    os.mkfifo(place / "old" / "pipe.npz")
    (place / "old" / "terminal.npz").symlink_to("/dev/tty")
    (place / "old" / "endless_zero.npz").symlink_to("/dev/zero")
    modules = Modules(place, prefix=LIMITS)
    for verify in ("quick", "full"):
        arguments = {"sets": [one_set(place, legacy=[f"{place}/old"], verify=verify)]}
        ran = modules.run("feature_facts", arguments)
        tried.runs += 1
        tried.check(ran.code == 0 and plain(ran), f"{verify}: no plain answer: {str(ran)[-600:]}")
        facts = ran.result.get("ansible_facts", {}).get("feature_sets", {}).get("w", {})
        tried.equal(facts.get("features"), 1, f"{verify}: features found")
    linked = modules.run("feature_links", {"sets": [one_set(place, legacy=[f"{place}/old"])]})
    tried.runs += 1
    tried.check(plain(linked), f"no plain answer: {str(linked)[-600:]}")
    tried.check({os.readlink(path) for path in (place / "data" / "w").glob("*")} <= {str(good)}, "a lie was linked")


def test_very_many_names_and_links_in_circles(place, tally, full):
    tried = tally("Hostile: a million names in one directory, links in circles")
    count = 1_000_000 if full else 20_000
    old = place / "old"
    feature(old / "real.npz")
    crowd = old / "crowd"
    crowd.mkdir()
    for number in range(count):
        os.close(os.open(crowd / f"{number}.txt", os.O_CREAT | os.O_WRONLY, 0o644))
    (old / "me").symlink_to(".")
    (old / "up").symlink_to("..")
    (old / "a").symlink_to("b")
    (old / "b").symlink_to("a")
    deep = old
    for _number in range(60):
        deep = deep / "down"
        deep.mkdir()
        (deep / "top").symlink_to(old)
    ran = Modules(place, prefix=LIMITS).run("feature_facts", {"sets": [one_set(place, legacy=[str(old)])]})
    tried.runs += 1
    facts = ran.result.get("ansible_facts", {}).get("feature_sets", {}).get("w", {})
    tried.check(ran.code == 0 and plain(ran), f"no plain answer: {str(ran)[-600:]}")
    tried.equal(facts.get("features"), 1, "features found")
    tried.check(len(json.dumps(ran.result)) < 20_000, "the answer grows with the files")


# A host's names may take 32 MiB here.
LITTLE = """
import runpy, sys
from ansible_collections.trainprep.features.plugins.module_utils._scan import model
model.MEMORY = 32 << 20
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""


def test_very_many_names_and_large_headers_take_a_bounded_memory(place, tally, full):
    """All processes of an inspection together; the headers need far more than the bound if they are parsed side by side."""
    tried = tally("Hostile: very many names, large headers; memory of all processes")
    names, headers = (200_000, 200) if full else (60_000, 60)
    for number in range(names):
        os.close(os.open(made(place / "old" / "crowd") / f"{number:090}.npz", os.O_CREAT | os.O_WRONLY, 0o644))
    large = ",".join(f'"{number}":{{"dtype":"F32","shape":[1],"data_offsets":[{4 * number},{4 * number + 4}]}}' for number in range(20_000))
    for number in range(headers):
        data = f"{{{large}}}".encode()
        path = made(place / "heavy") / f"{number}.safetensors"
        path.write_bytes(struct.pack("<Q", len(data)) + data)
        os.truncate(path, 8 + len(data) + 80_000)
    sets = [one_set(place, legacy=[f"{place}/heavy", f"{place}/old"], patterns=["*.npz", "*.safetensors"])]
    modules = Modules(place, prefix=[sys.executable, "-c", LITTLE])
    process = modules.start("feature_facts", {"sets": sets})
    peak = Peak(process.pid)
    ran = modules.finish(process)
    tried.runs += 1
    facts = ran.result.get("ansible_facts", {}).get("feature_sets", {}).get("w", {})
    tried.check(ran.code == 0 and plain(ran), f"no plain answer: {str(ran)[-600:]}")
    tried.check("hold more names than one inspection keeps in memory" in json.dumps(facts), f"not a word of it: {facts}")
    tried.check(peak.stop() < 400 << 20, f"{peak.bytes >> 20} MiB in all")
    print(f"{peak.bytes >> 20} MiB")
    tried.equal(facts.get("legacy", [{}])[0].get("rejected"), headers, "files with other arrays than the set's")


def made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


class Peak:
    """The most that a process and its descendants take together: proportional set sizes, seen from time to time."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._pid = pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        self._stopped.set()
        self._thread.join()
        return self.bytes

    def _watch(self) -> None:
        while not self._stopped.wait(0.02):
            self.bytes = max(self.bytes, sum(map(proportional, family(self._pid))))


def family(pid: int) -> list[int]:
    try:
        children = [int(word) for file in Path(f"/proc/{pid}/task").glob("*/children") for word in file.read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(child))]


def proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


MANIFESTS: dict[str, Callable[[str], bytes]] = {
    "another user's": lambda good: good.encode(),
    "leads out": lambda _good: packed([["../../etc/x.npz", 1, "i00"], ["/etc/y.npz", 1, "i00"]]),
    "not a list": lambda _good: packed({"a": 1}),
    "short rows": lambda _good: packed([["a.npz"], [1]]),
    "other types": lambda _good: packed([["a.npz", "many", {}], [None, None, None]]),
    "deep": lambda _good: raw(b'{"format":1,"features":' + b"[" * 100_000),
    "a huge number": lambda _good: raw(b'{"format":1,"features":[["a.npz",' + b"9" * 20_000 + b',"i00"]]}'),
    "text": lambda _good: b"once upon a time",
    "empty": lambda _good: b"",
}


def packed(features: Any) -> bytes:
    return raw(json.dumps({"format": 1, "features": features}).encode())


def raw(data: bytes) -> bytes:
    return base64.b64encode(zlib.compress(data))


@pytest.mark.parametrize("which", MANIFESTS)
def test_a_crafted_manifest_publishes_nothing(which, uploaded, place, tally):
    tried = tally("Hostile: a crafted staging manifest")
    one = fault_uploads.Publish(*uploaded)
    root = fault_cases.laid_out(one, place / "host")
    manifest = root / "data" / ".w.incoming.manifest"
    manifest.write_bytes(MANIFESTS[which](manifest.read_text()))
    if which == "another user's":
        if not ROOT:
            tried.not_run.append("only root can give a file to another user")
            return
        os.chown(manifest, NOBODY, NOBODY)
    before = {path: content(path) for path in (root / "data" / ".w.incoming").iterdir()}
    modules = Modules(place, prefix=LIMITS)
    looked = {name: value for name, value in one.arguments(root).items() if name != "uploaded"}
    for module, arguments in (("feature_facts", looked), ("feature_prepare", one.arguments(root))):
        ran = modules.run(module, arguments)
        tried.runs += 1
        tried.check(plain(ran), f"{which}: no plain answer of {module}: {str(ran)[-600:]}")
        facts = ran.result.get("ansible_facts", {}).get("feature_sets", {}).get("w", {})
        tried.check(not facts.get("incoming", {}).get("complete"), f"{which}: believed")
    tried.check(not (root / "data" / "w").exists(), f"{which}: published")
    tried.equal({path: content(path) for path in (root / "data" / ".w.incoming").iterdir()}, before, f"{which}: something was lost")


ESCAPE = "\x1b]0;owned\x07\x1b[2J\x1b[31mEpoch 3/30\x1b[0m\r\x9b1mloss: 0.1\u202e"
RECORDS: dict[str, dict[str, Any]] = {
    "a forged pid": {"trainer": {"pid": 1, "started": "TICKS"}, "launcher": {"pid": 1, "started": "TICKS"}},
    "pids of other kinds": {"trainer": {"pid": "one", "started": []}, "launcher": [1], "boot_id": 7},
    "an absurd pid": {"trainer": {"pid": 10**30, "started": -1}},
    "an end in the future": {"ended": 1e18, "exit_code": "0\x1b[2J", "signal": {}},
    "an end that is text": {"ended": "yesterday", "exit_code": None},
}


@pytest.mark.parametrize("which", RECORDS)
def test_a_run_record_and_a_log_made_to_fool_the_monitor(which, place, tally):
    tried = tally("Hostile: a run record and a log that fool the monitor")
    run = place / "work" / "runs" / "s" / "20260101T000000Z"
    run.mkdir(parents=True)
    (run.parent / "latest").symlink_to(run.name)
    ticks = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    state = {"boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "started": 1.0, **RECORDS[which]}
    (run / "state.json").write_text(json.dumps(state).replace('"TICKS"', str(ticks)))
    record = {"session": ESCAPE, "command_line": ESCAPE, "sets": {"w": ESCAPE}, "deployed": "now", "user": "root", "command": ESCAPE}
    (run / "run.json").write_text(json.dumps(record))
    with (run / "training.log").open("wb") as log:
        log.write(ESCAPE.encode() + b"\n")
        log.truncate(10 << 30)
        log.seek(0, os.SEEK_END)
        log.write(("\n" + ESCAPE).encode())
    ran = Modules(place, prefix=LIMITS).run("training_info", {"session": "s", "dir": f"{place}/work"})
    tried.runs += 1
    tried.check(plain(ran), f"{which}: no plain answer: {str(ran)[-700:]}")
    tried.check(len(json.dumps(ran.result)) < 200_000, f"{which}: the answer grows with the log")
    printed = monitor(place)
    tried.runs += 1
    tried.check("HEALTH CHECK" in printed or "failed" in printed, f"{which}: nothing was said: {printed[-600:]}")
    found = sorted({f"{ord(letter):#x}" for letter in printed if not (letter.isprintable() or letter in "\n\t")})
    tried.equal(found, [], f"{which}: what a terminal obeys is printed")
    tried.check("Traceback" not in printed, f"{which}: {printed[-600:]}")
    if "pid" in which:
        tried.check(ran.result.get("verdict", {}).get("healthy") is not True and "running" not in str(ran.result.get("verdict", "")),
                    f"{which}: believed: {ran.result.get('verdict')}")  # fmt: skip


def monitor(place: Path) -> str:
    """What the monitor prints about this machine."""
    variables = {"monitor_training_session": "s", "monitor_training_dir": f"{place}/work", "prepare_features_become": False,
                 "ansible_python_interpreter": sys.executable}  # fmt: skip
    command = [str(REPOSITORY / ".venv/bin/ansible-playbook"), "-i", "localhost,", "-c", "local", "monitor_training.yml", "-e",
               json.dumps(variables)]  # fmt: skip
    return run(command, cwd=REPOSITORY, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, errors="replace").stdout


def test_a_directory_that_its_user_writes_while_it_is_prepared(place, tally, full):
    """Names are exchanged for links to private files, while root links and opens what lies there."""
    tried = tally("Hostile: a legacy directory that an attacker writes while root works")
    if not ROOT:
        tried.not_run.append("it needs files of several users")
        return
    place.chmod(0o755)
    private = place / "private"
    old = place / "old"
    for name in crema_d_names(4):
        feature(private / name)
        feature(old / name)
        os.chown(old / name, NOBODY, NOBODY)
        (private / name).chmod(0o600)
        (old / name).chmod(0o600)
    private.chmod(0o700)
    os.chown(old, NOBODY, NOBODY)
    before = {str(path): (path.stat().st_mode, path.stat().st_ctime_ns, content(path)) for path in sorted(private.iterdir())}
    stopped = threading.Event()
    modules = Modules(place)
    arguments = {"sets": [one_set(place, legacy=[str(old)])], "user": "daemon"}
    attacker = threading.Thread(target=exchange, args=(old, private, stopped))
    attacker.start()
    try:
        for _round in range(50 if full else 8):
            for module in ("feature_links", "feature_access"):
                ran = modules.run(module, arguments)
                tried.runs += 1
                tried.check(plain(ran), f"no plain answer: {str(ran)[-600:]}")
                after = {str(path): (path.stat().st_mode, path.stat().st_ctime_ns, content(path)) for path in sorted(private.iterdir())}
                tried.check(after == before, f"a private file was touched by {module}")
            tried.equal(fault_cases.opens(54321, [*private.iterdir()]), [], "a private file was opened to a stranger")
            shutil.rmtree(place / "data", ignore_errors=True)
    finally:
        stopped.set()
        attacker.join()


def exchange(old: Path, private: Path, stopped: threading.Event) -> None:
    """What the attacker does: each name is a feature, then a link to a private one, then a directory's link, then a feature again."""
    aside = old / "aside.tmp"
    while not stopped.is_set():
        for path in sorted(old.glob("*.npz")):
            try:
                path.rename(aside)
                path.symlink_to(private / path.name)
                path.unlink()
                path.symlink_to(private)
                path.unlink()
                aside.rename(path)
            except OSError:
                continue
