"""``python -m almond verify EXPORT``: walk the chain from every response to the encoder artifact."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from almond.digest import printed_json
from almond.evidence.verify import Check, first_broken, not_known, verify
from almond.progress import Console

SHOWN = 5


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", type=Path, help="the folder of an export")
    parser.add_argument(
        "--bold", type=Path, metavar="ROOT", help="also hash the BOLD files below this folder"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the links; 0 when the chain is whole, 1 when a link is broken."""
    checks = verify(arguments.export, bold=arguments.bold, progress=None if arguments.json else Console())
    broken, open_points = first_broken(checks), not_known(arguments.export, checks)
    if arguments.json:
        first = {"link": broken.link, "problem": broken.problems[0]} if broken else None
        links = [check.to_json() for check in checks]
        result = {"ok": broken is None, "broken": first, "not_known": open_points, "links": links}
        print(printed_json(result, indent=1))
    else:
        print("\n".join(line for check in checks for line in lines_of(check)))
        if broken:
            sys.stderr.write(f"The chain is broken where {broken.link}: {broken.problems[0]}\n")
        else:
            whole = "as far as the export reaches" if open_points else ""
            print(" ".join(["The chain is whole", whole]).strip() + ".", *open_points, sep="\n")
    return 1 if broken else 0


def lines_of(check: Check) -> list[str]:
    if not check.checked:
        return [f"  -     {check.link}: not looked at, an earlier link is broken"]
    if check.ok:
        return [f"  ok    {check.link} ({check.count})"]
    rest = len(check.problems) - SHOWN
    more = [f"          and {rest} more"] if rest > 0 else []
    return [f"BROKEN  {check.link}", *(f"          {text}" for text in check.problems[:SHOWN]), *more]
