"""The report of the validation on normed images, from the JSON values of the analyses."""

from __future__ import annotations

from almond.encoding.config.section import STORED_DEFAULT
from almond.norms.sections_effects import (
    FOREST,
    Data,
    control_section,
    parts_section,
    regression_section,
    subregion_section,
    voxel_section,
)
from almond.report.document import Document, KeyNumber, Picture, Section, Table
from almond.report.remarks import remarks_section
from almond.report.wording import decimal, p_cell, p_text, signed, t_cell

TITLE = "Predicted responses to images with norms"
MODE = "The norms were known before the encoders were validated on them: nothing here is confirmatory."
SIGNIFICANT = 0.05

TRUST = (
    "The test with images random is the one that holds for images in general. The test over subjects "
    "holds these very images fixed: every subject’s encoder sees the same features of the same images, so "
    "what is odd about an image is odd for all of them, and the test is significant far too often when "
    "other images could have been selected. It is shown because published analyses report it."
)


def validation_document(data: Data) -> Document:
    """Write the report of a validation; it names every figure that there could be."""
    makers = (_decile_section, regression_section, parts_section, control_section, subregion_section)
    effects = [maker(data) for maker in (*makers, voxel_section)]
    return Document(
        title=TITLE,
        mode="exploratory",
        mode_text=MODE,
        answers=tuple(validation_answers(data)),
        lead=_lead(data),
        key_numbers=_key_numbers(data),
        sections=(
            _correlation_section(data),
            *(section for section in effects if section is not None),
            _methods(data),
            *remarks_section(data.get("remarks", ())),
            _provenance(data),
        ),
    )


def validation_answers(data: Data) -> list[str]:
    """Answer for the main region: valence, then arousal."""
    return [_answer(row) for row in data["correlations"] if row["region"] == data["regions"][0]]


def _answer(row: Data) -> str:
    p = row["p_images"] if row["p_images"] is not None else row["crossed"]["p"]
    sign = "positively" if row["r"] > 0 else "negatively"
    if p is None or p > SIGNIFICANT:
        relation = f"did not correlate with {row['rating']} beyond what the selection of images explains"
    else:
        relation = f"correlated {sign} with {row['rating']}"
    tested = "" if p is None else f", {p_text(p)} with images random"
    return f"Predicted responses of {row['region']} {relation}: mean r = {signed(row['r'])}{tested}."


def _lead(data: Data) -> str:
    sets = " and ".join(f"{facts['images']} images of {name}" for name, facts in data["sets"].items())
    return (
        f"Encoders ({data['model']}) of {len(data['regions'])} regions in {len(data['subjects'])} subjects "
        f"predicted {sets}."
    )


def _key_numbers(data: Data) -> tuple[KeyNumber, ...]:
    region = data["regions"][0]
    correlations = [
        KeyNumber(
            f"{region}, {row['rating']}",
            signed(row["r"]),
            f"r; by the other subjects {signed(row['r_others'])}",
        )
        for row in data["correlations"]
        if row["region"] == region
    ]
    images = sum(facts["images"] for facts in data["sets"].values())
    return (
        *correlations,
        KeyNumber("images", str(images), ", ".join(data["sets"])),
        KeyNumber("subjects", str(len(data["subjects"])), f"{len(data['regions'])} regions each"),
    )


def _correlation_section(data: Data) -> Section:
    rows = tuple(
        (
            row["region"],
            row["rating"],
            signed(row["r"], 3),
            signed(row["r_others"], 3),
            p_cell(row["crossed"]["p"]),
            p_cell(row["p_images"]),
            t_cell(row["fisher_z"]["t"], row["fisher_z"]["df"]),
            p_cell(row["fisher_z"]["p"]),
        )
        for row in data["correlations"]
    )
    head = ("region", "rating", "r", "r by others", "p crossed", "p images", "t subjects", "p subjects")
    return Section(
        title="Do predicted responses correlate with the ratings?",
        paragraphs=(TRUST,),
        figures=(Picture("correlations", f"Correlation of predictions with each rating. {FOREST}"),),
        tables=(Table(head, rows, text=(0, 1)),),
        notes=(
            "r: mean over subjects and image sets (Fisher z). “By others”: predictions by the mean weights "
            "of all other subjects. p crossed: subjects and images random; p images: images permuted; p "
            "subjects: t of Fisher z over subjects.",
        ),
    )


def _decile_section(data: Data) -> Section | None:
    if not data["deciles"]:
        return None
    rows = tuple(
        (
            row["region"],
            row["rating"],
            row["set"],
            p_cell(row["contrast"]["p_images"]),
            p_cell(row["friedman"]["p_images"]),
            t_cell(row["contrast"]["t"], row["contrast"]["df"]),
            p_cell(row["contrast"]["p"]),
            decimal(row["friedman"]["statistic"], 1),
            p_cell(row["friedman"]["p"]),
        )
        for row in data["deciles"]
    )
    head = (
        "region",
        "rating",
        "set",
        "trend †",
        "Friedman †",
        "trend t",
        "p subj.",
        "χ²",
        "p subj.",
    )
    strict = data["settings"]["decile_edges"] == "paper"
    edges = (
        "Edges as published: images on an edge, the lowest and the highest belong to no decile, and the "
        "trend’s weights skip zero."
        if strict
        else "Every image belongs to one decile; the trend’s weights are equally spaced."
    )
    return Section(
        title="How do predictions change over the deciles of a rating?",
        figures=(
            Picture(
                "deciles",
                "Mean prediction of each decile, with the 95 % interval over subjects. A line per image set.",
            ),
        ),
        tables=(Table(head, rows, text=(0, 1, 2), folded="Tests over the deciles"),),
        notes=(
            f"{edges} † p with images permuted, which hold for images in general; after them the linear "
            "trend’s t and Friedman’s χ² with subjects as blocks.",
        ),
    )


def _methods(data: Data) -> Section:
    used = data["settings"]
    low = {
        "paper": "Low-level features as published: medians of histogram counts, power of the blue channel "
        "alone.",
        STORED_DEFAULT: "Low-level features: median intensity of each channel, log power of luminance below "
        "6 and above 24 cycles per image.",
        "none": "No low-level features.",
    }[used["low_level"]]
    return Section(
        title="Methods, and what did not run",
        paragraphs=(
            "A prediction is the image’s features times a region’s mean weights, without intercept. "
            "Crossed tests give the estimate a standard error with subjects and images random (the "
            "balanced mixed model in closed form, Satterthwaite’s degrees of freedom). Permutations "
            "shuffle which image has which rating.",
            low,
        ),
        items=tuple(
            f"{row['analysis'].capitalize()} did not run: {row['reason']}." for row in data["not_run"]
        ),
        notes=(f"{used['permutations']} permutations, seed {used['seed']}.",),
    )


def _themes_in_words(images: Data) -> str:
    if "themes" in images:
        return f"{images['themes']} themes from column {images['theme_column']}"
    return "no column of themes: every image counts as a theme of its own"


def _provenance(data: Data) -> Section:
    facts = [
        (
            name,
            f"{images['images']} images; norms {images['norms']} "
            f"(SHA-256 {images['norms_digest'][:16]}…), columns "
            + ", ".join(images["columns"].values())
            + f"; {images['rows_without_image']} rows without an image; {_themes_in_words(images)}",
        )
        for name, images in data["sets"].items()
    ]
    space = data["provenance"]["feature_space"]
    facts += [
        ("feature space", f"{space['name']}, {space['dimension']} features, digest {space['digest']}"),
        ("model", data["model"]),
        ("subjects", ", ".join(data["subjects"])),
        ("code", data["provenance"]["code"]),
    ]
    return Section(
        title="Provenance",
        paragraphs=(
            "Every prediction, rating and coefficient is in tables/; “python -m almond validate CONFIG” "
            "makes this again. Digests of all encoders are in result.json.",
        ),
        tables=(Table(("what", "value"), tuple(facts), text=(0, 1), wrapped=(1,)),),
    )
