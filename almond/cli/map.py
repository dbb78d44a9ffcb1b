"""``python -m almond map CONFIG``: how well every voxel of a whole brain is predicted."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.digest import printed_json
from almond.encoding.config.fit_config import load_config
from almond.encoding.pipeline.whole_brain import map_brain
from almond.progress import Console
from almond.remarks import remark_lines


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file with a section brain")
    parser.add_argument("--out", type=Path, help="folder of the maps (overrides brain.out)")
    parser.add_argument(
        "--strict", action="store_true", help="take every remark as an error (docs/remarks.md)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Map every subject and print a line for each; returns 0."""
    config = load_config(arguments.config)
    if arguments.strict:
        config = config.model_copy(update={"strict": True})
    folder = config.brain.out if config.brain is not None else None
    out = (arguments.out or folder or config.output / "brain").resolve()
    results = map_brain(config, out=out, progress=Console())
    if arguments.json:
        print(printed_json({"out": str(out), "subjects": results}))
        return 0
    print("subject   voxels  constant  held-out r: mean  median  quartiles       noise features")
    for result in results:
        r, noise = result["heldout_r"], result.get("null_control", {}).get("heldout_r")
        print(
            f"{result['subject']:<8} {result['voxels']:>7}  {result['constant_voxels']:>8}  "
            f"{r['mean']:>16.3f}  {r['median']:>6.3f}  "
            f"{r['lower_quartile']:.3f} to {r['upper_quartile']:.3f}  "
            + ("-" if noise is None else f"{noise:.3f}")
        )
    for text in remark_lines(results):
        print(f"remark: {text}")
    print(f"Maps: {out}")
    return 0
