"""What the report says of images that were made for regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.group.figures import figure_name
from almond.report.document import Section, Table
from almond.report.wording import p_cell, p_text, percent

Data = Mapping[str, Any]
JUDGES = {"others": "other subjects’ weights", "own": "the subject’s own weights (as published, circular)"}


def image_answer(result: Data) -> str | None:
    """Whether targets are told by encoders that did not make the images."""
    found = ((result.get("stimuli") or {}).get("classification") or {}).get("others")
    if not found or found["null"] is None:
        return None
    null = found["null"]
    words = "tell" if null["p"] < 0.05 else "do not tell"
    numbers = f"{percent(found['accuracy'])} against {percent(null['accuracy'])} under permuted targets"
    start = f"Other subjects’ encoders {words} for which region an image was made"
    return f"{start}: {numbers}, {p_text(null['p'])}."


def image_sections(stimuli: Data | None, suffix: str, data: Data, model: str) -> list[Section]:
    """Classification, on- and off-target, geometry."""
    if not stimuli:
        return []
    return [
        *_classification(stimuli, suffix, figure_name("confusion", model, data)),
        *_on_off(stimuli, suffix, figure_name("on_off", model, data)),
        *_geometry(stimuli, suffix, figure_name("picture", model, data)),
    ]


def _classification(stimuli: Data, suffix: str, figure: str) -> list[Section]:
    found = stimuli["classification"]
    if not found:
        return []
    rows = tuple(_classification_row(JUDGES[judge], one) for judge, one in found.items())
    merged = tuple(
        f"Judged by {JUDGES[judge]}: " + "; ".join(" + ".join(group) for group in one["clusters"])
        for judge, one in found.items()
        if one["clusters"]
    )
    first = next(iter(found.values()))
    return [
        Section(
            title=f"For which region was an image made?{suffix}",
            paragraphs=(
                f"{stimuli['images']} images. Partial least squares discriminant analysis of the predicted "
                "responses "
                f"({first['components']} components), each subject’s images held out in turn; the largest "
                "output "
                "wins. Then the largest number of clusters (Ward) of which each is told from its most "
                "confused rival "
                "(binomial, .05, uncorrected). Targets are permuted within subjects and the classification "
                "and "
                "the clustering repeated every time: that is the chance to hold the numbers against.",
            ),
            figures=((figure, "Confusions: rows made for, columns predicted."),),
            items=merged,
            tables=(
                Table(
                    (
                        "judged by",
                        "accuracy",
                        "chance",
                        "p",
                        "clusters",
                        "accuracy merged",
                        "chance merged",
                        "p merged",
                    ),
                    rows,
                ),
            ),
        )
    ]


def _classification_row(name: str, one: Data) -> tuple[str, ...]:
    null = one["null"] or {"accuracy": None, "merged_accuracy": None, "p": None, "p_merged": None}

    def share(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    def p(value: float | None) -> str:
        return "" if value is None else p_cell(value)

    number = "none" if one["number"] is None else str(one["number"])
    merged = None if one["number"] is None else null["merged_accuracy"]
    return (
        name,
        share(one["accuracy"]),
        share(null["accuracy"]),
        p(null["p"]),
        number,
        share(one["merged_accuracy"]),
        share(merged),
        p(null["p_merged"]),
    )


def _on_off(stimuli: Data, suffix: str, figure: str) -> list[Section]:
    found = stimuli["on_off"]
    rows = [_mixed_row(row) for row in found["mixed"] or ()]
    if found["joint"]:
        rows.append(_mixed_row(found["joint"]))
    stages = [
        row
        for name, words in (
            ("other_subjects", "two stages, other subjects"),
            ("published", "two stages, as published"),
        )
        for one in found[name] or ()
        if (row := _stage_row(one, words)) is not None
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
                "subjects, images and scenes, and only other subjects’ weights judge an image; the published "
                "two stages let a subject’s weights judge the images that they made.",
            ),
            figures=((figure, "Mixed model (filled) and the published two stages (hollow)."),),
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
        f"{estimate:+.3f}",
        f"{test['low']:+.3f} to {test['high']:+.3f}",
        f"{test['t']:.2f}",
        f"{test['df']:.0f}",
        p_cell(test["p"]),
    )


def _geometry(stimuli: Data, suffix: str, figure: str) -> list[Section]:
    found = stimuli["geometry"]
    if not found and not stimuli["picture"]:
        return []
    rows = tuple(
        (row["first"], row["second"], f"{row['rho']:+.3f}", p_cell(row["p"]))
        for row in (found or {"comparisons": ()})["comparisons"]
    )
    return [
        Section(
            title=f"What images have in common{suffix}",
            paragraphs=(
                "Dissimilarity between images (1 − r) in pixels, features, predicted responses, target "
                "region and "
                "subject; matrices compared by Spearman’s correlation over pairs of images, p by permuting "
                "images.",
            ),
            figures=(
                (figure, "t-SNE of the predicted responses, by target: a picture to look at, no evidence."),
            ),
            tables=(Table(("matrix", "against", "rho", "p"), rows, text=(0, 1)),) if rows else (),
        )
    ]
