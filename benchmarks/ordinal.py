"""How long tests of ratings on few points take, and with H as one dense matrix and every search from nothing.

``python -m benchmarks.ordinal --constructs 10 --json``: processor seconds of the test of two directions for
so many constructs, each rated by 100 people on 80 images (20 themes, two scenes each, seven points), ``now``
and ``dense``; and the largest difference of log odds, standard errors and likelihood ratios between the two.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from unittest import mock

import numpy as np

from almond.stats.mixed import ordinal
from almond.stats.mixed.ordinal_tests import DirectionEffect, direction_effect
from almond.stats.mixed.penalised_systems import DenseSystem
from benchmarks.referee_kinds import rated
from benchmarks.referee_points import PointsWorld, draw_points

WORLD = PointsWorld(people=100, themes=20, seeds=2, points=7, effect=0.4, person_slope=0.8, theme_slope=0.8)


def run_tests(constructs: int, people: int) -> tuple[list[DirectionEffect], float]:
    """Test each construct; return the effects and processor seconds."""
    world = PointsWorld(**{**WORLD.to_json(), "people": people})
    studies = [draw_points(world, np.random.default_rng([number, 18])) for number in range(constructs)]
    began = time.process_time()
    effects = [direction_effect(rated(study), np.where(study.condition == 0, 1.0, -1.0)) for study in studies]
    return effects, time.process_time() - began


def figures(effects: Sequence[DirectionEffect]) -> np.ndarray:
    return np.array([[effect.estimate, effect.se, effect.test.chi2] for effect in effects], np.float64)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--constructs", type=int, default=10)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args(argv)
    now, seconds = run_tests(words.constructs, words.people)
    with (
        mock.patch.object(ordinal, "CrossedSystem", DenseSystem),
        mock.patch.object(ordinal, "descend", return_value=None),
    ):
        dense, slower = run_tests(words.constructs, words.people)
    apart = np.abs(figures(now) - figures(dense)).max(axis=0)
    row = {
        "constructs": words.constructs,
        "ratings": words.constructs * words.people * WORLD.scenes * 2,
        "now": round(seconds, 2),
        "dense": round(slower, 2),
        "times": round(slower / seconds, 1),
        "largest_difference": dict(zip(("log_odds", "se", "chi2"), apart.tolist(), strict=True)),
    }
    print(json.dumps(row, indent=1) if words.json else row)


if __name__ == "__main__":
    main()
