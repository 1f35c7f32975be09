# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the tests notice? Changes one thing at a time in the modules that decide, and runs their unit tests, in a copy.

A mutant is a comparison, a boolean operator, a condition, a number or a returned value turned into another one. It is killed
where a test fails, or does not end. Survivors are printed with their place; those in tests/mutants/equivalent.txt cannot be noticed.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

REPOSITORY = Path(__file__).resolve().parents[1]
CODE = Path("plugins/module_utils")
TESTS = Path("tests/unit/plugins/module_utils")
BUILD = REPOSITORY / ".build" / "mutants"
EQUIVALENT = REPOSITORY / "tests" / "mutants" / "equivalent.txt"

# What decides, and whose tests have to notice.
DECIDING = {
    "_plan/*.py": ("_plan", "_steps"),
    "_access/rules.py": ("_access",),
    "_access/plan.py": ("_access",),
    "_upload/publish.py": ("_upload",),
    "_upload/publication.py": ("_upload",),
    "_training/verdict.py": ("_training",),
    "_formats/*.py": ("_formats",),
}
COMPARED: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.In: "not in", ast.NotIn: "in",
    ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: bytes ``start`` to ``end`` of a file become ``new``."""

    file: Path
    tests: tuple[str, ...]
    line: int
    start: int
    end: int
    old: str
    new: str
    source: str

    @property
    def name(self) -> str:
        """As it stands in the list of equivalents, where line numbers would go stale."""
        return f"{self.file.relative_to(CODE)}: {self.source}: {self.old} -> {self.new}"


def mutants() -> list[Mutant]:
    """All of them, in the order of the files."""
    found: dict[tuple[Path, int, int, str], Mutant] = {}
    for pattern, tests in DECIDING.items():
        files = sorted((REPOSITORY / CODE).glob(pattern))
        gone = [str(TESTS / test) for test in tests if not (REPOSITORY / TESTS / test).is_dir()]
        if gone or not files:
            sys.exit(f"DECIDING names what is not there: {', '.join(gone) or pattern}")
        for file in files:
            for one in _of_file(file, tests):
                found[one.file, one.start, one.end, one.new] = one
    return list(found.values())


def _of_file(file: Path, tests: tuple[str, ...]) -> Iterator[Mutant]:
    text = file.read_bytes()
    lines = text.splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))
    for node in _live(ast.parse(text)):
        for where, new in _changes(node):
            assert where.end_lineno is not None and where.end_col_offset is not None
            start, end = begins[where.lineno - 1] + where.col_offset, begins[where.end_lineno - 1] + where.end_col_offset
            source = lines[where.lineno - 1].decode().strip()
            old = " ".join(text[start:end].decode().split())
            if old != new:
                yield Mutant(file.relative_to(REPOSITORY), tests, where.lineno, start, end, old, new, source)


def _live(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs: no annotations, no text."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                yield node
                yield from _live(node)


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    if isinstance(node, ast.Compare):
        for number in range(len(node.ops)):
            words = [ast.unparse(node.left)]
            for position, (one, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
                words += [COMPARED[type(one)] if position == number else _symbol(one), f"({ast.unparse(right)})"]
            yield node, f"({' '.join(words)})"
    elif isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield node, "(" + word.join(f"({ast.unparse(value)})" for value in node.values) + ")"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, f"bool({ast.unparse(node.operand)})"
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)) and isinstance(node.test, (ast.Name, ast.Attribute, ast.Call)):
        yield node.test, f"(not {ast.unparse(node.test)})"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield node, str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield node, str(node.value + 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and not _is_text(node):
        symbol = "-" if isinstance(node.op, ast.Add) else "+"
        yield node, f"({ast.unparse(node.left)} {symbol} ({ast.unparse(node.right)}))"
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield node.value, "None"


def _symbol(operator: ast.cmpop) -> str:
    return ast.unparse(ast.Compare(ast.Name("a"), [operator], [ast.Name("b")])).removeprefix("a ").removesuffix(" b")


def _is_text(node: ast.AST) -> bool:
    """Additions of texts and lists fail at once when they become subtractions: nothing is learned from them."""
    texts = (ast.JoinedStr, ast.List, ast.ListComp)
    return any(isinstance(part, texts) or (isinstance(part, ast.Constant) and isinstance(part.value, (str, bytes)))
               for part in ast.walk(node))  # fmt: skip


def sample(every: Sequence[Mutant], count: int, chance: random.Random) -> list[Mutant]:
    """As many of each package, as far as they go: the formats have most of the code."""
    waiting: dict[str, list[Mutant]] = {}
    for one in chance.sample(every, len(every)):
        waiting.setdefault(one.tests[0], []).append(one)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(waiting.values()):
        chosen += [ones.pop() for ones in waiting.values() if ones]
    return chosen[:count]


def copy(number: int) -> Path:
    """A tree of its own for one worker; the link of the collection in it leads to itself. Some tests read files of roles."""
    place = BUILD / str(number)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in ("plugins", "roles", "tests", "collections", "pyproject.toml"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "output"))
        else:
            shutil.copy(source, place / name)
    return place


def survives(one: Mutant | None, place: Path, seconds: float) -> bool:
    """Whether the tests pass with that change (None: without any)."""
    tests = one.tests if one else sorted({test for tests in DECIDING.values() for test in tests})
    original = (place / one.file).read_bytes() if one else b""
    if one:
        (place / one.file).write_bytes(original[: one.start] + one.new.encode() + original[one.end :])
    try:
        return all(passes(place, test, seconds) for test in tests)
    finally:
        if one:
            (place / one.file).write_bytes(original)


def passes(place: Path, test: str, seconds: float) -> bool:
    """Whether the unit tests of one package pass there, and end."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "ANSIBLE_HOME": str(place / "ansible")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", str(TESTS / test)]
    process = subprocess.Popen(command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        return process.wait(timeout=seconds) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=150, help="how many mutants (default: 150)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only files whose path holds this")
    parser.add_argument("--seconds", type=float, default=180, help="how long the tests of one mutant may take")
    options = parser.parse_args(arguments)
    listed = {line.split("  # ")[0] for line in EQUIVALENT.read_text().splitlines() if line and not line.startswith("#")}
    everything = mutants()
    for row in sorted(listed - {one.name for one in everything}):
        print(f"{EQUIVALENT.relative_to(REPOSITORY)} names a line that is gone: {row}", flush=True)
    every = [one for one in everything if options.only in str(one.file)]
    chosen = sample(every, options.sample, random.Random(options.seed))
    places: SimpleQueue[Path] = SimpleQueue()
    for number in range(2):
        places.put(copy(number))

    def judge(one: Mutant) -> tuple[Mutant, str]:
        if one.name in listed:
            return one, "equivalent"
        place = places.get()
        try:
            return one, "survived" if survives(one, place, options.seconds) else "killed"
        finally:
            places.put(place)

    if not survives(None, BUILD / "0", 1800):
        sys.exit("The unit tests fail without any change: nothing can be learned from mutants.")
    with ThreadPoolExecutor(2) as pool:
        results = []
        for one, end in pool.map(judge, chosen):
            results.append(end)
            print(f"{end:<10} {one.file}:{one.line}: {one.old} -> {one.new}", flush=True)
    shutil.rmtree(BUILD, ignore_errors=True)
    killed, survived = results.count("killed"), results.count("survived")
    print(f"mutants: {len(results)} of {len(every)}, {killed} killed, {survived} survived, {results.count('equivalent')} equivalent:"
          f" {100 * killed / max(1, killed + survived):.1f} % noticed")  # fmt: skip
    return 0 if killed >= 0.95 * (killed + survived) else 1


if __name__ == "__main__":
    sys.exit(main())
