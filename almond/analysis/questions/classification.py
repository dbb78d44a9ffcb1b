"""Do rating profiles identify the intended region?

Unit: the stimulus (its mean rating profile), base scenes held out. Classified image by image with a scene in
training and test alike, accuracy lies above chance in every study.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.analysis.questions.base import Context, NotApplicable, Question, Result, count_units, units_text
from almond.analysis.rating_profiles import select
from almond.progress import Progress
from almond.report.confusion import confusion_figure
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import MUTED, mark_observed, new_figure
from almond.report.wording import decimal, p_cell, p_text
from almond.stats.classification import VARIANTS, Classification, classify_variants

CLASSIFIERS = {
    "lda": "Shrinkage discriminant (primary)",
    "pls": "Partial least squares discriminant",
    "lda_within": "Shrinkage discriminant, profiles centred within scene",
}


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rated = context.rated_profiles()
    raised = [
        row
        for row, (target, direction) in enumerate(zip(rated.targets, rated.directions, strict=True))
        if target and direction == 1
    ]
    if not raised:
        raise NotApplicable("no rated image was manipulated towards a higher predicted response of a target")
    profiles = select(rated, raised)
    results = classify_variants(
        profiles.values,
        profiles.targets,
        profiles.scenes,
        permutations=context.settings.permutations,
        generators={name: context.rng("classification", name) for name in VARIANTS},
        seed=context.settings.seed,
        progress=progress,
    )
    ratings = context.ratings[context.ratings["stimulus_id"].isin(profiles.stimuli)]
    return {
        "units": count_units(ratings, profiles),
        "unit": "stimulus (mean rating profile), base scenes held out",
        "constructs": profiles.constructs,
        "smallest_cell": profiles.ratings,
        "dropped": rated.dropped,
        "stimuli": profiles.stimuli,
        "intended": profiles.targets,
        **{method: _with_histogram(result) for method, result in results.items()},
    }


def _with_histogram(result: Classification) -> dict[str, Any]:
    """Count distinct accuracies of the null distribution instead of listing it."""
    accuracies, counts = np.unique(np.round(result.null, 9), return_counts=True)
    plain = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {**plain, "null": {"accuracy": accuracies, "count": counts}}


def _headline(result: Result, alpha: float) -> str:
    lda = result["lda"]
    start = (
        "Classification of rating profiles identified the intended region"
        if lda["p"] <= alpha
        else "Classification of rating profiles did not identify the intended region beyond chance"
    )
    return f"{start}: accuracy {lda['accuracy']:.2f} (chance {lda['chance']:.2f}), {p_text(lda['p'])}."


def _key_number(result: Result) -> KeyNumber:
    lda = result["lda"]
    note = f"chance {lda['chance']:.2f}, permuted {lda['null_mean']:.3f}"
    return KeyNumber("accuracy", f"{lda['accuracy']:.2f}", note)


def _section(title: str, result: Result) -> Section:
    lda = result["lda"]
    low, _, high = lda["null_quantiles"]
    dropped = f" Left out for missing ratings: {', '.join(result['dropped'])}." if result["dropped"] else ""
    return Section(
        title=title,
        paragraphs=(
            "Images were classified by intended target from their mean ratings alone; all images of a base "
            f"scene were held out in turn. {units_text(result['units'])}; at least "
            f"{result['smallest_cell']} ratings behind every mean.{dropped}",
        ),
        figures=(
            Picture(
                "confusion",
                "Share of the images of each intended target (row) by predicted target, counts below.",
                small=True,
            ),
            Picture(
                "null",
                f"The observed accuracy against {lda['permutations']} permutations; 95 % of those lie "
                f"between {low:.2f} and {high:.2f}, their mean is {lda['null_mean']:.3f}. "
                "Dashed: 1 / number of targets.",
            ),
        ),
        tables=_tables(result),
        notes=(f"B = {lda['permutations']} permutations within base scenes, seed {lda['seed']}.",),
    )


def _tables(result: Result) -> tuple[Table, ...]:
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
    scenes = tuple((name, decimal(share, 2)) for name, share in result["lda"]["scene_accuracy"].items())
    return (
        Table(("classifier", "accuracy", "1/k", "permuted", "p"), methods, wrapped=(0,)),
        Table(pair_head, pairs, folded="Every pair of targets"),
        Table(("base scene", "accuracy"), scenes, folded="Accuracy by base scene"),
    )


def _figures(result: Result) -> dict[str, Figure]:
    lda = result["lda"]
    labels = {"row_label": "intended", "column_label": "predicted from ratings"}
    return {
        "confusion": confusion_figure(lda["confusion"], lda["classes"], **labels),
        "null": _null_figure(lda),
    }


def _null_figure(lda: Result) -> Figure:
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
    axes.set_xlabel("balanced accuracy with labels permuted within scenes")
    return figure


def _methods(settings: Result) -> str:
    return (
        "Classification: mean rating profiles of the images manipulated towards a higher predicted response; "
        "shrinkage linear discriminant analysis (shrinkage 0.2); beside it partial least squares "
        "discriminant analysis, and the first on profiles centred within base scene; each base scene held "
        "out in turn, scaling learned on the others; balanced accuracy. Labels are permuted "
        "within base scene and the whole cross-validation is repeated "
        f"(B = {settings['permutations']} permutations, seed {settings['seed']}), p = (1 + b) / (1 + B). "
        "Pairs of targets: accuracy from the same scores, "
        "family-wise p from the largest pair in every permutation, Holm's beside it. Chance is re-derived as "
        "the mean over permutations."
    )


QUESTION = Question(
    name="classification",
    title="Do rating profiles identify the intended region?",
    order=10,
    work=0.6,
    run=_run,
    section=_section,
    methods=_methods,
    figures=_figures,
    p=lambda result: float(result["lda"]["p"]),
    headline=_headline,
    key_number=_key_number,
)
