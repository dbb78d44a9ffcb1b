"""The chain's figures over many seeds, in the world and in its nulls.

``python -m benchmarks.demo --seeds 10 --json`` prints one JSON object. All worlds of a seed share brains and
images; only the responses differ. ``benchmarks.nulls`` counts rejections of the nulls over more seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from almond.chain.demo import run_worlds
from almond.chain.settings import DemoSettings
from almond.progress import Silent
from almond.world.null_forms import NULL_WORLDS

KEYS = ("on_target_shift", "off_target_shift", "accuracy", "chance", "p", "choice_alignment", "choice_p")


def one_seed(seed: int, participants: int) -> list[dict[str, object]]:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = DemoSettings(seed=seed, participants=participants)
        found = run_worlds(settings, Path(folder), NULL_WORLDS, progress=Silent())
    seconds = time.perf_counter() - begun
    return [{**result, "seconds_for_all": round(seconds, 1)} for result in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--participants", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    runs = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for found in one_seed(seed, arguments.participants):
            runs.append(found)
            line = {key: found[key] for key in ("seed", "null_form", *KEYS, "seconds_for_all")}
            sys.stderr.write(json.dumps(line) + "\n")
    print(json.dumps({"runs": runs}) if arguments.json else f"{len(runs)} runs")


if __name__ == "__main__":
    main()
