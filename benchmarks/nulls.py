"""How often the demonstration rejects where nothing is there, in both forms of its null world.

``python -m benchmarks.nulls --seeds 40 --json`` takes the example lab's design, that of ``almond demo``:
twelve prompts, a pair of images for each of four targets, 40 people. Every seed has its own unguided scenes,
drawn by the world, its own percepts of prompts and people, its own lists and raters. Guided images are not
drawn: a null world never looks at them, it knows the unguided image of their scene alone. So a seed takes a
second here of what takes minutes with ``python -m almond demo --null structured``, by the same functions.

For each null it prints, for the confirmatory tests and for mistakes that the structured null is there to
find (targets permuted within scenes with people fixed; the test of profiles with people or themes fixed; an
analysis of variance, or a binomial test, over trials; a t test over scenes, or over participants), the number
of seeds with p below .05, and the most that a test at 5 % may have: the 97.5 % quantile of the binomial
distribution.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from almond.analysis.rating_profiles import select, standardise, stimulus_profiles
from almond.analysis.rating_trials import RatingCube, rating_cube
from almond.chain.draw import scene_name
from almond.chain.plan import planned_pair, study_plan
from almond.chain.settings import DemoSettings
from almond.chain.study import START
from almond.design.assignment import make_lists
from almond.design.parts import PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.themes import theme_named
from almond.digest import digest_bytes
from almond.evidence.simulated import made_for, simulate_study
from almond.rng import generator
from almond.stats.classification import classify
from almond.stats.profile_difference import between_classes, box_test, profile_difference
from almond.stats.two_way import two_way_covariance, two_way_mean
from almond.world import lab
from almond.world.null_forms import NULL_WORLDS, NullWorld
from almond.world.null_worlds import percepts_of_null
from almond.world.raters import Latents
from almond.world.scenes import draw_scene, latents

ALPHA, PERMUTATIONS = 0.05, 199
NULLS: tuple[NullWorld, ...] = tuple(name for name in reversed(NULL_WORLDS) if name != "none")
Tables = dict[str, pd.DataFrame]


def bare_plan(settings: DemoSettings) -> StudyPlan:
    """Write the demonstration's plan for images that nobody drew."""
    stimuli, pairs = [], []
    for prompt in settings.prompts:
        scene = scene_name(prompt, settings.stream("scene", prompt, 0) % 100_000)
        for target in lab.TARGETS:
            names = {1: f"{scene}-{target}-high", -1: f"{scene}-{target}-low"}
            stimuli += [
                PlannedStimulus(
                    id=name,
                    sha256=digest_bytes(name.encode()),
                    base_scene=scene,
                    theme=theme_named(prompt),
                    prompt=prompt,
                    target=target,
                    direction=direction,
                    strength=1.0,
                    width=8,
                    height=8,
                )
                for direction, name in names.items()
            ]
            row = {"base_scene": scene, "intended_target": target, "high": names[1], "low": names[-1]}
            pairs.append(planned_pair(row))
    return study_plan(settings, tuple(stimuli), tuple(pairs))


def null_tables(settings: DemoSettings, null: NullWorld) -> Tables:
    """Simulate the demonstration's study in a null world, with scenes of this seed."""
    plan = bare_plan(settings)
    bases: dict[str, Latents] = {
        scene: latents(draw_scene(generator(settings.stream("unguided", scene))))
        for scene in sorted({row.base_scene for row in plan.stimuli})
    }
    percepts = percepts_of_null(null, bases, made_for(plan), generator(settings.stream("null world")))
    return simulate_study(
        plan,
        make_lists(plan, settings.lists),
        percepts,
        n_participants=settings.participants,
        seed=settings.stream("raters"),
        start=START,
    )


def choice_arrays(tables: Tables) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return aligned, participant, theme and scene (n,) of every choice."""
    rows = tables["choices"]
    return (
        rows["aligned"].to_numpy(dtype=np.float64),
        rows["participant_id"].to_numpy(),
        rows["theme"].to_numpy(),
        rows["base_scene"].to_numpy(),
    )


def raised_cube(tables: Tables) -> RatingCube:
    """Arrange the ratings of images made for more of a target, as the analysis does."""
    ratings = standardise(tables["ratings"])
    rated = stimulus_profiles(ratings, [text.name for text in lab.CONSTRUCTS])
    return rating_cube(ratings, select(rated, np.flatnonzero(np.asarray(rated.directions) == 1).tolist()))


def choices_p(tables: Tables) -> float:
    aligned, person, theme, _ = choice_arrays(tables)
    return two_way_mean(aligned, person, theme, null=0.5).p


def profiles_p(tables: Tables) -> float:
    return profile_difference(raised_cube(tables).trials()).p


def fixed_people_p(tables: Tables) -> float:
    """Permute the targets' names within scenes: these people, as if all others were like them."""
    profiles = raised_cube(tables).profiles
    return classify(
        profiles.values,
        profiles.targets,
        profiles.scenes,
        permutations=PERMUTATIONS,
        rng=np.random.default_rng(0),
        seed=0,
    ).p


def one_way_profiles_p(tables: Tables, units: str) -> float:
    """Run the test of profiles with one factor random alone: ``people`` or ``themes``, the other fixed."""
    trials = raised_cube(tables).trials()
    values = np.asarray(trials.values, np.float64)
    codes = [
        np.unique(labels, return_inverse=True)[1] for labels in (trials.classes, trials.people, trials.scenes)
    ]
    effects, scores = between_classes(values, np.ones(len(values), bool), (codes[0], codes[1], codes[2]))
    parts = two_way_covariance(
        scores.reshape(len(values), -1), np.arange(len(values)), getattr(trials, units)
    )
    return box_test(float((effects**2).sum()), parts, len(lab.TARGETS)).p


def trials_p(tables: Tables) -> float:
    """Test the ratings of every trial by target in an analysis of variance, the best construct by
    Bonferroni."""
    trials = raised_cube(tables).trials()
    groups = [trials.values[np.asarray(trials.classes) == name] for name in lab.TARGETS]
    return min(1.0, len(lab.CONSTRUCTS) * float(stats.f_oneway(*groups).pvalue.min()))


def binomial_p(tables: Tables) -> float:
    aligned = choice_arrays(tables)[0]
    return float(stats.binomtest(int(aligned.sum()), len(aligned), 0.5).pvalue)


def people_p(tables: Tables) -> float:
    aligned, person, _, _ = choice_arrays(tables)
    return _one_way(aligned, person)


def scenes_p(tables: Tables) -> float:
    aligned, _, _, scene = choice_arrays(tables)
    return _one_way(aligned, scene)


def _one_way(values: NDArray[np.float64], units: NDArray[Any]) -> float:
    return float(stats.ttest_1samp(pd.Series(values).groupby(units).mean(), 0.5).pvalue)


TESTS: dict[str, tuple[bool, Callable[[Tables], float]]] = {
    "choices": (True, choices_p),
    "profiles": (True, profiles_p),
    "targets permuted within scenes, people fixed": (False, fixed_people_p),
    "profiles, people fixed": (False, partial(one_way_profiles_p, units="themes")),
    "profiles, themes fixed": (False, partial(one_way_profiles_p, units="people")),
    "analysis of variance over trials": (False, trials_p),
    "t over scenes": (False, scenes_p),
    "t over participants": (False, people_p),
    "binomial over trials": (False, binomial_p),
}
"""Name -> (confirmatory, p of a study's tables)."""


def most_expected(seeds: int) -> int:
    """Return the 97.5 % quantile of the rejections of a test at 5 %."""
    return int(stats.binom.ppf(0.975, seeds, ALPHA))


def count_rejections(
    seeds: Sequence[int], nulls: Sequence[NullWorld] = NULLS, participants: int = 40
) -> list[dict[str, Any]]:
    """Run every test on every seed's study; one row per null and test."""
    rows = []
    for null in nulls:
        p: dict[str, list[float]] = {name: [] for name in TESTS}
        for seed in seeds:
            tables = null_tables(DemoSettings(seed=seed, participants=participants, null=null), null)
            for name, (_, test) in TESTS.items():
                p[name].append(test(tables))
            shown = {name: round(values[-1], 4) for name, values in p.items()}
            print(json.dumps({"null": null, "seed": seed, **shown}), file=sys.stderr, flush=True)
        rows += [_row(null, name, values) for name, values in p.items()]
    return rows


def _row(null: NullWorld, name: str, p: Sequence[float]) -> dict[str, Any]:
    rejected = sum(value <= ALPHA for value in p)
    interval = stats.binomtest(rejected, len(p)).proportion_ci()
    return {
        "null": null,
        "test": name,
        "confirmatory": TESTS[name][0],
        "seeds": len(p),
        "rejected": rejected,
        "most_expected": most_expected(len(p)),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1001, help="the first seed (default %(default)s)")
    parser.add_argument("--participants", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args(argv)
    seeds = range(words.first, words.first + words.seeds)
    rows = count_rejections(seeds, participants=words.participants)
    if words.json:
        print(json.dumps({"rows": rows}, indent=1))
    else:
        lines = (f"{row['null']}, {row['test']}: {row['rejected']} of {row['seeds']}" for row in rows)
        print(*lines, sep="\n")


if __name__ == "__main__":
    main()
