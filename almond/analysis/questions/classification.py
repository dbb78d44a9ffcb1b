"""Do rating profiles identify the intended region?

Unit: participants and themes, both random, in the test that is confirmatory; whole themes held out in the
classification, whose permutation test holds the participants fixed and stands beside it. Classified with a
theme in training and test alike, accuracy lies above chance in every study.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

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
from almond.analysis.rating_profiles import select
from almond.analysis.trial_tables.rating_trials import RatingCube, rating_cube
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.progress import Progress
from almond.report.confusion import confusion_figure
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import MUTED, mark_observed, new_figure
from almond.report.wording import decimal, p_cell, p_text, percent
from almond.stats.accuracy import accuracy_interval, attainable_accuracy
from almond.stats.classification import (
    VARIANTS,
    Classification,
    classify_variants,
    held_out_accuracy,
)
from almond.stats.profile_difference import profile_difference

CLASSIFIERS = {
    "lda": "Shrinkage discriminant",
    "pls": "Partial least squares discriminant",
    "lda_within": "Shrinkage discriminant, profiles centred within scene",
}


def _raised(context: Context) -> RatingCube:
    """Arrange the ratings of the images that were manipulated towards a higher predicted response."""
    rated = context.rated_profiles()
    raised = [
        row
        for row, (target, direction) in enumerate(zip(rated.targets, rated.directions, strict=True))
        if target and direction == 1
    ]
    if not raised:
        raise NotApplicable(context.words.none_raised)
    return rating_cube(context.ratings, select(rated, raised))


def _retest(context: Context) -> EffectEstimate:
    cube = _raised(context)
    profiles = cube.profiles
    accuracy = held_out_accuracy(profiles.values, profiles.targets, profiles.themes)
    chance = 1 / len(set(profiles.targets))
    return EffectEstimate(accuracy, chance, profile_difference(cube.trials()).p)


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    cube = _raised(context)
    profiles = cube.profiles
    ratings = context.ratings[context.ratings["stimulus_id"].isin(profiles.stimuli)]
    results = classify_variants(
        profiles.values,
        profiles.targets,
        profiles.scenes,
        profiles.themes,
        permutations=context.settings.permutations,
        generators={name: context.rng("classification", name) for name in VARIANTS},
        seed=context.settings.seed,
        progress=progress,
    )
    groups, halves = (context.rng("classification", name) for name in ("people", "halves"))
    return {
        "units": count_units(ratings, profiles),
        "unit": "participants and themes, both random; themes held out in the classification",
        "constructs": profiles.constructs,
        "smallest_cell": profiles.ratings,
        "dropped": context.rated_profiles().dropped,
        "stimuli": profiles.stimuli,
        "intended": profiles.targets,
        "difference": profile_difference(cube.trials()),
        "interval": accuracy_interval(cube.values, profiles.targets, profiles.themes, rng=groups),
        "attainable": attainable_accuracy(cube.values, profiles.scenes, rng=halves),
        **{method: _with_histogram(result) for method, result in results.items()},
    }


def _with_histogram(result: Classification) -> dict[str, Any]:
    """Count distinct accuracies of the null distribution instead of listing it."""
    accuracies, counts = np.unique(np.round(result.null, 9), return_counts=True)
    plain = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {**plain, "null": {"accuracy": accuracies, "count": counts}}


def f_text(difference: Result) -> str:
    """Write ``F(11.2, 212.4) = 5.21, p = .013``."""
    degrees = f"{difference['df1']:.1f}, {difference['df2']:.1f}"
    value = "not defined" if difference["f"] is None else f"{difference['f']:.2f}"
    return f"F({degrees}) = {value}, {p_text(difference['p'])}"


def _headline(words: Vocabulary, result: Result, alpha: float) -> str:
    lda, interval, difference = result["lda"], result["interval"], result["difference"]
    start = words.identified[1] if difference["p"] <= alpha else words.identified[2]
    return (
        f"{start} ({f_text(difference)}); from the ratings of {words.one} its {words.accuracy_of} was "
        f"identified with an accuracy of {lda['accuracy']:.2f} (95 % CI {interval['low']:.2f} to "
        f"{interval['high']:.2f}; chance "
        f"{lda['chance']:.2f})."
    )


def _key_number(result: Result) -> KeyNumber:
    lda, interval = result["lda"], result["interval"]
    note = f"95 % interval {interval['low']:.2f} to {interval['high']:.2f}, chance {lda['chance']:.2f}"
    return KeyNumber("accuracy", f"{lda['accuracy']:.2f}", note)


def _section(words: Vocabulary, title: str, result: Result) -> Section:
    lda = result["lda"]
    low, _, high = lda["null_quantiles"]
    dropped = f" Left out for missing ratings: {', '.join(result['dropped'])}." if result["dropped"] else ""
    return Section(
        title=title,
        paragraphs=(
            f"{_difference_text(words, result['difference'])} {words.images.capitalize()} were classified by "
            f"{words.label} from their mean ratings alone; all {words.images} of a theme were held "
            "out in turn. "
            f"{units_text(result['units'], words)}; at least {result['smallest_cell']} ratings behind every "
            f"mean.{dropped}",
            *_attainable_text(words, result),
        ),
        figures=(
            Picture(
                "confusion",
                f"Share of the {words.images} of each {words.label} (row) by predicted {words.group}, counts "
                "below.",
                small=True,
            ),
            Picture(
                "null",
                f"The observed accuracy against {lda['permutations']} permutations; 95 % of those lie "
                f"between {low:.2f} and {high:.2f}, their mean is {lda['null_mean']:.3f}. "
                f"Dashed: 1 / number of {words.groups}.",
            ),
        ),
        tables=_tables(words, result),
        notes=(
            f"B = {lda['permutations']} permutations of the {words.groups}’ names within themes, seed "
            f"{lda['seed']}. The permutation tests hold the participants fixed: their p is about these "
            "people, not about people in general.",
        ),
    )


def _difference_text(words: Vocabulary, difference: Result) -> str:
    limited = " (the least p that so few themes allow)" if difference["limited"] else ""
    return (
        f"Difference between the {words.groups}’ rating profiles, participants and themes random: "
        f"{f_text(difference)}{limited}. Participants alone account for "
        f"{percent(difference['share_people'])} of the error variance, themes alone for "
        f"{percent(difference['share_themes'])}."
    )


def _attainable_text(words: Vocabulary, result: Result) -> tuple[str, ...]:
    attainable = result["attainable"]
    if attainable is None:
        return ()
    return (
        "Attainable: from the mean ratings of one random half of the participants, the other half’s ratings "
        f"of {words.one} were recognised among those of its scene in "
        f"{percent(attainable['accuracy'])} of cases "
        f"(central 95 % of {attainable['splits']} splits {percent(attainable['low'])} to "
        f"{percent(attainable['high'])}, chance {percent(attainable['chance'])}).",
    )


def _tables(words: Vocabulary, result: Result) -> tuple[Table, ...]:
    methods = tuple(
        (
            words,
            *(decimal(result[method][name]) for name in ("accuracy", "chance", "null_mean")),
            p_cell(result[method]["p"]),
        )
        for method, words in CLASSIFIERS.items()
    )
    pairs = tuple(
        (
            f"{row['first']} against {row['second']}",
            *(decimal(row[name], 2) for name in ("accuracy", "chance")),
            *(p_cell(row[name]) for name in ("p", "p_max", "p_holm")),
        )
        for row in result["lda"]["pairs"]
    )
    pair_head = ("pair", "accuracy", "permuted", "p", "p family-wise", "p Holm")
    themes = tuple((name, decimal(share, 2)) for name, share in result["lda"]["theme_accuracy"].items())
    return (
        Table(("classifier", "accuracy", "1/k", "permuted", "p, people fixed"), methods, wrapped=(0,)),
        Table(pair_head, pairs, folded=f"Every pair of {words.groups}"),
        Table(("theme", "accuracy"), themes, folded="Accuracy by theme", wrapped=(0,)),
    )


def _figures(words: Vocabulary, result: Result) -> dict[str, Figure]:
    lda = result["lda"]
    labels = {"row_label": words.row, "column_label": "predicted from ratings"}
    return {
        "confusion": confusion_figure(lda["confusion"], lda["classes"], **labels),
        "null": _null_figure(words, lda),
    }


def _null_figure(words: Vocabulary, lda: Result) -> Figure:
    """Draw balanced accuracy over permutations, and the observed one."""
    values = np.asarray(lda["null"]["accuracy"], dtype=float)
    counts = np.asarray(lda["null"]["count"], dtype=float)
    figure = new_figure(1.9)
    axes = figure.add_subplot()
    step = float(np.diff(values).min()) if len(values) > 1 else 0.02
    width = max(step, 0.012)
    edges = np.arange(values.min() - width / 2, values.max() + width, width)
    heights, _ = np.histogram(values, bins=edges, weights=counts)
    axes.bar(edges[:-1] + width / 2, heights, width=width * 0.86, color=MUTED, alpha=0.45, linewidth=0)
    top = max(float(heights.max()), 1.0)
    mark_observed(axes, lda["accuracy"], top, f"observed {lda['accuracy']:.2f}")
    axes.plot([lda["chance"]] * 2, [0, top], color=MUTED, linewidth=1.0, linestyle=(0, (3, 3)))
    low, high = min(values.min(), lda["accuracy"]), max(values.max(), lda["accuracy"])
    margin = 0.12 * (high - low) + 0.02
    axes.set_xlim(low - margin, high + margin)
    axes.set_xlabel(f"balanced accuracy with {words.groups} permuted within themes")
    return figure


def _methods(words: Vocabulary, settings: Result) -> str:
    return (
        f"Classification: {words.compared} "
        f"Difference between {words.groups}: sum of squares between the {words.groups}’ standardised rating "
        "profiles, "
        "within scenes and participants, over the trace of its two-way clustered covariance (participants "
        "and themes random; Cameron, Gelbach & Miller, 2011), with F by Box’s approximation. Accuracy: "
        "shrinkage linear discriminant analysis (shrinkage 0.2) of images’ mean profiles; beside it "
        "partial least squares discriminant analysis, and the first on profiles centred within scene; "
        "each theme held out in turn, scaling learned on the others; balanced accuracy, its interval with "
        "what is right clustered by theme and a tenth of the participants left out in turn. In the "
        f"permutation tests the {words.groups} change names within themes, as wholes, participants "
        "fixed, and the "
        f"whole cross-validation is repeated (B = {settings['permutations']} permutations, seed "
        f"{settings['seed']}), p = (1 + b) / (1 + B). Pairs of {words.groups}: accuracy from the same "
        "scores, "
        "family-wise p from the largest pair in every permutation, Holm’s beside it. Chance is re-derived "
        "as the mean over permutations."
    )


def _estimate(result: Result, aim: Aim) -> EffectEstimate | None:
    """Return the accuracy with its interval, beside the p of the difference; no target has one of its own."""
    if not aim.is_whole:
        return None
    lda, interval = result["lda"], result["interval"]
    p = float(result["difference"]["p"])
    return EffectEstimate(lda["accuracy"], lda["chance"], p, interval["low"], interval["high"])


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="classification",
        title=words.identified[0],
        order=10,
        work=0.6,
        run=_run,
        confirm=lambda context: profile_difference(_raised(context).trials()).p,
        section=partial(_section, words),
        methods=partial(_methods, words),
        figures=partial(_figures, words),
        p=lambda result: float(result["difference"]["p"]),
        estimate=_estimate,
        headline=partial(_headline, words),
        key_number=_key_number,
        retest=_retest,
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
