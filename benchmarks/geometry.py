"""How often the geometry's tests reject when nothing is there, and what they find when something is.

``python -m benchmarks.geometry --studies 400 --json`` prints one row per world: ``world``, ``studies``,
``effect``, and for every test the share of studies with p below .05 with its 95 % interval. ``components`` is
the share in which parallel analysis retains any. Names that end in ``images`` permute single images, as if
none were alike: for contrast. The worlds share no code with the analysis.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.stats.geometry.block_orders import BlockOrders
from almond.stats.geometry.cross_validated_cca import cross_validated_cca
from almond.stats.geometry.parallel_analysis import parallel_analysis
from almond.stats.geometry.representational_similarity import RatedPairs, representational_similarity

ALPHA, PERMUTATIONS, RESAMPLES = 0.05, 99, 100
TARGETS, CONSTRUCTS, SIZE = 4, 4, 4
"""``SIZE``: photographs per theme."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Themes and images of a theme differ by 1 and .4, one rating by 1 (standard deviations).

    ``guided``: four targets, up and down, in each of ``seeds`` scenes of a theme, else photographs.
    ``theme_slope``: what targets and directions do in single themes; ``person_slope``: what directions of
    each target are to single people; both are nothing on average. ``effect``: what guidance adds to the
    rating of a target's own construct, up and down alike.
    """

    name: str
    guided: bool = True
    themes: int = 12
    seeds: int = 1
    people: int = 12
    theme_slope: float = 0.0
    person_slope: float = 0.0
    effect: float = 0.0


WORLDS = (
    World("15 themes of four photographs", guided=False, themes=15),
    World("8 themes of four photographs", guided=False, themes=8),
    World("12 themes"),
    World("6 themes", themes=6),
    World("12 themes, slopes of themes", theme_slope=0.5),
    World("6 themes of two scenes, slopes of themes", themes=6, seeds=2, theme_slope=0.5),
    World("12 themes, slopes of themes and people", theme_slope=0.3, person_slope=0.6),
    World("12 themes, effect .35", theme_slope=0.3, person_slope=0.3, effect=0.35),
    World("12 themes, effect .7", theme_slope=0.3, person_slope=0.3, effect=0.7),
)


def draw(world: World, rng: np.random.Generator) -> tuple[Array, Array, Any, Any, Any]:
    """Draw ratings (P, n, K), scores (n, 4), and of every image theme, target and direction."""
    if not world.guided:
        theme = np.repeat(np.arange(world.themes), SIZE)
        none = np.full(len(theme), "")
        scores = rng.normal(size=(world.themes, TARGETS))[theme] + 0.5 * rng.normal(
            size=(len(theme), TARGETS)
        )
        return _rated(world, theme, rng, 0.0), scores, theme, none, np.zeros(len(theme))
    scenes = world.themes * world.seeds
    theme = np.repeat(np.arange(world.themes), 2 * TARGETS * world.seeds)
    target = np.tile(np.repeat(np.arange(TARGETS), 2), scenes)
    side = np.tile([1.0, -1.0], TARGETS * scenes)
    own = (target[:, None] == np.arange(TARGETS)).astype(float)
    scores = 0.7 * rng.normal(size=(world.themes, TARGETS))[theme]
    scores += 0.3 * rng.normal(size=scores.shape) + side[:, None] * (own - 0.3)
    shape = (world.themes, TARGETS, CONSTRUCTS)
    slopes, levels = (world.theme_slope * rng.normal(size=shape) for _ in range(2))
    meaning = side[:, None] * (world.effect * own + slopes[theme, target]) + levels[theme, target]
    people = world.person_slope * rng.normal(size=(world.people, TARGETS, CONSTRUCTS))
    ratings = _rated(world, theme, rng, meaning + people[:, target] * side[:, None])
    return ratings, scores, theme, np.array(list("abcd"))[target], side


def _rated(world: World, theme: NDArray[np.int64], rng: np.random.Generator, meaning: Array | float) -> Array:
    percept = rng.normal(size=(world.themes, CONSTRUCTS))[theme]
    percept = percept + 0.4 * rng.normal(size=percept.shape)
    return percept + meaning + rng.normal(size=(world.people, *percept.shape))


def outcomes(world: World, seed: int) -> dict[str, bool]:
    """Analyse one study: which tests reject."""
    rng = np.random.default_rng([seed, 5])
    ratings, scores, theme, target, side = draw(world, rng)
    profiles, alone = ratings.mean(axis=0), np.arange(len(theme))
    orders = BlockOrders(theme, target, side)
    single = BlockOrders(alone, np.full(len(theme), ""), np.zeros(len(theme)))
    rated = RatedPairs.of_ratings(ratings, theme)
    drawn = orders.batches(PERMUTATIONS, rng)
    model = representational_similarity(
        rated, {"scores": scores}, drawn, resamples=RESAMPLES, rng=rng
    ).scores[0]
    rejects = {"rsa, people and themes random": model.p_t <= ALPHA, "rsa, themes permuted": model.p <= ALPHA}
    for name, kind in (("", orders), (", images", single)):
        pairs = cross_validated_cca(profiles, scores, theme, kind.batches(PERMUTATIONS, rng))
        rejects[f"canonical pairs{name}"] = min(pair.p_max for pair in pairs) <= ALPHA
        components = parallel_analysis(profiles, partial(kind.draw, rng=rng), 2 * PERMUTATIONS + 1)
        rejects[f"components{name}"] = components.retained > 0
    return rejects


def row(world: World, studies: int, first: int) -> dict[str, Any]:
    """Run one world."""
    rejected = [outcomes(world, seed) for seed in range(first, first + studies)]
    rates = {}
    for name in rejected[0]:
        count = sum(study[name] for study in rejected)
        interval = stats.binomtest(count, studies).proportion_ci()
        rates[name] = {"rejects": count / studies, "low": interval.low, "high": interval.high}
    return {"world": asdict(world), "studies": studies, "effect": world.effect, "tests": rates}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="studies per world")
    parser.add_argument("--first", type=int, default=0, help="seed of the first study")
    parser.add_argument("--world", default="", help="only worlds whose name holds this")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    words = parser.parse_args(argv)
    rows = []
    for world in (world for world in WORLDS if words.world in world.name):
        began = time.perf_counter()
        rows.append(row(world, words.studies, words.first))
        rates = ", ".join(
            f"{name}: {100 * rate['rejects']:.1f} %" for name, rate in rows[-1]["tests"].items()
        )
        print(f"{world.name}: {rates} ({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)
    if words.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
