"""How often the demonstration rejects where nothing is there, in both forms of its null world.

``python -m benchmarks.nulls --seeds 40 --json`` runs the study of ``python -m almond demo --null`` for many
seeds: the prompts and seeds of its scenes, the unguided images that its generator draws, the reader by which
raters see them, its plan, lists and raters, its exclusions and primary tests, all by the same functions.
Left out is what no answer and no primary test depends on in a null world:

- brains, encoders and guided images: raters see the unguided image of the scene in their place;
- which strengths are matched: every scene and target has one pair whichever it is, and lists, percepts and
  answers do not depend on what its images are called;
- the files of the export, and analyses that need scores or features of guided images.

``tests/almond/test_demo.py`` compares every answer of a small demonstration, and both p values to the last
digit that a result keeps; ``--whole SEED`` compares the p values of the whole one of a seed.

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
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from almond.analysis.analyse import rounded
from almond.analysis.questions.base import Context
from almond.analysis.rating_profiles import select
from almond.analysis.study_data import StudyData
from almond.analysis.trial_tables.rating_trials import RatingCube, rating_cube
from almond.chain.demo import run_worlds
from almond.chain.draw import Pool, recipes_of, scene_name, stimulus_row
from almond.chain.plan import planned_pair, study_plan
from almond.chain.settings import DemoSettings
from almond.chain.study import hold_study, null_facts
from almond.design.parts import PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.questions import QUESTIONS
from almond.design.themes import theme_named
from almond.digest import digest_bytes
from almond.guidance.backends.load import load_generator
from almond.guidance.sampler import generate
from almond.power.studies import analysed, p_value
from almond.progress import Silent
from almond.stats.classification import classify
from almond.stats.profile_difference import between_classes, box_test
from almond.stats.two_way import two_way_covariance
from almond.stimuli.images import png_bytes
from almond.world import lab
from almond.world.null_forms import NULL_WORLDS, NullWorld

ALPHA, PERMUTATIONS = 0.05, 199
NULLS: tuple[NullWorld, ...] = tuple(name for name in reversed(NULL_WORLDS) if name != "none")
STRENGTH = 1.0
"""Of the guided images, which nobody draws."""


class NoScores:
    """The scorer of images that nothing guides."""

    names = ()

    def __call__(self, images: Any) -> Any:
        return images.new_zeros((len(images), 0))


def unguided_pool(settings: DemoSettings) -> Pool:
    """Draw the unguided image of every scene, as the demonstration does before the guided ones."""
    generator = load_generator(settings.generator)
    recipes = [recipe for recipe in recipes_of(settings, generator, ()) if not recipe.direction]
    rows, images, pngs = [], {}, {}
    for made in generate(recipes, generator=generator, scorer=NoScores()):
        png = png_bytes(made.image)
        row = stimulus_row(made, png)
        rows.append(row)
        images[row["stimulus_id"]], pngs[row["image_sha256"]] = made.image, png
    return Pool(pd.DataFrame(rows), images, pngs, {}, pd.DataFrame())  # nothing is matched


def bare_plan(settings: DemoSettings) -> StudyPlan:
    """Write the demonstration's plan for guided images that nobody drew.

    Stimuli and pairs stand in the order in which the demonstration's matching leaves them.
    """
    scenes = {
        scene_name(prompt, settings.stream("scene", prompt, number) % 100_000): prompt
        for prompt in settings.prompts
        for number in range(settings.seeds_per_prompt)
    }
    stimuli, pairs = [], []
    for target in sorted(lab.TARGETS):
        for scene in sorted(scenes):
            names = {1: f"{scene}-{target}-high-{STRENGTH:g}", -1: f"{scene}-{target}-low-{STRENGTH:g}"}
            stimuli += [
                PlannedStimulus(
                    id=name,
                    sha256=digest_bytes(name.encode()),
                    base_scene=scene,
                    theme=theme_named(scenes[scene]),
                    prompt=scenes[scene],
                    target=target,
                    direction=direction,
                    strength=STRENGTH,
                    width=8,
                    height=8,
                )
                for direction, name in names.items()
            ]
            row = {"base_scene": scene, "intended_target": target, "high": names[1], "low": names[-1]}
            pairs.append(planned_pair(row))
    stimuli.sort(key=lambda stimulus: stimulus.id)
    return study_plan(settings, tuple(stimuli), tuple(pairs))


def null_study(settings: DemoSettings, pool: Pool) -> Context:
    """Hold the demonstration's study in a null world, and start its analysis."""
    plan = bare_plan(settings)
    tables = hold_study(settings, plan, pool, Silent())
    data = StudyData(
        manifest={"files": {}, "simulated": True, **null_facts(settings.null)},
        plan=plan,
        stimuli=pd.DataFrame([{"stimulus_id": row.id, "image_sha256": row.sha256} for row in plan.stimuli]),
        **{name: tables[name] for name in ("participants", "ratings", "choices")},
    )
    return analysed(data, plan.seed)


def choice_arrays(study: Context) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return aligned, participant, theme and scene (n,) of every choice."""
    rows = study.sample.choices
    return (
        rows["aligned"].to_numpy(dtype=np.float64),
        rows["participant_id"].to_numpy(),
        rows["theme"].to_numpy(),
        rows["base_scene"].to_numpy(),
    )


def raised_cube(study: Context) -> RatingCube:
    """Arrange the ratings of images made for more of a target, as the analysis does."""
    rated = study.rated_profiles()
    return rating_cube(
        study.ratings, select(rated, np.flatnonzero(np.asarray(rated.directions) == 1).tolist())
    )


def planned_p(study: Context, question: str) -> float:
    """Compute the p of a primary test, as the analysis of an export does."""
    p = p_value(QUESTIONS.load(question), study)
    if p is None:
        raise ValueError(f"{question} did not run")
    return p


def fixed_people_p(study: Context) -> float:
    """Permute the targets' names within scenes: these people, as if all others were like them."""
    profiles = raised_cube(study).profiles
    return classify(
        profiles.values,
        profiles.targets,
        profiles.scenes,
        permutations=PERMUTATIONS,
        rng=np.random.default_rng(0),
        seed=0,
    ).p


def one_way_profiles_p(study: Context, units: str) -> float:
    """Run the test of profiles with one factor random alone: ``people`` or ``themes``, the other fixed."""
    trials = raised_cube(study).trials()
    values = np.asarray(trials.values, np.float64)
    codes = [
        np.unique(labels, return_inverse=True)[1] for labels in (trials.classes, trials.people, trials.scenes)
    ]
    effects, scores = between_classes(values, np.ones(len(values), bool), (codes[0], codes[1], codes[2]))
    parts = two_way_covariance(
        scores.reshape(len(values), -1), np.arange(len(values)), getattr(trials, units)
    )
    return box_test(float((effects**2).sum()), parts, len(lab.TARGETS)).p


def trials_p(study: Context) -> float:
    """Test the ratings of every trial by target in an analysis of variance, the best construct by
    Bonferroni."""
    trials = raised_cube(study).trials()
    groups = [trials.values[np.asarray(trials.classes) == name] for name in lab.TARGETS]
    return min(1.0, len(lab.CONSTRUCTS) * float(stats.f_oneway(*groups).pvalue.min()))


def binomial_p(study: Context) -> float:
    aligned = choice_arrays(study)[0]
    return float(stats.binomtest(int(aligned.sum()), len(aligned), 0.5).pvalue)


def people_p(study: Context) -> float:
    aligned, person, _, _ = choice_arrays(study)
    return _one_way(aligned, person)


def scenes_p(study: Context) -> float:
    aligned, _, _, scene = choice_arrays(study)
    return _one_way(aligned, scene)


def _one_way(values: NDArray[np.float64], units: NDArray[Any]) -> float:
    return float(stats.ttest_1samp(pd.Series(values).groupby(units).mean(), 0.5).pvalue)


TESTS: dict[str, tuple[bool, Callable[[Context], float]]] = {
    "choices": (True, partial(planned_p, question="choices")),
    "profiles": (True, partial(planned_p, question="classification")),
    "targets permuted within scenes, people fixed": (False, fixed_people_p),
    "profiles, people fixed": (False, partial(one_way_profiles_p, units="themes")),
    "profiles, themes fixed": (False, partial(one_way_profiles_p, units="people")),
    "analysis of variance over trials": (False, trials_p),
    "t over scenes": (False, scenes_p),
    "t over participants": (False, people_p),
    "binomial over trials": (False, binomial_p),
}
"""Name -> (confirmatory, p of a study)."""


def most_expected(seeds: int) -> int:
    """Return the 97.5 % quantile of the rejections of a test at 5 %."""
    return int(stats.binom.ppf(0.975, seeds, ALPHA))


def count_rejections(
    seeds: Sequence[int], nulls: Sequence[NullWorld] = NULLS, settings: DemoSettings | None = None
) -> list[dict[str, Any]]:
    """Run every test on every seed's study; one row per null and test. ``settings`` but for seed and null."""
    p: dict[NullWorld, dict[str, list[float]]] = {null: {name: [] for name in TESTS} for null in nulls}
    for seed in seeds:
        own = replace(settings or DemoSettings(), seed=seed)
        pool = unguided_pool(own)
        for null in nulls:
            study = null_study(replace(own, null=null), pool)
            for name, (_, test) in TESTS.items():
                p[null][name].append(test(study))
            shown = {name: round(values[-1], 4) for name, values in p[null].items()}
            print(json.dumps({"null": null, "seed": seed, **shown}), file=sys.stderr, flush=True)
    return [_row(null, name, values) for null, tests in p.items() for name, values in tests.items()]


def compare_with_whole(settings: DemoSettings) -> list[dict[str, Any]]:
    """Run the whole demonstration of a seed in every null world, and its study here; the p values of both."""
    pool, rows = unguided_pool(settings), []
    with tempfile.TemporaryDirectory() as folder:
        whole = run_worlds(settings, Path(folder), NULLS, progress=Silent())
    for null, result in zip(NULLS, whole, strict=True):
        study = null_study(replace(settings, null=null), pool)
        for name, key in (("choices", "choice_p"), ("classification", "p")):
            here = rounded(planned_p(study, name))
            rows.append(
                {"seed": settings.seed, "null": null, "test": name, "whole": result[key], "here": here}
            )
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
    parser.add_argument(
        "--whole", type=int, metavar="SEED", help="compare with the whole demonstration of one seed"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args(argv)
    settings = DemoSettings(participants=words.participants)
    if words.whole is not None:
        rows = compare_with_whole(replace(settings, seed=words.whole))
        lines = [
            f"{row['null']}, {row['test']}: {row['whole']!r} whole, {row['here']!r} here" for row in rows
        ]
    else:
        rows = count_rejections(range(words.first, words.first + words.seeds), settings=settings)
        lines = [f"{row['null']}, {row['test']}: {row['rejected']} of {row['seeds']}" for row in rows]
    print(json.dumps({"rows": rows}, indent=1) if words.json else "\n".join(lines))


if __name__ == "__main__":
    main()
