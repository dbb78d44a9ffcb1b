"""Matching by both yardsticks in the example world: ``python -m benchmarks.guidance_matching --json``.

Brains are simulated and fitted, a pool of guided images is drawn (``--prompts``, ``--seeds`` of each,
``--strengths``), and pairs are chosen by the guides' scores. Three figures, all over every target:

- ``worst_balance_sd``: the largest mean difference between high and low pictures, in SD of the pool;
- ``worst_balance_dz``: the largest paired d_z;
- ``contrast_kept``: high minus low of what the pairs are chosen for (the target's score; that less the mean
  of the others' where these are not held), as subjects read it that neither guided nor chose, over what they
  read in the choice without any balance, people included.

``groups`` has both yardsticks of each group of quantities. The other targets' scores are bounded as the
guides read them (``off_target``) and measured as those subjects do (``off_target_judged``); the first two
figures include both. ``matched_as_chosen`` counts the targets of which all that the choice could bound keeps
both. ``same_people``: pairs in which a network that guided nothing sees the same people, matched and not.
``matching_figures`` computes all from a pool that exists. Processor time, not wall time, is printed.
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
from almond.chain.draw import Pool, draw_pool, held_groups, match
from almond.chain.encode import fit_brains, make_targets
from almond.chain.settings import MATCHED_SCENES, MATCHED_SEEDS, DemoSettings, matched_sizes
from almond.encoding.features.kinds.world import open_world
from almond.exchange.schema import SCORE
from almond.guidance.backends.load import load_generator
from almond.progress import Console, Progress, Silent
from almond.stimuli.matching import MatchedPairs, choose_pairs
from almond.stimuli.pairing.contrast import contrast_of
from almond.stimuli.pairing.yardsticks import GROUPS, JUDGE, held_columns
from almond.stimuli.people import read_people
from almond.world import lab

FOLLOWED = ("worst_balance_sd", "worst_balance_dz", "contrast_kept")
"""The figures that are followed from version to version."""


def judged_contrasts(table: pd.DataFrame, pairs: pd.DataFrame, *, held: bool) -> dict[str, float]:
    """Compute each target's mean contrast over pairs as the held-out subjects read it.

    :param held: whether the others' scores were held constant, and so are no part of the contrast.
    """
    scored = table.set_index("stimulus_id")
    contrasts = {}
    for target, rows in pairs.groupby("intended_target"):
        weights = contrast_of(str(target), lab.TARGETS, held=held)
        columns = [SCORE + name + JUDGE for name in weights]
        gap = scored.loc[rows["high"], columns].to_numpy() - scored.loc[rows["low"], columns].to_numpy()
        contrasts[str(target)] = float((gap @ np.array(list(weights.values()))).mean())
    return contrasts


def matching_figures(
    pool: Pool, *, scenes: int | None, groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """Match a pool by both yardsticks and by none, and return the figures.

    :param scenes: base scenes kept for each target. :param groups: what is held constant; None is all.
    """
    table = pool.table.join(pool.held, on="stimulus_id")
    held = tuple(held_groups(pool, scenes=scenes) if groups is None else groups)
    features, off_target = held_columns(held), "off_target" in held
    begun = time.process_time()
    matched = match(pool, Silent(), scenes=scenes, groups=held)
    seconds = time.process_time() - begun
    own = {name: contrast_of(name, lab.TARGETS, held=off_target) for name in lab.TARGETS}
    free = choose_pairs(table, tolerance=1e6, paired=np.inf, features=features, scenes=scenes, contrasts=own)
    kept, whole = (judged_contrasts(table, found.pairs, held=off_target) for found in (matched, free))
    difference, effect = matched.worst
    return {
        "worst_balance_sd": round(difference, 4),
        "worst_balance_dz": round(effect, 4),
        "contrast_kept": round(sum(kept.values()) / sum(whole.values()), 3),
        "judged_contrast": {name: round(value, 3) for name, value in kept.items()},
        "judged_contrast_unmatched": {name: round(value, 3) for name, value in whole.items()},
        "matched_targets": len(lab.TARGETS) - len(matched.missed),
        "matched_as_chosen": len(lab.TARGETS) - len(matched.relaxed),
        "groups": worst_by_group(matched),
        "held": list(held),
        "same_people": {"matched": same_people(pool, matched), "unmatched": same_people(pool, free)},
        "pool": len(table),
        "base_scenes": int(table["base_scene"].nunique()),
        "scenes_kept": scenes,
        "themes": {
            str(name): int(rows["base_scene"].map(theme_of(table)).nunique())
            for name, rows in matched.pairs.groupby("intended_target")
        },
        "nuisance_accuracy": nuisance_of(table, matched, features),
        "matching_seconds": round(seconds, 1),
    }


def worst_by_group(matched: MatchedPairs) -> dict[str, dict[str, float]]:
    """Largest mean difference (SD of the pool) and d_z of each target and group of quantities."""
    worst: dict[str, dict[str, float]] = {}
    for row in matched.balance.to_dict(orient="records"):
        entry = worst.setdefault(f"{row['intended_target']} {row['group']}", {"sd": 0.0, "dz": 0.0})
        entry["sd"] = round(max(entry["sd"], abs(float(row["after"]))), 3)
        entry["dz"] = round(max(entry["dz"], abs(float(row["d_z"]))), 3)
    return worst


def theme_of(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["base_scene"], table["theme"].astype(str), strict=True))


def same_people(pool: Pool, found: MatchedPairs) -> float:
    """Share of pairs in whose pictures the judge network sees the same people."""
    high, low = (
        read_people([pool.images[name] for name in found.pairs[side]], "judge") for side in ("high", "low")
    )
    return round(float(np.mean([one == other for one, other in zip(high, low, strict=True)])), 3)


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


def timed_figures(settings: DemoSettings, groups: Sequence[str] | None, progress: Progress) -> dict[str, Any]:
    """Draw a pool and match it; the figures with the CPU seconds of both."""
    begun = time.process_time()
    pool = drawn_pool(settings, progress)
    figures = matching_figures(pool, scenes=settings.scenes_kept, groups=groups)
    return {**figures, "seconds": round(time.process_time() - begun, 1)}


def usual_matching() -> dict[str, Any]:
    """Match the pool of ``python -m almond demo``."""
    return timed_figures(matched_sizes(), None, Silent())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prompts", type=int, default=len(lab.PROMPTS), help="themes of the pool (all)")
    parser.add_argument("--seeds", type=int, default=MATCHED_SEEDS, help="base scenes of each (%(default)s)")
    parser.add_argument("--strengths", type=float, nargs="+", default=(), help="(those of the generator)")
    parser.add_argument("--scenes", type=int, default=MATCHED_SCENES, help="scenes kept (%(default)s)")
    parser.add_argument("--held", nargs="+", choices=list(GROUPS), help="groups held constant (all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    settings = DemoSettings(
        seed=options.seed,
        prompts=lab.PROMPTS[: options.prompts],
        seeds_per_prompt=options.seeds,
        strengths=tuple(options.strengths),
        scenes_kept=options.scenes,
    )
    figures = timed_figures(settings, options.held, Silent() if options.json else Console())
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
