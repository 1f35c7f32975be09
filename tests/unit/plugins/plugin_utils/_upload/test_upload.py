# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of an upload: rsync's options, progress, the classified source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, naming
from ansible_collections.trainprep.features.plugins.plugin_utils._upload import progress as upload_progress
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.options import names_of, parse_options
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.progress import (
    Board,
    Meter,
    Progress,
    block,
    clock,
    paint,
    plain_line,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import (
    Sending,
    check_options,
    files_list,
    rsync_options,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import classify_once, classify_source


def test_rsync_gets_what_makes_an_upload_safe_and_nothing_that_changes_it():
    words = rsync_options(Sending("/src", "/tmp/a b/files", "/tmp/it's/log", False, ["--bwlimit=5m"]))
    assert "--files-from=/tmp/a b/files" in words and "--log-file=/tmp/it's/log" in words
    assert "--bwlimit=5m" in words and "--no-relative" in words
    for unwanted in ("--compress", "-z", "--delay-updates", "--owner", "--group", "-F", "--links"):
        assert unwanted not in words
    assert "--relative" in rsync_options(Sending("/src", "f", "l", True))


@pytest.mark.parametrize("option", ["--bwlimit=5m", "-v", "--timeout=20", "--sparse", "-S", "-W", "--checksum", "-z", "-B4096"])
def test_options_that_only_limit_are_taken(option):
    assert check_options([option]) == [option]


@pytest.mark.parametrize(
    "option",
    ["--delete", "--delete-after", "--del", "--remove-source-files", "--inplace", "--append", "--delay-updates", "-n", "--dry-run",
     "--partial-dir=x", "-e", "--rsh=x", "--rsync-path=x", "--files-from=x", "-T/tmp", "--backup", "-vb", "-a", "-aF", "bwlimit", "",
     "--", "--log-file=x", "--filter=x", "--exclude=x", "--existing", "-u"],
)  # fmt: skip
def test_options_that_break_a_promise_are_refused(option):
    with pytest.raises(FeatureError, match=r"^rsync_opts"):
        check_options([option])


SET = {"name": "wav", "target": "/data/wav", "source": "/src"}
STORE = {"name": "store", "target": "/data/store", "source": "s3://bucket/x"}
NONE = {"name": "none", "target": "/data/none"}


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        ({}, ["wav", "store"]),
        ({"wav": {"to_upload": True}, "store": {"to_upload": False}, "none": {"to_upload": False}}, ["wav"]),
        ({"wav": {"to_upload": False}, "store": {"to_upload": False}}, []),
        ({"wav": {"to_upload": {"odd": 1}}, "store": "odd"}, ["store"]),
    ],
)
def test_the_sets_to_upload_are_those_that_the_facts_name(facts, names):
    options = parse_options({"sets": [SET, STORE, NONE]}, facts)
    assert [one.name for one in options.sets] == names
    assert [one.name for one in options.from_here + options.from_stores] == names


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wait": "soon"}, "'wait' is of type str"),
        ({"all_sets": []}, "feature_upload has no option 'all_sets'"),
        ({"streams": "many"}, "prepare_features_upload_streams: 'many' is not a number of connections"),
        ({"rsync_opts": ["--delete"]}, "prepare_features_rsync_opts: '--delete' would change"),
        ({"sets": None}, "sets"),
    ],
)
def test_options_that_cannot_be_meant_end_in_one_message(options, words):
    arguments = {"sets": [SET], "variable_prefix": "prepare_features_", **options}
    with naming(names_of(arguments)), pytest.raises(FeatureError, match=words):
        parse_options(arguments, {})


@pytest.mark.parametrize("tree", [False, True])
def test_real_rsync_takes_every_name_from_the_list(tmp_path, tree):
    names = [b"plain", b"with space", b"#comment", b";comment", b"-n", b"--delete", b'quo"te\'s', b"line\nbreak", b"\xff\xfe",
             b"*", b"[a]", b"{a,b}", b"a:b", b"$HOME", b"~x", b"deep/er/one"]  # fmt: skip
    source = tmp_path / "sou:rce $x"
    for name in names:
        path = Path(os.fsdecode(bytes(source) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name)
    (source / "linked").symlink_to(source / "plain")
    (tmp_path / "to").mkdir()
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "files").write_bytes(files_list([*names, b"linked"]))
    options = rsync_options(Sending(str(source), str(tmp_path / "files"), str(tmp_path / "log"), tree))
    command = ["rsync", *options, f"{tmp_path / 'link'}/", f"{tmp_path / 'to'}/"]
    subprocess.run(command, check=True)
    for name in names:
        arrived = name if tree else name.rpartition(b"/")[2]
        assert Path(os.fsdecode(bytes(tmp_path) + b"/to/" + arrived)).read_bytes() == name
    assert not (tmp_path / "to" / "linked").is_symlink()
    progress = Progress("h", "s", len(names) + 1, 1000)
    meter = Meter(progress, [tmp_path / "log"])
    meter.update(1.0)
    assert progress.files == meter.sent == len(names) + 1
    assert progress.bytes == sum(map(len, names)) + len(b"plain") and meter.wire >= progress.bytes


def test_the_meter_reads_a_log_that_grows_in_the_middle_of_a_line(tmp_path):
    progress = Progress("web1", "wav", 10, 4_000_000, files=2, bytes=800_000)
    meter = Meter(progress, [tmp_path / "log"])
    meter.update(100.0)
    assert (progress.files, progress.rate, progress.seconds_left) == (2, 0.0, None)
    with open(tmp_path / "log", "w") as log:
        log.write(
            "2026/11/22 20:00:00 [7] building file list\n2026/11/22 20:00:00 [7] sent <f+++++++++ 400100 400000\n"
            "2026/11/22 20:00:01 [7] sent <f+++++++++ 4001"
        )
        log.flush()
        meter.update(101.0)
        assert (progress.files, progress.bytes, meter.wire) == (3, 1_200_000, 400_100)
        log.write("00 400000\n")
    meter.update(102.0)
    assert (progress.files, progress.bytes, meter.wire) == (4, 1_600_000, 800_200)
    assert (progress.rate, progress.seconds_left, progress.percent) == (400_000.0, 6.0, 40)
    assert plain_line(progress) == "web1: wav: 40%, 1.6 MB of 4.0 MB, 4 of 10 files, 400.0 kB/s, 0:06 left"


def test_times_as_a_clock_shows_them():
    assert [clock(n) for n in (0, 59.6, 61, 3723)] == ["0:00", "1:00", "1:01", "1:02:03"]


@pytest.mark.parametrize("width", [20, 60, 80, 120, 200])
def test_the_block_fits_the_terminal(width):
    uploads = [Progress(f"web{n}", "wav2vec", 8690, 4_500_000_000, 100 * n, 50_000_000 * n, 4e7) for n in range(1, 31)]
    lines = block(uploads, width, 10)
    assert len(lines) == 11 and lines[-1] == "  and 20 more hosts"[: width - 1]
    assert all(len(line) < width for line in lines)
    if width >= 60:
        assert all(line.endswith(" left") and "%" in line for line in lines[:-1]), "the time left is the last to go"
    if width >= 120:
        assert "[" in lines[0] and lines[0].endswith("1:51 left")
        assert len({line.index("files") for line in lines[:-1]}) == 1, "columns stand below each other"


def test_painting_leaves_the_cursor_where_it_was():
    assert paint(["a", "b"]) == "\r\x1b[J\na\nb\x1b[2A\r"
    assert paint([]) == "\r\x1b[J\r"


def test_elsewhere_than_on_a_terminal_there_is_a_line_every_few_seconds(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(upload_progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(upload_progress, "terminal_size", lambda: None)
    shown = []
    board = Board(tmp_path / "progress", lambda text, raw: shown.append((text, raw)))
    progress = Progress("web1", "wav", 10, 100)
    for _tick in range(22):
        now[0] += 0.5
        board.update(progress)
    assert len(shown) == 2 and all(not raw and "web1: wav: 0%" in text for text, raw in shown)
    board.finish(progress, "done")
    assert shown[-1] == ("done", False)


def test_on_a_terminal_all_uploads_of_the_run_share_one_block(tmp_path, monkeypatch):
    monkeypatch.setattr(upload_progress, "terminal_size", lambda: (100, 24))
    shown = []
    board = Board(tmp_path / "progress", lambda text, raw: shown.append(text))
    other = "import json,sys,time; json.dump(dict(host='web2', set_name='wav', total_files=3, total_bytes=9," \
        " files=1, bytes=3, rate=1.0, updated=time.time()), open(sys.argv[1], 'w'))"
    subprocess.run([sys.executable, "-c", other, str(tmp_path / "progress" / "77.json")], check=True)
    board.update(Progress("web1", "wav", 10, 100, updated=upload_progress.time.time()))
    assert len(shown) == 1 and "web1" in shown[0] and "web2" in shown[0] and shown[0].endswith("\x1b[2A\r")
    board.update(Progress("web1", "wav", 10, 100, updated=upload_progress.time.time()))
    assert len(shown) == 1, "not more often than the eye can follow"
    board.finish(Progress("web1", "wav", 10, 100), "web1 is done")
    assert shown[-2] == "web1 is done" and "web1" not in shown[-1] and "web2" in shown[-1]


def feature(path: Path, seed: int, array: str = "features") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(array + ".npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + seed.to_bytes(8, "little"))


def make_set(**options):
    return parse_sets([{"name": "wav", "target": "/data/wav", "arrays": {"features": {"dtype": "float32", "shape": [None]}}, **options}])[0]


def test_only_features_of_a_source_are_sent_each_once(tmp_path):
    feature(tmp_path / "a.npz", 1)
    feature(tmp_path / "deep" / "b.npz", 2)
    feature(tmp_path / "other.npz", 3, "video")
    (tmp_path / "copy of a.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    (tmp_path / "linked.npz").symlink_to(tmp_path / "a.npz")
    (tmp_path / "notes.txt").write_text("x")
    source = classify_source(make_set(), str(tmp_path))
    assert source.files == {"a.npz": "a.npz", "b.npz": "deep/b.npz"}
    assert source.left_out == 3 and len(source.samples) == 3
    assert classify_source(make_set(layout="tree"), str(tmp_path)).files["deep/b.npz"] == "deep/b.npz"
    assert source.changed_since(source.files) is None
    os.utime(tmp_path / "a.npz", (1, 1))
    assert source.changed_since(source.files) == str(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (shutil.rmtree, "does not exist on the controller"),
        (lambda base: (base / "a.npz").unlink(), "holds no feature of set 'wav'"),
        (lambda base: (base / "z.npz").write_bytes((base / "a.npz").read_bytes()[:50]), "z.npz in the source is damaged"),
        (lambda base: (base / "z.npz").write_bytes(b""), "z.npz in the source is damaged"),
        (lambda base: (base / "z.npz").symlink_to("/nowhere"), "z.npz in the source is a link to nothing"),
        (lambda base: feature(base / "two" / "a.npz", 9), "two different features named a.npz"),
    ],
)
def test_a_source_that_cannot_be_sent_as_it_is_stops_the_upload(tmp_path, harm, words):
    base = tmp_path / "source"
    feature(base / "a.npz", 1)
    harm(base)
    with pytest.raises(FeatureError) as error:
        classify_source(make_set(), str(base))
    assert words in str(error.value)


def test_a_source_is_judged_once_for_all_hosts(tmp_path):
    for number in range(5):
        feature(tmp_path / "source" / f"{number}.npz", number)
    (tmp_path / "source" / os.fsdecode(b"\xff\n.npz")).write_bytes((tmp_path / "source" / "0.npz").read_bytes())
    answers = []
    hosts = [
        threading.Thread(target=lambda: answers.append(classify_once(make_set(), str(tmp_path / "source"), tmp_path / "run")))
        for _host in range(4)
    ]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    assert len(answers) == 4 and all(answer == answers[0] for answer in answers)
    assert len(list((tmp_path / "run").glob("*.json"))) == 1
    (tmp_path / "source" / "5.npz").write_bytes(b"damaged since")
    assert classify_once(make_set(), str(tmp_path / "source"), tmp_path / "run") == answers[0], "the answer is read, not made again"
