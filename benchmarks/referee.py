"""How often the tests of an analysis reject when nothing is there, and how often when something is.

``python -m benchmarks.referee --studies 400 --json`` prints ``rows``, one per test and design:

- ``test``, ``design``, ``confirmatory``: the last is false for the classic mistakes, shown for contrast;
- ``false_positive`` with its 95 % interval ``low`` to ``high``: the share of null studies with p below .05;
- ``power``: effect -> share of studies with p below .05, on the same random numbers; empty for mistakes;
- ``coverage``: the share of 95 % intervals that hold the true value, null where the test has no interval;

and beside them ``confirmatory_rows``, how many of these lie wholly ``above_05`` and ``above_07``,
``reference_power`` of the profiles, whether the power of choices is ``monotone`` in the effect, and the
``seconds`` of processor time.

The raters are those of ``benchmarks.referee_worlds``; the analysis is the product's own functions.
``--out FILE`` writes each row as it comes and, started again, goes on where it stopped. ``--quick`` runs a
few designs in less than a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from almond.digest import canonical_json
from benchmarks.referee_grid import ACCURACIES, GRID, QUICK, Cell, Grid
from benchmarks.referee_rows import Row, accuracy_row, rows_of, studies_of, summary, tests_of

ACCURACY = "accuracy"
Work = tuple[list[str], Callable[[], list[Row]]]
"""Keys of the rows that a piece of work makes, and the work."""


def row_key(test: str, design: dict[str, Any], studies: int, first: int) -> str:
    return canonical_json([test, design, studies, first]).decode()


def work(grid: dict[str, Grid], *, studies: int, first: int, accuracies: bool) -> Iterator[Work]:
    """Yield what is to be done, design by design, small ones first: a run that is stopped has most rows."""
    for kind, cells in grid.items():
        for cell in sorted(cells, key=lambda cell: cell.design.people * cell.design.scenes):
            yield _cell_work(kind, cell, studies, first)
    for design, effect in ACCURACIES if accuracies else ():
        yield _accuracy_work(design, effect, max(50, studies // 4), first)


def _cell_work(kind: str, cell: Cell, studies: int, first: int) -> Work:
    keys = [
        row_key(test.name, cell.design.to_json(), studies_of(test, studies), first)
        for test in tests_of(kind, cell)
    ]
    return keys, lambda: rows_of(kind, cell, studies=studies, first=first)


def _accuracy_work(design: Any, effect: float, studies: int, first: int) -> Work:
    name = f"{ACCURACY}: interval at an effect of {effect:g}, participants and themes random"
    key = row_key(name, design.to_json(), studies, first)
    return [key], lambda: [accuracy_row(design, effect, studies=studies, first=first)]


class RowFile:
    """Rows in a file, one a line, so that a run that was stopped goes on where it was."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path is not None and path.exists():
            whole = path.read_bytes()
            # A line without its end is one that was being written when the run was stopped.
            lines = whole[: whole.rfind(b"\n") + 1]
            path.write_bytes(lines)
            self._keep([json.loads(line) for line in lines.splitlines()])

    def _keep(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.rows[row_key(row["test"], row["design"], row["studies"], row["first"])] = row

    def add(self, rows: Sequence[Row]) -> None:
        self._keep(rows)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(row) + "\n" for row in rows))


def referee(
    studies: int, *, grid: dict[str, Grid], accuracies: bool, first: int = 0, out: Path | None = None
) -> list[Row]:
    """Run a grid; ``first`` is the seed of the first study, ``out`` holds what was run before."""
    known = RowFile(out)
    pieces = list(work(grid, studies=studies, first=first, accuracies=accuracies))
    rows: list[Row] = []
    for number, (keys, run) in enumerate(pieces):
        if not all(key in known.rows for key in keys):
            known.add(run())
        made = [known.rows[key] for key in keys]
        rows += made
        for row in made:
            print(f"{number + 1}/{len(pieces)} {_line(row)}", file=sys.stderr, flush=True)
    return rows


def _line(row: Row) -> str:
    design = {name: value for name, value in row["design"].items() if value}
    share = "" if row["false_positive"] is None else f"{100 * row['false_positive']:5.1f} %"
    return f"{row['test']}: {share} {row['power']} {row['coverage']} {design} {row['seconds']:.1f} s"


def table(rows: Sequence[Row]) -> str:
    """Write one line per test: its rows, and the mean, least and most false positives among them."""
    lines = []
    for name in dict.fromkeys(row["test"] for row in rows):
        shares = [row["false_positive"] for row in rows if row["test"] == name]
        shares = [100 * share for share in shares if share is not None]
        if shares:
            mean = sum(shares) / len(shares)
            lines.append(
                f"{name}: {len(shares)} designs, {mean:.1f} % ({min(shares):.1f} to {max(shares):.1f})"
            )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="studies per test, design and effect")
    parser.add_argument("--quick", action="store_true", help="a few designs, in less than a minute")
    parser.add_argument(
        "--only", action="append", choices=[*GRID, ACCURACY], help="these kinds of study alone"
    )
    parser.add_argument("--first", type=int, default=0, help="seed of the first study")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.jsonl", help="write rows as they come; goes on there"
    )
    parser.add_argument("--json", action="store_true", help="print rows and summary as JSON")
    words = parser.parse_args(argv)
    grid = {
        kind: cells
        for kind, cells in (QUICK if words.quick else GRID).items()
        if kind in (words.only or GRID)
    }
    accuracies = not words.quick and ACCURACY in (words.only or [ACCURACY])
    rows = referee(words.studies, grid=grid, accuracies=accuracies, first=words.first, out=words.out)
    if words.json:
        print(json.dumps({**summary(rows), "rows": rows}, indent=1))
    else:
        print(table(rows), json.dumps(summary(rows), indent=1), sep="\n")


if __name__ == "__main__":
    main()
