"""What a report says of the geometry of ratings and predicted responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.analysis.questions.base import Result, units_text
from almond.analysis.vocabulary import EXTERNAL, Vocabulary
from almond.report.document import Picture, Section, Table
from almond.report.wording import decimal, fixed, p_cell, p_text, percent, signed, span

PARTS = {"components": "components", "cca": "canonical correlations", "rsa": "representational similarity"}


def geometry_headline(result: Result, alpha: float) -> str | None:
    """Say whether ratings have the geometry of the predicted responses; None where none were compared."""
    said = [text for text in (_canonical_answer(result, alpha), _similarity_answer(result, alpha)) if text]
    return f"Geometry of ratings: {'; '.join(said)}." if said else None


def _canonical_answer(result: Result, alpha: float) -> str | None:
    if not result["cca"]:
        return None
    pairs = result["cca"]["pairs"]
    shared = sum(pair["p_max"] <= alpha for pair in pairs)
    first = min(pairs, key=lambda pair: (pair["p_max"], -pair["r"]))
    how = "no dimension" if not shared else f"{shared} dimension{'s' if shared > 1 else ''}"
    held = f"r = {fixed(first['r'], 2)} on held-out themes, {p_text(first['p_max'])} family-wise"
    return (
        f"ratings and predicted responses shared {how} beyond chance (strongest {held}, participants fixed)"
    )


def _similarity_answer(result: Result, alpha: float) -> str | None:
    if not result["rsa"] or result["rsa"]["scores"][0]["model"] != "predicted responses":
        return None
    # p with participants random: the claim is about people in general.
    score, ceiling = result["rsa"]["scores"][0], result["rsa"]["ceiling"]
    start = (
        "dissimilarities of ratings followed those of predicted responses"
        if score["p_t"] <= alpha
        else "dissimilarities of ratings did not follow those of predicted responses beyond chance"
    )
    return (
        f"{start} (ρ = {fixed(score['rho'], 2)}, {p_text(score['p_t'])}; noise ceiling "
        f"{fixed(ceiling['lower'], 2)} to {fixed(ceiling['upper'], 2)})"
    )


def geometry_section(words: Vocabulary, title: str, result: Result) -> Section:
    """Write the section: components, then canonical pairs, then dissimilarities."""
    figures, tables, paragraphs, notes = [], [], [f"{units_text(result['units'], words)}."], []
    if components := result["components"]:
        paragraphs.append(_components_text(components))
        caption = "Bars: eigenvalues. Line: what 95 % of permutations of whole themes stay below."
        figures.append(Picture("scree", caption))
        caption = "Correlation of each construct with the retained components (the first, if none is)."
        figures.append(Picture("loadings", caption))
        tables.append(_components_table(components))
        notes.append(
            "Threshold: 95th percentile over permutations. Halves: congruence of the component between "
            "random halves of the participants, median and central 95 % of splits."
        )
    if canonical := result["cca"]:
        tables += [_pairs_table(canonical), _structure_table(result)]
        notes.append(
            f"Canonical pairs: {canonical['folds']} folds of whole themes; r held out is evaluated on themes "
            "that were not fitted, r fitted on the very images and always above 0."
        )
    if similarity := result["rsa"]:
        caption = (
            "Mean over participants of ρ between the dissimilarities of their ratings and of each model; "
            "lines: 95 % intervals, participants and themes random; band: noise ceiling."
        )
        figures.append(Picture("rsa", caption))
        tables += [_scores_table(similarity), *_differences_table(similarity)]
        notes.append(
            f"Dissimilarities: {similarity['pairs']} pairs of images of different themes. Images of a theme "
            "are alike in everything, so that pairs within themes would agree in any two matrices. p: "
            "participants and themes random; p permuted: themes permuted, participants fixed."
        )
    notes.append(f"B = {result['permutations']} permutations of themes, with the participants fixed.")
    if result["cca"] or result["rsa"]:
        notes.append(
            f"Similarity does not ask what a distinction means: people who each see a {words.group} in a way "
            f"of their own rate {words.images} of one {words.group} alike, as scores do, even where their "
            "ratings agree on nothing."
        )
    # No imported table has predicted responses, so that their absence is nothing to report.
    absent = {part: why for part, why in result["absent"].items() if part != "cca" or words is not EXTERNAL}
    return Section(
        title=title,
        paragraphs=tuple(paragraphs),
        figures=tuple(figures),
        tables=tuple(tables),
        items=(
            *(f"No {PARTS[name]}: {reason}." for name, reason in absent.items()),
            *(f"{name} was left out: {reason}." for name, reason in result["skipped"].items()),
        ),
        notes=tuple(notes),
    )


def _components_text(components: Mapping[str, Any]) -> str:
    count = components["retained"]
    if not count:
        return "No component of the ratings exceeds what permuted ratings reach (parallel analysis)."
    share = percent(sum(components["explained"][:count]))
    noun = "component exceeds" if count == 1 else "components exceed"
    return f"{count} {noun} what permuted ratings reach (parallel analysis), {share} of the variance."


def _components_table(components: Mapping[str, Any]) -> Table:
    stable = {row["component"]: row for row in components["stability"]}
    rows = tuple(
        (
            str(number),
            decimal(value, 2),
            decimal(threshold, 2),
            percent(share),
            "yes" if number <= components["retained"] else "no",
            _congruence(stable[number]) if number in stable else "",
        )
        for number, (value, threshold, share) in enumerate(
            zip(components["eigenvalues"], components["threshold"], components["explained"], strict=True), 1
        )
    )
    head = ("component", "eigenvalue", "threshold", "variance", "retained", "halves")
    return Table(head, rows)


def _congruence(row: Mapping[str, Any]) -> str:
    return f"{fixed(row['congruence'], 2)} ({span(row['low'], row['high'], sign='')})"


def _pairs_table(canonical: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            str(pair["number"]),
            signed(pair["r"]),
            signed(pair["null_mean"]),
            signed(pair["r_fitted"]),
            p_cell(pair["p"]),
            p_cell(pair["p_max"]),
        )
        for pair in canonical["pairs"]
    )
    return Table(("canonical pair", "r held out", "of permutations", "r fitted", "p", "p family-wise"), rows)


def _structure_table(result: Result) -> Table:
    pairs = result["cca"]["pairs"]
    names = [
        *((name, "left", index) for index, name in enumerate(result["constructs"])),
        *((name.removeprefix("score_"), "right", index) for index, name in enumerate(result["scores"])),
    ]
    rows = tuple((name, *(signed(pair[side][index]) for pair in pairs)) for name, side, index in names)
    head = ("correlation with its variate", *(f"pair {pair['number']}" for pair in pairs))
    return Table(head, rows, folded="What the canonical pairs are made of (all images)")


def _scores_table(similarity: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            row["model"],
            signed(row["rho"]),
            span(row["low"], row["high"]),
            p_cell(row["p_t"]),
            p_cell(row["p"]),
        )
        for row in similarity["scores"]
    )
    head = ("model", "mean ρ", "95 % interval", "p", "p permuted")
    return Table(head, rows)


def _differences_table(similarity: Mapping[str, Any]) -> list[Table]:
    rows = tuple(
        (
            f"{row['first']} - {row['second']}",
            signed(row["difference"]),
            span(row["low"], row["high"]),
            p_cell(row["p_t"]),
        )
        for row in similarity["differences"]
    )
    head = ("difference of mean ρ", "estimate", "95 % interval", "p")
    return [Table(head, rows, wrapped=(0,))] if rows else []


def geometry_methods(words: Vocabulary, settings: Result) -> str:
    """Say how the geometry was analysed; of an imported table, what its ratings alone allow."""
    components = (
        f"Geometry: principal components of the constructs’ correlations over {words.images}, "
        "retained by parallel "
        "analysis (Horn, 1965) with each construct’s column permuted by whole themes, 95th percentile; "
        "congruence of components between random halves of the participants. "
    )
    canonical = (
        "Canonical correlations of "
        "ratings and predicted responses, whole themes held out, ridge .1 on correlations, one-sided "
        "permutation p, family-wise by the largest pair. "
    )
    model = "the low-level features of images that were handed over" if words is EXTERNAL else "each model"
    similarity = (
        "Representational similarity: Euclidean "
        f"dissimilarities of every participant’s ratings against those of {model} over pairs of "
        f"{words.images} of "
        "different themes, ρ-a; intervals by the dual bootstrap over participants and themes (Schütt et al., "
        "2023); noise ceiling from participants’ ranks. "
    )
    permuted = (
        "Permutations move whole themes, and within them "
        f"{words.groups} and directions as wholes "
        f"(B = {settings['permutations']}, seed {settings['seed']})."
    )
    compared = (similarity,) if words is EXTERNAL else (canonical, similarity)
    return "".join((components, *compared, permuted))
