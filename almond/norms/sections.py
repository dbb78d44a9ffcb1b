"""What the report of the validation on normed images says, from the JSON values of the analyses."""

from __future__ import annotations

from collections.abc import Sequence

from almond.encoding.config.section import STORED_DEFAULT
from almond.norms.sections_effects import (
    FOREST,
    Data,
    against_control,
    between_subregions,
    drawn,
    in_parts,
    over_voxels,
    p_of,
    regressed,
    t_of,
)
from almond.report.document import Section, Table
from almond.report.wording import p_text

SIGNIFICANT = 0.05

TRUST = (
    "Trust the test with images random for anything said about images in general. The test over subjects "
    "holds these very images fixed: every subject’s encoder sees the same features of the same images, so "
    "what is odd about an image is odd for all of them, and the test is significant far too often when "
    "other images could have been chosen. It is shown because published analyses report it."
)


def answers(data: Data) -> list[str]:
    """The main region's answer for valence, then for arousal."""
    region = data["regions"][0]
    rows = [row for row in data["correlations"] if row["region"] == region]
    return [_answer(row) for row in rows]


def _answer(row: Data) -> str:
    p = row["p_images"] if row["p_images"] is not None else row["crossed"]["p"]
    rises = "rose" if row["r"] > 0 else "fell"
    if p is None or p > SIGNIFICANT:
        said = f"did not go with {row['rating']} beyond what a choice of images brings"
    else:
        said = f"{rises} with {row['rating']}"
    tested = "" if p is None else f", {p_text(p)} with images random"
    return f"Predicted responses of {row['region']} {said}: mean r = {row['r']:+.2f}{tested}."


def lead(data: Data) -> str:
    sets = " and ".join(f"{one['images']} images of {name}" for name, one in data["sets"].items())
    return (
        f"Encoders ({data['model']}) of {len(data['regions'])} regions in {len(data['subjects'])} subjects "
        f"predicted {sets}."
    )


def key_numbers(data: Data) -> list[tuple[str, str, str]]:
    """The few main numbers as (name, value, note)."""
    region = data["regions"][0]
    found = [
        (f"{region}, {row['rating']}", f"{row['r']:+.2f}", f"r; by the other subjects {row['r_others']:+.2f}")
        for row in data["correlations"]
        if row["region"] == region
    ]
    images = sum(one["images"] for one in data["sets"].values())
    found.append(("images", str(images), ", ".join(data["sets"])))
    found.append(("subjects", str(len(data["subjects"])), f"{len(data['regions'])} regions each"))
    return found


def sections(data: Data, figures: Sequence[str]) -> list[Section]:
    """The report's sections; ``figures`` are the names of those that were drawn."""
    makers = (correlated, by_decile, regressed, in_parts, against_control, between_subregions, over_voxels)
    found = [section for maker in makers if (section := maker(data, figures))]
    return [*found, methods(data), provenance(data)]


def correlated(data: Data, figures: Sequence[str]) -> Section:
    rows = tuple(
        (
            row["region"],
            row["rating"],
            f"{row['r']:+.3f}",
            f"{row['r_others']:+.3f}",
            p_of(row["crossed"]["p"]),
            p_of(row["p_images"]),
            f"{t_of(row['fisher_z'])}",
            p_of(row["fisher_z"]["p"]),
        )
        for row in data["correlations"]
    )
    head = ("region", "rating", "r", "r by others", "p crossed", "p images", "t subjects", "p subjects")
    return Section(
        title="Do predicted responses go with the ratings?",
        paragraphs=(TRUST,),
        figures=drawn("correlations", f"Correlation of predictions with each rating. {FOREST}", figures),
        tables=(Table(head, rows, text=(0, 1)),),
        notes=(
            "r: mean over subjects and image sets (Fisher z). “By others”: predictions by the mean weights "
            "of all other subjects. p crossed: subjects and images random; p images: images permuted; p "
            "subjects: t of Fisher z over subjects.",
        ),
    )


def by_decile(data: Data, figures: Sequence[str]) -> Section | None:
    if not data["deciles"]:
        return None
    rows = tuple(
        (
            row["region"],
            row["rating"],
            row["set"],
            p_of(row["contrast"]["p_images"]),
            p_of(row["friedman"]["p_images"]),
            t_of(row["contrast"]),
            p_of(row["contrast"]["p"]),
            f"{row['friedman']['statistic']:.1f}",
            p_of(row["friedman"]["p"]),
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
        figures=drawn(
            "deciles",
            "Mean prediction of each decile, with the 95 % interval over subjects. A line per image set.",
            figures,
        ),
        tables=(Table(head, rows, text=(0, 1, 2), folded="Tests over the deciles"),),
        notes=(
            f"{edges} † p with images permuted, the ones to trust; after them the linear trend’s t and "
            "Friedman’s χ² with subjects as blocks.",
        ),
    )


def methods(data: Data) -> Section:
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


def provenance(data: Data) -> Section:
    facts = [
        (
            name,
            f"{one['images']} images; norms {one['norms']} (SHA-256 {one['norms_digest'][:16]}…), columns "
            + ", ".join(one["columns"].values())
            + f"; {one['rows_without_image']} rows without an image",
        )
        for name, one in data["sets"].items()
    ]
    space = data["provenance"]["feature_space"]
    facts += [
        ("feature space", f"{space['name']}, {space['dimension']} features, digest {space['digest']}"),
        ("model", data["model"]),
        ("subjects", ", ".join(data["subjects"])),
        ("code", data["provenance"]["code"]),
    ]
    return Section(
        title="Where this comes from",
        paragraphs=(
            "Every prediction, rating and coefficient is in tables/; “python -m almond validate CONFIG” "
            "makes this again. Digests of all encoders are in result.json.",
        ),
        tables=(Table(("what", "value"), tuple(facts), text=(0, 1), wrapped=(1,)),),
    )
