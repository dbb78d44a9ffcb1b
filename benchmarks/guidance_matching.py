"""Matching by both yardsticks in the example world: ``python -m benchmarks.guidance_matching --json``.

Brains are simulated and fitted, a pool of guided images is drawn (``--prompts``, ``--seeds`` of each,
``--strengths``), and pairs are chosen by the guides' scores. Three figures, all over every target:

- ``worst_balance_sd``: the largest mean difference between high and low pictures, in SD of the pool;
- ``worst_balance_dz``: the largest paired d_z;
- ``contrast_kept``: the target's score less the mean of the others', high minus low, as subjects read it that
  neither guided nor chose, over what they read in the choice without any balance.

``matching_figures`` computes them from a pool that exists. Processor time, not wall time, is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.balance.nuisance_classifier import nuisance_accuracy
from almond.chain.draw import HELD, Pool, draw_pool
from almond.chain.encode import fit_brains, make_targets
from almond.chain.settings import DemoSettings
from almond.encoding.features.kinds.world import open_world
from almond.exchange.schema import SCORE
from almond.guidance.backends.load import load_generator
from almond.progress import Console, Progress, Silent
from almond.stimuli.matching import MatchedPairs, choose_pairs
from almond.stimuli.pairing.yardsticks import JUDGE, held_columns
from almond.world import lab

STRENGTHS = (0.03, 0.06, 0.12, 0.25)


def judged_contrast(table: pd.DataFrame, pairs: pd.DataFrame) -> float:
    """Compute the mean contrast of all pairs as the held-out subjects read it."""
    scored = table.set_index("stimulus_id")
    columns = [SCORE + name + JUDGE for name in lab.TARGETS]
    total = []
    for target, rows in pairs.groupby("intended_target"):
        gap = scored.loc[rows["high"], columns].to_numpy() - scored.loc[rows["low"], columns].to_numpy()
        weights = lab.contrast_against_others(str(target))
        total.append(gap @ np.array([weights[name] for name in lab.TARGETS]))
    return float(np.concatenate(total).mean())


def matching_figures(pool: Pool, *, scenes: int | None, groups: Sequence[str] = HELD) -> dict[str, Any]:
    """Match a pool by both yardsticks and by none, and return the figures.

    :param scenes: base scenes kept for each target. :param groups: of quantities that are held constant.
    """
    table = pool.table.join(pool.held, on="stimulus_id")
    features = held_columns(groups)
    begun = time.process_time()
    matched = choose_pairs(table, features=features, scenes=scenes)
    seconds = time.process_time() - begun
    free = choose_pairs(table, tolerance=1e6, paired=np.inf, features=features, scenes=scenes)
    difference, effect = matched.worst
    return {
        "worst_balance_sd": round(difference, 4),
        "worst_balance_dz": round(effect, 4),
        "contrast_kept": round(judged_contrast(table, matched.pairs) / judged_contrast(table, free.pairs), 3),
        "judged_contrast": round(judged_contrast(table, matched.pairs), 3),
        "matched_targets": len(lab.TARGETS) - len(matched.missed),
        "held": list(groups),
        "pool": len(table),
        "base_scenes": int(table["base_scene"].nunique()),
        "scenes_kept": scenes,
        "nuisance_accuracy": nuisance_of(table, matched, features),
        "matching_seconds": round(seconds, 1),
    }


def nuisance_of(table: pd.DataFrame, matched: MatchedPairs, features: Sequence[str]) -> dict[str, Any]:
    """Classify directions of the chosen pictures by what is held, themes held out."""
    rows = table.set_index("stimulus_id")
    high, low = (
        rows.loc[matched.pairs[side], list(features)].to_numpy(dtype=float) for side in ("high", "low")
    )
    themes = rows.loc[matched.pairs["high"], "theme"].astype(str).to_list()
    return nuisance_accuracy(high, low, themes, seed=1).to_json()


def drawn_pool(settings: DemoSettings, progress: Progress) -> Pool:
    """Simulate and fit brains, make targets and draw every image."""
    space = open_world()
    with tempfile.TemporaryDirectory() as folder:
        encoders = fit_brains(settings, Path(folder), progress)
        targets = make_targets(settings, encoders, space, Path(folder) / "targets")
        return draw_pool(
            settings,
            load_generator(settings.generator),
            space,
            guides=targets.guides,
            judges=targets.judges,
            progress=progress,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prompts", type=int, default=8, help="themes of the pool (default 8)")
    parser.add_argument("--seeds", type=int, default=2, help="base scenes of each (default 2)")
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    parser.add_argument("--scenes", type=int, default=12, help="base scenes kept (default 12)")
    parser.add_argument("--held", nargs="+", default=list(HELD), help="groups held constant")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    settings = DemoSettings(
        seed=options.seed,
        prompts=lab.PROMPTS[: options.prompts],
        seeds_per_prompt=options.seeds,
        strengths=tuple(options.strengths),
        scenes_kept=options.scenes,
    )
    begun = time.process_time()
    pool = drawn_pool(settings, Silent() if options.json else Console())
    figures = matching_figures(pool, scenes=options.scenes, groups=options.held)
    figures["seconds"] = round(time.process_time() - begun, 1)
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
