"""The questions that an export can answer, one function each, and what each needs before it can run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from almond.analysis.choices import ChoiceResult, alignment
from almond.analysis.descriptive import Sample, apply_exclusions, profile_cells, shifts
from almond.analysis.natural import associations
from almond.analysis.profiles import Profiles, select, standardise, stimulus_profiles
from almond.analysis.reliability import repeats, split_half
from almond.analysis.study_data import StudyData
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.rng import generator
from almond.stats.classification import VARIANTS, Classification, classify_variants
from almond.stats.multiple import holm


@dataclass(frozen=True)
class Settings:
    """What the person who runs an analysis may set."""

    permutations: int
    seed: int
    alpha: float


@dataclass(frozen=True)
class Context:
    """What every test is given."""

    data: StudyData
    sample: Sample
    settings: Settings
    ratings: pd.DataFrame
    constructs: tuple[str, ...]
    profiles: Profiles | None

    def rng(self, *purpose: str) -> np.random.Generator:
        return generator(self.settings.seed, "analysis", *purpose)


def make_context(data: StudyData, settings: Settings) -> Context:
    sample = apply_exclusions(data)
    ratings = standardise(sample.ratings)
    asked = set(ratings["construct"])
    constructs = tuple(item.name for item in data.plan.constructs if item.name in asked)
    profiles = stimulus_profiles(ratings, constructs) if len(ratings) else None
    return Context(data, sample, settings, ratings, constructs, profiles)


def run_tests(context: Context, progress: Progress) -> dict[str, Any]:
    """Every test that the export allows; the others stand in ``not_run`` with the reason."""
    tests: list[tuple[str, float, Callable[[Context, Progress], dict[str, Any]]]] = [
        ("classification", 0.6, classification),
        ("choices", 0.75, choices),
        ("natural", 0.85, natural),
        ("profiles", 0.95, profiles),
        ("reliability", 1.0, reliability),
    ]
    found: dict[str, Any] = {}
    not_run = []
    start = 0.0
    for name, stop, test in tests:
        progress.report(start, name)
        try:
            found[name] = test(context, Part(progress, start, stop))
        except NotApplicable as reason:
            found[name] = None
            not_run.append({"analysis": name, "reason": str(reason)})
        except InputError as error:
            found[name] = None
            not_run.append({"analysis": name, "reason": str(error)})
        start = stop
    return {**found, "not_run": not_run}


class NotApplicable(Exception):
    """The export does not hold what a test needs; the message says what."""


def rated(context: Context) -> Profiles:
    if not context.sample.participants:
        raise NotApplicable("no participant completed every trial")
    if context.profiles is None or not context.profiles.stimuli:
        raise NotApplicable("the export holds no ratings")
    return context.profiles


def count(context: Context, rows: pd.DataFrame, profiles: Profiles | None = None) -> dict[str, int]:
    """Units behind a result: participants, base scenes, stimuli."""
    units = {"participants": rows["participant_id"].nunique(), "scenes": rows["base_scene"].nunique()}
    if profiles is not None:
        units |= {"scenes": len(set(profiles.scenes)), "stimuli": len(profiles.stimuli)}
    return units


def classification(context: Context, progress: Progress) -> dict[str, Any]:
    whole = rated(context)
    pushed = [
        row
        for row, (target, direction) in enumerate(zip(whole.targets, whole.directions, strict=True))
        if target and direction == 1
    ]
    if not pushed:
        raise NotApplicable("no rated image was pushed up along an intended target")
    chosen = select(whole, pushed)
    both = classify_variants(
        chosen.values,
        chosen.targets,
        chosen.scenes,
        permutations=context.settings.permutations,
        generators={name: context.rng("classification", name) for name in VARIANTS},
        seed=context.settings.seed,
        progress=progress,
    )
    ratings = context.ratings[context.ratings["stimulus_id"].isin(chosen.stimuli)]
    return {
        "units": count(context, ratings, chosen),
        "unit": "stimulus (mean rating profile), base scenes held out",
        "constructs": list(chosen.constructs),
        "smallest_cell": chosen.ratings,
        "dropped": list(whole.dropped),
        "stimuli": list(chosen.stimuli),
        "intended": list(chosen.targets),
        **{method: with_histogram(result) for method, result in both.items()},
    }


def with_histogram(result: Classification) -> dict[str, Any]:
    """A classification with its null distribution as counts of distinct accuracies."""
    rounded, counts = np.unique(np.round(result.null, 9), return_counts=True)
    plain = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {**plain, "null": {"accuracy": rounded.tolist(), "count": counts.tolist()}}


def choices(context: Context, progress: Progress) -> dict[str, Any]:
    rows = context.sample.choices
    if not len(context.data.choices):
        raise NotApplicable("the export holds no choices")
    if not len(rows):
        raise NotApplicable("no participant completed every trial")
    if (rows["intended_target"] == "").any():
        raise NotApplicable("some pairs have no intended target")
    targets = sorted(set(rows["intended_target"]))
    settings = context.settings

    def test(target: str | None, purpose: str) -> ChoiceResult:
        return alignment(rows, rng=context.rng("choices", purpose), seed=settings.seed, target=target)

    overall = test(None, "overall")
    found, absent = [], {}
    for index, target in enumerate(targets):
        progress.report((index + 1) / (len(targets) + 1), f"choices of {target}")
        try:
            found.append(test(target, target))
        except InputError as error:
            absent[target] = str(error)
    adjusted = holm([result.p for result in found])
    return {
        "units": count(context, rows) | {"stimuli": 2 * int(rows["pair_id"].nunique())},
        "unit": "participants and base scenes, both random",
        "overall": overall,
        "targets": [
            {**dataclasses.asdict(result), "p_holm": p} for result, p in zip(found, adjusted, strict=True)
        ],
        "absent": absent,
    }


def natural(context: Context, progress: Progress) -> dict[str, Any]:
    stimuli = context.data.stimuli.set_index("stimulus_id")
    if (stimuli["intended_target"] != "").any():
        raise NotApplicable("the stimuli have intended targets; this test is for images that were not pushed")
    whole = rated(context)
    families = {"scores": context.data.score_columns, "norms": context.data.norm_columns}
    if not any(families.values()):
        raise NotApplicable("stimuli.csv holds neither predicted scores nor norms")
    found: dict[str, Any] = {}
    rows = stimuli.loc[list(whole.stimuli)]
    for family, columns in families.items():
        if not columns:
            found[family] = None
            continue
        found[family] = associations(
            whole.values,
            whole.constructs,
            {name: rows[name].to_numpy(dtype=np.float64) for name in columns},
            permutations=context.settings.permutations,
            rng=context.rng("natural", family),
            seed=context.settings.seed,
            progress=progress,
        )
    return {
        "units": count(context, context.ratings, whole),
        "unit": "stimulus (mean standardised rating)",
        **found,
    }


def profiles(context: Context, progress: Progress) -> dict[str, Any]:
    whole = rated(context)
    targets = sorted(set(whole.targets) - {""})
    if not targets:
        raise NotApplicable("no stimulus has an intended target")
    cells = [cell for cell in profile_cells(whole) if cell.target]
    fitted, absent = shifts(context.ratings, targets, context.constructs)
    return {
        "units": count(context, context.ratings, whole),
        "unit": "base scene (intervals), participants and base scenes random (shifts)",
        "cells": cells,
        "shifts": fitted,
        "absent": absent,
    }


def reliability(context: Context, progress: Progress) -> dict[str, Any]:
    whole = rated(context)
    halves = split_half(
        context.ratings, context.constructs, rng=context.rng("reliability"), seed=context.settings.seed
    )
    again = repeats(context.ratings, context.constructs)
    if not halves and not again:
        raise NotApplicable("fewer than four participants and fewer than ten repeated ratings")
    return {"units": count(context, context.ratings, whole), "split_half": halves, "repeats": again}
