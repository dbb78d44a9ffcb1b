"""The sections of the report on effects: coefficients, their differences, maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.report.document import Picture, Section, Table
from almond.report.wording import UNDEFINED, coefficient, coefficient_span, decimal, p_cell, signed, t_cell

Data = Mapping[str, Any]


def term_label(term: str) -> str:
    """Name a term of the regression as tables do."""
    return "interaction" if term == "valence:arousal" else term.replace("_", " ")


FOREST = "Filled: subjects and images random; hollow: subjects alone. 95 % intervals."


def _test_rows(rows: Sequence[Data], *keys: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            *(str(row[key]) for key in keys),
            term_label(row["name"]),
            coefficient(row["crossed"]["estimate"]),
            coefficient_span(row["crossed"]["low"], row["crossed"]["high"]),
            p_cell(row["crossed"]["p"]),
            p_cell(row["p_images"]),
            decimal(row["subjects"]["t"], 2, absent=UNDEFINED),
            p_cell(row["subjects"]["p"]),
        )
        for row in rows
        if row["name"] != "intercept"
    )


TEST_HEAD = ("term", "b", "95 % interval", "p crossed", "p images", "t subj.", "p subj.")


def regression_section(data: Data) -> Section | None:
    """Write the section on coefficients over all images."""
    rows = [row for row in data["regression"] if row["part"] == "all"]
    if not rows:
        return None
    ratings = [row for row in rows if row["name"] in ("valence", "arousal", "valence:arousal")]
    low = ", ".join(name.replace("_", " ") for name in data["low_level"])
    covariates = f", with {low} as covariates" if low else ""
    return Section(
        title="Valence, arousal and their interaction, controlling for low-level features",
        paragraphs=(
            f"Per subject and image set: prediction ~ valence + arousal + interaction{covariates}. "
            "Coefficients are averaged over image sets.",
        ),
        figures=(
            Picture("coefficients", f"Coefficients of the ratings. {FOREST}"),
            Picture(
                "surfaces",
                "What valence, arousal and their product predict, within the hull of the images (dots).",
            ),
        ),
        tables=(
            Table(("region", *TEST_HEAD), _test_rows(ratings, "region"), text=(0, 1)),
            Table(
                ("region", *TEST_HEAD),
                _test_rows(rows, "region"),
                text=(0, 1),
                folded="Every coefficient, with the low-level features",
            ),
        ),
        notes=(
            "Predictors are z-scored over the images of a set, predictions "
            + ("z-scored per subject and set." if data["settings"]["outcome"] == "z" else "in BOLD units.")
            + " Interval and p crossed: subjects and images random; p images: Freedman and Lane’s "
            f"permutation of images; t and p subj.: over subjects alone, {len(data['subjects']) - 1} degrees "
            "of freedom. Share of the squared standard error of the valence coefficient that comes from "
            "images: "
            + "; ".join(
                f"{row['region']} {100 * row['image_share']:.0f} %"
                for row in rows
                if row["name"] == "valence"
            )
            + ".",
        ),
    )


def parts_section(data: Data) -> Section | None:
    """Write the section on negative, neutral and positive images."""
    rows = [row for row in data["regression"] if row["part"] != "all"]
    if not rows:
        return None
    counts = "; ".join(
        f"{part}: " + " and ".join(f"{count} of {name}" for name, count in sets.items())
        for part, sets in data["parts"].items()
        if part != "all"
    )
    tested = [row for row in rows if row["name"] in ("valence", "valence:arousal")]
    neutral = data["settings"]["neutral"]
    return Section(
        title="The same on negative, neutral and positive images",
        paragraphs=(f"z valence below 0, within ±{neutral:g}, above 0. Images: {counts}.",),
        figures=(Picture("parts", f"Coefficient of valence within each part. {FOREST}"),),
        tables=(
            Table(
                ("region", "images", *TEST_HEAD),
                _test_rows(tested, "region", "part"),
                text=(0, 1, 2),
                folded="Coefficients in the parts",
            ),
        ),
    )


def control_section(data: Data) -> Section | None:
    """Write the section on differences from the control region."""
    if not data["control"]:
        return None
    control = data["settings"]["control"]
    ratings = [row for row in data["control"] if row["name"] in ("valence", "arousal", "valence:arousal")]
    head = ("region", *TEST_HEAD)
    return Section(
        title=f"Compared with {control}",
        paragraphs=(f"Coefficient of each region minus that of {control}, paired over subjects.",),
        tables=(
            Table(head, _test_rows(ratings, "region"), text=(0, 1)),
            Table(
                head,
                _test_rows(data["control"], "region"),
                text=(0, 1),
                folded="Every coefficient, with the low-level features",
            ),
        ),
    )


def subregion_section(data: Data) -> Section | None:
    """Write the section on differences between subregions."""
    if not data["subregions"]:
        return None
    anova = tuple(
        (
            term_label(row["term"]),
            _f_of(row["anova"]),
            p_cell(row["anova"]["p"]),
            decimal(row["anova"]["epsilon_gg"], 2),
            p_cell(row["anova"]["p_gg"]),
            decimal(row["anova"]["eta_squared"], 2),
        )
        for row in data["subregions"]
    )
    pairs = tuple(
        (
            term_label(row["term"]),
            f"{pair['first']} − {pair['second']}",
            coefficient(pair["test"]["estimate"]),
            p_cell(crossed["crossed"]["p"]),
            p_cell(crossed["p_holm"]),
            t_cell(pair["test"]["t"], pair["test"]["df"]),
            p_cell(pair["p_holm"]),
            p_cell(pair["p_tukey"]),
        )
        for row in data["subregions"]
        for pair, crossed in zip(row["pairs"], row["crossed_pairs"], strict=True)
    )
    head = (
        "term",
        "pair",
        "difference",
        "p crossed",
        "Holm",
        "t subj.",
        "Holm",
        "Tukey",
    )
    return Section(
        title="Do the subregions differ?",
        figures=(
            Picture("subregions", "Each subject’s coefficients, joined; large dots are means over subjects."),
        ),
        tables=(
            Table(("term", "F (df)", "p", "ε GG", "p GG", "partial η²"), anova),
            Table(head, pairs, text=(0, 1), folded="Every pair of subregions"),
        ),
        notes=(
            "Repeated-measures analysis of variance over subjects, with Greenhouse and Geisser’s ε; images "
            "are fixed in it. p crossed: the pair’s difference with subjects and images random; each p "
            "with Holm’s or Tukey’s correction follows the test that it corrects. A large p is no evidence "
            "that subregions are alike.",
        ),
    )


def _f_of(anova: Data) -> str:
    freedom = f"({anova['df']:.0f}, {anova['df_error']:.0f})"
    return UNDEFINED if anova["f"] is None else f"{anova['f']:.2f} {freedom}"


def voxel_section(data: Data) -> Section | None:
    """Write the section on maps."""
    if not data["voxelwise"]:
        return None
    rows = tuple(
        (
            row["region"],
            row["regressor"],
            str(row["voxels"]),
            signed(row["mean_r"], 3),
            "not drawn" if row["family_wise"] is None else str(row["family_wise"]),
            str(row["uncorrected"]),
            str(row["fdr"]),
            _peak(row["peak"]),
        )
        for row in data["voxelwise"]
    )
    alpha = data["settings"]["alpha"]
    head = (
        "region",
        "regressor",
        "voxels",
        "mean r",
        "images †",
        f"p < {f'{alpha:g}'.removeprefix('0')}",
        "q < .05",
        "largest t (mm)",
    )
    return Section(
        title="Maps over voxels",
        paragraphs=(
            "Each voxel’s prediction was correlated with z valence, z arousal and their product; Fisher z, "
            "averaged over image sets, was tested over subjects.",
        ),
        figures=(Picture("maps", "t over subjects in axial slices (z in mm) of the first region."),),
        tables=(Table(head, rows, text=(0, 1, 7), folded="Voxels that pass each threshold"),),
        notes=(
            "† Voxels with p < .05 family-wise over the region, images permuted: the count that holds for "
            "images in general. p (uncorrected) and q (false discoveries) are those of t over subjects. "
            "NIfTI files are in maps/: r, t, and t where a threshold is passed.",
        ),
    )


def _peak(peak: Data | None) -> str:
    if peak is None:
        return "none"
    where = peak["mm"] if peak["mm"] is not None else peak["voxel"]
    unit = "" if peak["mm"] is not None else "voxel "
    return f"{peak['t']:+.1f} at {unit}{', '.join(f'{value:.0f}' for value in where)}"
