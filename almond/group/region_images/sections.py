"""The sections of a report about images that were made for regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.group.figures import figure_name
from almond.report.document import Picture, Section, Table
from almond.report.wording import decimal, p_cell, p_text, percent, signed, span

Data = Mapping[str, Any]
DECODERS = {"others": "other subjects’ weights", "own": "the subject’s own weights (as published, circular)"}


def image_answer(result: Data) -> str | None:
    """Say whether encoders that did not make the images classify them by target."""
    test = ((result.get("stimuli") or {}).get("classification") or {}).get("others")
    if not test or test["null"] is None:
        return None
    null = test["null"]
    words = "identified" if null["p"] < 0.05 else "did not identify"
    numbers = f"{percent(test['accuracy'])} against {percent(null['accuracy'])} under permuted targets"
    start = f"Classification by other subjects’ encoders {words} the region for which an image was made"
    return f"{start}: {numbers}, {p_text(null['p'])}."


def image_sections(stimuli: Data | None, suffix: str, data: Data, model: str) -> list[Section]:
    """Write the sections on classification, on- and off-target responses, and similarity."""
    if not stimuli:
        return []
    return [
        *_classification(stimuli, suffix, figure_name("confusion", model, data)),
        *_on_off(stimuli, suffix, figure_name("on_off", model, data)),
        *_geometry(stimuli, suffix, figure_name("picture", model, data)),
    ]


def _classification(stimuli: Data, suffix: str, figure: str) -> list[Section]:
    tests = stimuli["classification"]
    if not tests:
        return []
    rows = tuple(_classification_row(DECODERS[weights], test) for weights, test in tests.items())
    merged = tuple(
        f"With {DECODERS[weights]}: " + "; ".join(" + ".join(group) for group in test["clusters"])
        for weights, test in tests.items()
        if test["clusters"]
    )
    first = next(iter(tests.values()))
    head = ("weights", "accuracy", "chance", "p", "clusters", "accuracy merged", "chance merged", "p merged")
    return [
        Section(
            title=f"For which region was an image made?{suffix}",
            paragraphs=(
                f"{stimuli['images']} images. Partial least squares discriminant analysis of the predicted "
                f"responses ({first['components']} components), each subject’s images held out in turn; the "
                "largest output wins. Then the largest number of clusters (Ward) of which each is "
                "distinguished from its most confused rival (binomial, .05, uncorrected). Targets are "
                "permuted within subjects, and the classification and the clustering repeated every time: "
                "this gives chance.",
            ),
            figures=(
                Picture(figure, "Confusions: rows made for, columns predicted.", figure == "confusion"),
            ),
            items=merged,
            tables=(Table(head, rows),),
        )
    ]


NOT_PERMUTED = {"accuracy": None, "merged_accuracy": None, "p": None, "p_merged": None}


def _classification_row(name: str, test: Data) -> tuple[str, ...]:
    null = test["null"] or NOT_PERMUTED
    number = "none" if test["number"] is None else str(test["number"])
    merged = None if test["number"] is None else null["merged_accuracy"]
    return (
        name,
        decimal(test["accuracy"]),
        decimal(null["accuracy"]),
        p_cell(null["p"], absent=""),
        number,
        decimal(test["merged_accuracy"]),
        decimal(merged),
        p_cell(null["p_merged"], absent=""),
    )


def _on_off(stimuli: Data, suffix: str, figure: str) -> list[Section]:
    tests = stimuli["on_off"]
    rows = [_mixed_row(row) for row in tests["mixed"] or ()]
    if tests["joint"]:
        rows.append(_mixed_row(tests["joint"]))
    stages = [
        row
        for name, words in (
            ("other_subjects", "two stages, other subjects"),
            ("published", "two stages, as published"),
        )
        for test in tests[name] or ()
        if (row := _stage_row(test, words)) is not None
    ]
    if not rows and not stages:
        return []
    return [
        Section(
            title=f"On- against off-target{suffix}",
            paragraphs=(
                "Half the difference between the predicted response to images made for a region and to those "
                "made for others, in standard deviations over images, with low-level features held constant "
                f"({', '.join(stimuli['nuisance']) or 'none given'}). The mixed model has random encoder "
                "subjects, images and scenes, and an image’s responses are predicted by other subjects’ "
                "weights only; in the published two stages a subject’s weights predict the responses to the "
                "images that they made.",
            ),
            figures=(Picture(figure, "Mixed model (filled) and the published two stages (hollow)."),),
            tables=(
                Table(("region", "test", "estimate", "95 %", "t", "df", "p"), (*rows, *stages), text=(0, 1)),
            ),
        )
    ]


def _mixed_row(row: Data) -> tuple[str, ...]:
    test = row["test"]
    return (row["region"], "mixed model", *_cells(test["estimate"], test))


def _stage_row(row: Data, words: str) -> tuple[str, ...] | None:
    test = row["test"]
    return None if test is None else (row["region"], words, *_cells(test["mean"], test))


def _cells(estimate: float, test: Data) -> Sequence[str]:
    return (
        signed(estimate, 3),
        span(test["low"], test["high"], 3),
        decimal(test["t"], 2),
        decimal(test["df"], 0),
        p_cell(test["p"]),
    )


def _geometry(stimuli: Data, suffix: str, figure: str) -> list[Section]:
    geometry = stimuli["geometry"]
    if not geometry and not stimuli["picture"]:
        return []
    rows = tuple(
        (row["first"], row["second"], signed(row["rho"], 3), p_cell(row["p"]))
        for row in (geometry or {"comparisons": ()})["comparisons"]
    )
    return [
        Section(
            title=f"What images have in common{suffix}",
            paragraphs=(
                "Dissimilarity between images (1 − r) in pixels, features, predicted responses, target "
                "region and subject; matrices compared by Spearman’s correlation over pairs of images, p by "
                "permuting images.",
            ),
            figures=(
                Picture(
                    figure, "t-SNE of the predicted responses, by target: a picture to look at, no evidence."
                ),
            ),
            tables=(Table(("matrix", "against", "rho", "p"), rows, text=(0, 1)),) if rows else (),
        )
    ]
