"""Do the targets' rating profiles differ beyond what low-level features of the images explain?

Unit: participants and themes, both random. The features stand in the same regression as the targets, whose
covariance is by jackknife over participants and over themes, features included. Ratings from which the
features were taken out beforehand would be tested with degrees of freedom that the features have used up.
The difference of two accuracies, and its permutation p, are descriptions: participants are fixed there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.analysis.lowlevel.features import feature_table, within_scenes
from almond.analysis.lowlevel.ratings import identify_targets, partition_profiles
from almond.analysis.questions.base import (
    Aim,
    Context,
    EffectEstimate,
    NotApplicable,
    Question,
    Result,
    count_units,
    units_text,
)
from almond.analysis.questions.classification import f_text
from almond.analysis.rating_profiles import Profiles, select
from almond.analysis.trial_tables.rating_trials import rating_cube
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import Picture, Section, Table
from almond.report.figures_style import ACCENT, SECOND, dot_with_interval, new_forest
from almond.report.wording import decimal, p_cell, p_text, percent, span
from almond.stats.clustered.components import UNITS_PER_COMPONENT

MIN_THEMES = 4
ROWS = (
    ("targets", "{groups} alone"),
    ("targets_beside", "{groups}, features as covariates"),
    ("features", "features alone"),
    ("features_beside", "features, {groups} as covariates"),
)
SOURCES = (
    ("ratings", "ratings"),
    ("adjusted", "ratings less the features’ part"),
    ("features", "low-level features"),
)


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    features = feature_table(context.data.stimuli)
    rated = context.rated_profiles()
    profiles, missing = _raised_with_features(context.words, rated, set(features.index))
    themes = len(set(profiles.themes))
    if themes < MIN_THEMES:
        raise InputError("low-level features", f"images of {themes} themes", f"at least {MIN_THEMES}")
    ratings = context.ratings[context.ratings["stimulus_id"].isin(profiles.stimuli)]
    cube = rating_cube(ratings, profiles)
    covariates = within_scenes(features.loc[list(profiles.stimuli)], profiles.scenes, themes)
    purposes = ("permutations", "people")
    pairs = [(context.rng("lowlevel", name), context.rng("lowlevel", name)) for name in purposes]
    partition = partition_profiles(cube, covariates.components)
    return {
        "units": count_units(ratings, profiles),
        "unit": "participants and themes, both random",
        "constructs": profiles.constructs,
        "features": covariates.names,
        "components": covariates.components.shape[1],
        "explained": covariates.explained,
        "without_features": missing,
        "tests": partition,
        "accuracy": identify_targets(
            cube,
            covariates,
            permutations=context.settings.permutations,
            stream=pairs[0],
            groups=pairs[1],
            progress=progress,
        ),
        "permutations": context.settings.permutations,
    }


def _raised_with_features(words: Vocabulary, rated: Profiles, known: set[Any]) -> tuple[Profiles, list[str]]:
    """Select the images that were manipulated upwards and have features; list those without features."""
    raised = [
        row
        for row, (target, direction) in enumerate(zip(rated.targets, rated.directions, strict=True))
        if target and direction == 1
    ]
    if not raised:
        raise NotApplicable(words.none_raised)
    complete = [row for row in raised if rated.stimuli[row] in known]
    if not complete:
        raise NotApplicable(words.none_measured)
    return select(rated, complete), sorted({rated.stimuli[row] for row in raised} - known)


def _headline(words: Vocabulary, result: Result, alpha: float) -> str:
    test, accuracy = result["tests"]["targets_beside"], result["accuracy"]
    end = "beyond the images’ low-level features"
    start = (
        f"The {words.groups}’ rating profiles differed {end}"
        if test["p"] <= alpha
        else f"The {words.groups}’ rating profiles were not shown to differ {end}"
    )
    return (
        f"{start} ({f_text(test)}); the {words.group} of {words.one} was identified with an accuracy of "
        f"{accuracy['ratings']['accuracy']:.2f} from its ratings, {accuracy['adjusted']['accuracy']:.2f} "
        f"from its ratings less what the features predict, and {accuracy['features']['accuracy']:.2f} from "
        f"the features alone (chance {accuracy['chance']:.2f})."
    )


def _section(words: Vocabulary, title: str, result: Result) -> Section:
    accuracy, tests = result["accuracy"], result["tests"]
    return Section(
        title=title,
        paragraphs=(
            f"{units_text(result['units'], words)}, {len(result['features'])} features "
            f"({_listed(result)}) within "
            f"scenes, of which {_components_text(result)} stand as covariates. "
            f"Difference between the {words.groups}’ rating profiles with these covariates: "
            f"{f_text(tests['targets_beside'])}; {percent(tests['retained'])} of the sum of squares "
            f"between {words.groups} remain.",
            f"{words.check}: the features alone tell the {words.group} of {words.one} with an accuracy of "
            f"{accuracy['features']['accuracy']:.2f} ({p_text(accuracy['features']['p'])}, "
            f"{words.groups} permuted "
            f"within themes; chance {accuracy['chance']:.2f}). {words.direct}",
        ),
        figures=(
            Picture(
                "lowlevel",
                f"Balanced accuracy with which the {words.group} of {words.one} is identified, each "
                "theme held out in "
                "turn, with 95 % intervals. Dashed: chance.",
            ),
        ),
        items=(f"Without features: {', '.join(result['without_features'])}.",)
        if result["without_features"]
        else (),
        tables=(_test_table(words, tests), _accuracy_table(words, accuracy)),
        notes=(
            f"Ratings less features, accuracies: {_signed_difference(accuracy)}, by "
            f"{result['permutations']} permutations of both, participants fixed: a description, not a test.",
            *_limited_note(tests),
        ),
    )


def _listed(result: Result) -> str:
    return ", ".join(name.replace("_", " ") for name in result["features"])


def _components_text(result: Result) -> str:
    count = result["components"]
    noun = "the first principal component" if count == 1 else f"the first {count} principal components"
    return f"{noun} ({percent(result['explained'])} of the variance)"


def _signed_difference(accuracy: Result) -> str:
    return f"{accuracy['difference']:+.2f} ({p_text(accuracy['difference_p'])})"


def _limited_note(tests: Result) -> tuple[str, ...]:
    limited = any(tests[name]["limited"] for name, _ in ROWS)
    return ("‡ The least p that the number of themes and participants allows.",) if limited else ()


def _test_table(words: Vocabulary, tests: Result) -> Table:
    rows = tuple(
        (
            said.format(groups=words.groups),
            decimal(tests[name]["f"], 2, absent="not defined"),
            f"{tests[name]['df1']:.1f}, {tests[name]['df2']:.1f}",
            p_cell(tests[name]["p"]) + (" ‡" if tests[name]["limited"] else ""),
        )
        for name, said in ROWS
    )
    return Table(("what explains ratings", "F", "df", "p"), rows, wrapped=(0,))


def _accuracy_table(words: Vocabulary, accuracy: Result) -> Table:
    rows = tuple(
        (
            said,
            decimal(accuracy[name]["accuracy"]),
            span(accuracy[name]["low"], accuracy[name]["high"], sign=""),
            p_cell(accuracy[name]["p"], absent=""),
        )
        for name, said in SOURCES
    )
    return Table(
        (f"{words.group} identified from", "accuracy", "95 %", "p, people fixed"), rows, wrapped=(0,)
    )


def _figures(result: Result) -> dict[str, Figure]:
    """Draw the accuracies of ratings, adjusted ratings (filled) and features (hollow)."""
    accuracy = result["accuracy"]
    labels = ["ratings", "ratings less features", "features"]
    figure, axes = new_forest(labels, 0.34, reference=accuracy["chance"])
    for y, (name, _) in enumerate(SOURCES):
        row, hollow = accuracy[name], name == "features"
        color = SECOND if hollow else ACCENT
        dot_with_interval(axes, y, row["accuracy"], row["low"], row["high"], color=color, hollow=hollow)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks(np.linspace(0.0, 1.0, 6))
    axes.set_xlabel("balanced accuracy")
    return {"lowlevel": figure}


def _methods(words: Vocabulary, settings: Result) -> str:
    return (
        "Low-level features: medians of the colour channels, luminance, contrast, spectral power below 6 and "
        "above 24 cycles per image, edge energy, each centred within scene and scaled. Their first principal "
        f"components, one for every {UNITS_PER_COMPONENT} themes (a number that no rating decides), are "
        f"covariates of the regression of ratings on {words.groups}, within scenes and participants; "
        "the sum of "
        f"squares between {words.groups} beside them is tested over the trace of its two-way "
        "clustered covariance, "
        "participants and themes random, both by jackknife (MacKinnon, Nielsen & Webb, 2023), with F by "
        "Box’s approximation. Accuracies: shrinkage linear discriminant analysis, each theme held out in "
        "turn, scaling, components and the regression of ratings on them learned on the other themes; "
        f"permutations of {words.groups} within themes (B = {settings['permutations']}, seed "
        f"{settings['seed']}) "
        f"hold the participants fixed. {words.direct}"
    )


def _estimate(result: Result, aim: Aim) -> EffectEstimate | None:
    """Return the accuracy of adjusted ratings, beside the p of the difference; none of a single target."""
    if not aim.is_whole:
        return None
    accuracy = result["accuracy"]
    row, p = accuracy["adjusted"], float(result["tests"]["targets_beside"]["p"])
    return EffectEstimate(row["accuracy"], accuracy["chance"], p, row["low"], row["high"])


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="lowlevel",
        title="Do rating profiles differ beyond low-level features of the images?",
        order=15,
        work=0.2,
        run=_run,
        section=partial(_section, words),
        methods=partial(_methods, words),
        figures=_figures,
        p=lambda result: float(result["tests"]["targets_beside"]["p"]),
        estimate=_estimate,
        headline=partial(_headline, words),
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
