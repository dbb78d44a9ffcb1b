"""What the report of an evaluation says, from its JSON values: answers, key numbers, sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from almond.group.figures import figure_name
from almond.group.region_images.sections import image_answer, image_sections
from almond.report.document import Section, Table
from almond.report.wording import p_cell, p_text

Data = Mapping[str, Any]
CONTROL_NAMES = {
    "performance_sd": "performance: SD of the parts’ means",
    "weight_dissimilarity": "weights: 1 − mean r between parts",
    "target_accuracy": "accuracy with which targets are told",
}


def r_of(z: float) -> str:
    return f"{float(np.tanh(z)):.3f}"


def answers(data: Data) -> list[str]:
    """The main answers, in words; the first model's where there are several."""
    model, result = next(iter(data["models"].items()))
    found = [
        text for maker in (_predicts, _differ, _beyond_chance_splits, image_answer) if (text := maker(result))
    ]
    if len(data["models"]) > 1 and found:
        found[0] = f"{model}: {found[0]}"
    return found or ["No test over subjects could be run; see what did not run, and why."]


def _predicts(result: Data) -> str | None:
    rows = [row for row in result.get("performance", ()) if row["z"] is not None]
    if not rows:
        return None
    above = [row for row in rows if row["z"]["p"] < 0.05 and row["z"]["mean"] > 0]
    best = max(rows, key=lambda row: float(row["z"]["mean"]))
    start = f"{len(above)} of {len(rows)} regions are predicted above zero over subjects"
    return (
        f"{start}, {best['region']} best: held-out r = {r_of(best['z']['mean'])}, {p_text(best['z']['p'])}."
    )


def _differ(result: Data) -> str | None:
    model = result.get("subregions")
    if not model:
        return None
    words = "differ" if model["f_p"] < 0.05 else "do not differ reliably"
    first, second = model["f_df"]
    test = f"F({first:.0f}, {second:.1f}) = {model['f']:.2f}, {p_text(model['f_p'])}"
    return f"The subregions {words} in how well they are predicted: {test}."


def _beyond_chance_splits(result: Data) -> str | None:
    found = result.get("random_regions")
    one = (found or {}).get("measures", {}).get("weight_dissimilarity")
    if not one or one["p"] is None:
        return None
    words = "more" if one["p"] < 0.05 else "no more"
    start = f"The subregions’ weights differ {words} than those of random parts of the same sizes"
    return f"{start}, {p_text(one['p'])}."


def lead(data: Data) -> str:
    """Who and what."""
    parts = [
        f"{model}: {len(result['subjects'])} subjects, {len(result['regions'])} regions."
        for model, result in data["models"].items()
        if "subjects" in result
    ]
    return " ".join(parts) or "Encoders without held-out performance."


def key_numbers(data: Data) -> list[tuple[str, str, str]]:
    """The few main numbers as (name, value, note)."""
    result = next(iter(data["models"].values()))
    found = []
    wanted = result.get("whole")
    rows = [row for row in result.get("performance", ()) if row["z"] is not None]
    rows.sort(key=lambda row: (row["region"] != wanted, -row["z"]["mean"]))
    for row in rows[:2]:
        test = row["z"]
        found.append(
            (
                f"held-out r, {row['region']}",
                r_of(test["mean"]),
                f"95 % {r_of(test['low'])} to {r_of(test['high'])}",
            )
        )
    if rows and rows[0]["null_r"] is not None:
        found.append(("noise features", f"{rows[0]['null_r']:.3f}", f"held-out r in {rows[0]['region']}"))
    if result.get("subjects"):
        found.append(("subjects", str(len(result["subjects"])), f"{len(result['regions'])} regions"))
    return found


def sections(data: Data, drawn: Sequence[str]) -> list[Section]:
    """The report's sections; figures are named only where they were drawn."""
    found: list[Section] = []
    several = len(data["models"]) > 1
    for model, result in data["models"].items():
        suffix = f" · {model}" if several else ""
        own: list[Section] = []
        if "performance" in result:
            own += [_performance(result, suffix, data, model), *_maps(result, suffix, data, model)]
            own += [*_subregions(result, suffix, data, model), *_random(result, suffix, data, model)]
        own += image_sections(result.get("stimuli"), suffix, data, model)
        found += own
    kept = [_only_drawn(section, drawn) for section in found]
    return [*kept, _methods(data), _provenance(data)]


def _only_drawn(section: Section, drawn: Sequence[str]) -> Section:
    figures = tuple(item for item in section.figures if item[0] in drawn)
    return Section(section.title, section.paragraphs, figures, section.items, section.tables, section.notes)


def _number(value: Any, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


EXTRA = {"r2": "R²", "null_r": "noise r", "normalised_r": "r / ceiling"}
"""What some fits know beside r."""


def _performance(result: Data, suffix: str, data: Data, model: str) -> Section:
    rows = []
    known = [name for name in EXTRA if any(row[name] is not None for row in result["performance"])]
    for row in result["performance"]:
        test = row["z"]
        tested = (
            ("", "", "", "", "")
            if test is None
            else (
                r_of(test["mean"]),
                f"{r_of(test['low'])} to {r_of(test['high'])}",
                f"{test['t']:.2f}",
                p_cell(test["p"]),
                f"{test['d']:.2f}",
            )
        )
        extra = tuple(_number(row[name]) for name in known)
        rows.append((row["region"], str(row["subjects"]), f"{row['voxels']:.0f}", *tested, *extra))
    head = ("region", "n", "voxels", "r", "95 %", "t", "p", "d", *(EXTRA[name] for name in known))
    tables = [Table(head, tuple(rows))]
    if result["controls"]:
        paired = tuple(
            (
                f"{row['region']} − {row['control']}",
                f"{row['mean']:+.3f}",
                f"{row['low']:+.3f} to {row['high']:+.3f}",
                f"t({row['df']}) = {row['t']:.2f}",
                p_cell(row["p"]),
            )
            for row in result["controls"]
        )
        tables.append(Table(("paired, in Fisher z", "difference", "95 %", "t", "p"), paired))
    return Section(
        title=f"How well regions are predicted{suffix}",
        paragraphs=(
            "Pearson’s r of every voxel on held-out volumes, averaged over folds; Fisher’s z averaged over a "
            "region’s voxels per subject; t tests over subjects. The mean is shown as r.",
        ),
        figures=(
            (
                figure_name("performance", model, data),
                "Held-out r by region; a dot per subject, mean and 95 % interval.",
            ),
        ),
        tables=tuple(tables),
        notes=(
            *(f"Warning from the fit: {text}" for text in result["warnings"]),
            "Noise r: features of autocorrelated noise through the same folds. R² may be negative where the "
            "held-out mean would have done better. r / ceiling: only where stimuli were repeated.",
        ),
    )


def _maps(result: Data, suffix: str, data: Data, model: str) -> list[Section]:
    rows = tuple(
        (
            region,
            str(row["tested"]),
            str(row["significant"]),
            _number(row["threshold_t"], 2),
            "" if row["peak"] is None else f"{row['peak']['t']:.2f}",
        )
        for region, row in result["maps"].items()
        if "tested" in row
    )
    if not rows:
        return []
    first = next(row for row in result["maps"].values() if "tested" in row)
    return [
        Section(
            title=f"Where: maps over subjects{suffix}",
            paragraphs=(
                "Per voxel a t test of Fisher’s z over subjects. False discoveries are held at "
                f"{first['fdr']:g} over the voxels of each region’s map (Benjamini–Hochberg); no cluster "
                "enters. "
                f"Voxels with fewer than {first['least_subjects']} subjects are not tested.",
            ),
            figures=(
                (
                    figure_name("maps", model, data),
                    "t over subjects in axial slices; a dot marks voxels that pass the false discovery rate.",
                ),
            ),
            tables=(Table(("region", "voxels tested", "pass", "smallest t that passes", "largest t"), rows),),
            notes=(
                "NIfTI files are in maps/: mean z, t, p, q, t where it passes, number of subjects; r per "
                "subject.",
            ),
        )
    ]


def _subregions(result: Data, suffix: str, data: Data, model: str) -> list[Section]:
    found = result["subregions"]
    if not found:
        return []
    ratio = found["likelihood_ratio"]
    singular = " The variance between subjects was estimated as zero." if found["singular"] else ""
    left = f" Left out, with one subregion each: {', '.join(found['left_out'])}." if found["left_out"] else ""
    return [
        Section(
            title=f"Do subregions differ?{suffix}",
            paragraphs=(
                "Mixed model performance ~ subregion + (1 | subject) of Fisher’s z. Maximum likelihood "
                "against "
                f"the intercept: χ²({ratio['df']}) = {ratio['statistic']:.2f}, {p_text(ratio['p'])} "
                "(liberal in "
                f"small groups); REML: F({found['f_df'][0]:.0f}, {found['f_df'][1]:.1f}) = {found['f']:.2f}, "
                f"{p_text(found['f_p'])}.{singular}{left}",
            ),
            figures=(
                (
                    figure_name("subregions", model, data),
                    "Planned contrasts (filled) and all pairs (hollow, simultaneous intervals).",
                ),
            ),
            tables=(
                Table(
                    ("mean", "Fisher z", "95 %", "t", "df", "p", "p adjusted"),
                    _estimates(found["means"], False),
                ),
                Table(
                    ("contrast", "Fisher z", "95 %", "t", "df", "p", "p adjusted"),
                    _estimates(found["contrasts"], False) + _estimates(found["pairs"], True),
                ),
            ),
            notes=(
                f"p adjusted over the pairs: {found['correction'].capitalize()}. Degrees of freedom after "
                "Satterthwaite, from the REML fit.",
            ),
        )
    ]


def _estimates(rows: Sequence[Data], adjusted: bool) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            row["name"],
            f"{row['estimate']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}",
            f"{row['t']:.2f}",
            f"{row['df']:.1f}",
            p_cell(row["p"]),
            p_cell(row["p_adjusted"]) if adjusted else "",
        )
        for row in rows
    )


def _random(result: Data, suffix: str, data: Data, model: str) -> list[Section]:
    found = result["random_regions"]
    if not found:
        return []
    rows = tuple(
        (
            CONTROL_NAMES.get(name, name),
            _number(one["real"]),
            _number(one["random"]["mean"]),
            f"{one['random']['low']:.3f} to {one['random']['high']:.3f}",
            "" if one["p"] is None else p_cell(one["p"]),
        )
        for name, one in found["measures"].items()
    )
    real = (
        f"Real subregions: {', '.join(found['real'])}; random parts have their sizes."
        if found["real"]
        else "No subregions lie inside the region, so that there is no real split to compare."
    )
    return [
        Section(
            title=f"Random regions{suffix}",
            paragraphs=(
                f"{found['voxels']} voxels of {found['of']} in {found['parts']} parts, {found['splits']} "
                "random "
                f"splits, each the same for every subject. {real}",
            ),
            figures=((figure_name("random", model, data), "Over random splits; the line is the real one."),),
            tables=(Table(("measure", "subregions", "random", "central 95 %", "p"), rows),),
            notes=(
                "Subregions are contiguous and BOLD is smooth, so that real parts differ more than scattered "
                "ones even if anatomy meant nothing: a small p alone does not show that anatomy matters.",
            ),
        )
    ]


def _methods(data: Data) -> Section:
    items = tuple(
        f"{row['model']}: {row['analysis']} did not run: {row['reason']}" for row in data["not_run"]
    )
    return Section(
        title="What did not run",
        paragraphs=() if items else ("Everything ran.",),
        items=items,
    )


def _provenance(data: Data) -> Section:
    found = data["provenance"]
    facts = (
        ("artifacts", str(len(found["artifacts"]))),
        ("seed", str(data["settings"]["seed"])),
        ("software", ", ".join(f"{name} {number}" for name, number in found["software"].items())),
    )
    digests = tuple((digest,) for digest in found["artifacts"])
    return Section(
        title="Where this comes from",
        paragraphs=("“python -m almond evaluate CONFIG” repeats it from the fitted encoders.",),
        tables=(
            Table(("what", "value"), facts, text=(0, 1), wrapped=(1,)),
            Table(("digest",), digests, folded="digests of the artifacts"),
        ),
    )
