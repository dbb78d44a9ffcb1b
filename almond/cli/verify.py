"""``python -m almond verify EXPORT``: walk the chain from every response to the encoder artifact."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from almond.digest import printed_json
from almond.evidence.verify import Check, first_broken, unknown_of_external, verify
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
    broken = first_broken(checks)
    unknown = unknown_of_external(arguments.export) if checks[0].ok else ()
    if arguments.json:
        first = {"link": broken.link, "problem": broken.problems[0]} if broken else None
        result: dict[str, object] = {
            "ok": broken is None,
            "broken": first,
            "links": [check.to_json() for check in checks],
        }
        if unknown:
            result["external"] = {"unknown": list(unknown)}
        print(printed_json(result, indent=1))
    else:
        print("\n".join(line for check in checks for line in lines_of(check)))
        if broken:
            sys.stderr.write(f"The chain is broken where {broken.link}: {broken.problems[0]}\n")
        elif unknown:
            print("External data: the files are whole, but the chain begins at an imported table.")
            print("\n".join(["What cannot be known:", *(f"  {fact}" for fact in unknown)]))
        else:
            print("The chain is whole.")
    return 1 if broken else 0


def lines_of(check: Check) -> list[str]:
    if not check.checked:
        return [f"  -     {check.link}: not looked at, an earlier link is broken"]
    if check.ok:
        return [f"  ok    {check.link} ({check.count})"]
    rest = len(check.problems) - SHOWN
    more = [f"          and {rest} more"] if rest > 0 else []
    return [f"BROKEN  {check.link}", *(f"          {text}" for text in check.problems[:SHOWN]), *more]
