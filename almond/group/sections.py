"""The report of an evaluation, from its JSON values: answers, key numbers, sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.group.figures import figure_name
from almond.group.region_images.sections import image_answer, image_sections
from almond.report.document import Document, KeyNumber, Picture, Section, Table
from almond.report.remarks import remarks_section
from almond.report.wording import decimal, p_cell, p_text, r_of_z, signed, span

Data = Mapping[str, Any]
TITLE = "Encoding models over subjects"
MODE = "No plan was frozen beforehand: every test here is exploratory."
CONTROL_NAMES = {
    "performance_sd": "performance: SD of the parts’ means",
    "weight_dissimilarity": "weights: 1 − mean r between parts",
    "target_accuracy": "classification accuracy of targets",
}


def evaluation_document(data: Data) -> Document:
    """Write the report of an evaluation; it names every figure that there could be."""
    return Document(
        title=TITLE,
        mode="exploratory",
        mode_text=MODE,
        answers=tuple(evaluation_answers(data)),
        lead=_lead(data),
        key_numbers=_key_numbers(data),
        sections=_sections(data),
    )


def evaluation_answers(data: Data) -> list[str]:
    """Answer in words; for the first model where there are several."""
    model, result = next(iter(data["models"].items()))
    makers = (_predicts, _differ, _beyond_chance_splits, image_answer)
    answers = [text for maker in makers if (text := maker(result))]
    if len(data["models"]) > 1 and answers:
        answers[0] = f"{model}: {answers[0]}"
    return answers or ["No test over subjects could be run; see what did not run, and why."]


def _predicts(result: Data) -> str | None:
    rows = [row for row in result.get("performance", ()) if row["z"] is not None]
    if not rows:
        return None
    above = [row for row in rows if row["z"]["p"] < 0.05 and row["z"]["mean"] > 0]
    best = max(rows, key=lambda row: float(row["z"]["mean"]))
    start = f"{len(above)} of {len(rows)} regions are predicted above zero over subjects"
    return (
        f"{start}, {best['region']} best: held-out r = {r_of_z(best['z']['mean'])}, {p_text(best['z']['p'])}."
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
    measures = (result.get("random_regions") or {}).get("measures", {})
    measure = measures.get("weight_dissimilarity")
    if not measure or measure["p"] is None:
        return None
    words = "more" if measure["p"] < 0.05 else "no more"
    start = f"The subregions’ weights differ {words} than those of random parts of the same sizes"
    return f"{start}, {p_text(measure['p'])}."


def _lead(data: Data) -> str:
    parts = [
        f"{model}: {len(result['subjects'])} subjects, {len(result['regions'])} regions."
        for model, result in data["models"].items()
        if "subjects" in result
    ]
    return " ".join(parts) or "Encoders without held-out performance."


def _key_numbers(data: Data) -> tuple[KeyNumber, ...]:
    result = next(iter(data["models"].values()))
    wanted = result.get("whole")
    rows = [row for row in result.get("performance", ()) if row["z"] is not None]
    rows.sort(key=lambda row: (row["region"] != wanted, -row["z"]["mean"]))
    numbers = []
    for row in rows[:2]:
        ends = f"95 % {r_of_z(row['z']['low'])} to {r_of_z(row['z']['high'])}"
        numbers.append(KeyNumber(f"held-out r, {row['region']}", r_of_z(row["z"]["mean"]), ends))
    if rows and rows[0]["null_r"] is not None:
        note = f"held-out r in {rows[0]['region']}"
        numbers.append(KeyNumber("noise features", decimal(rows[0]["null_r"]), note))
    if result.get("subjects"):
        count = len(result["subjects"])
        numbers.append(KeyNumber("subjects", str(count), f"{len(result['regions'])} regions"))
    return tuple(numbers)


def _sections(data: Data) -> tuple[Section, ...]:
    sections: list[Section] = []
    several = len(data["models"]) > 1
    for model, result in data["models"].items():
        suffix = f" · {model}" if several else ""
        if "performance" in result:
            sections += [_performance(result, suffix, data, model), *_maps(result, suffix, data, model)]
            sections += [*_subregions(result, suffix, data, model), *_random(result, suffix, data, model)]
        sections += image_sections(result.get("stimuli"), suffix, data, model)
    return (*sections, *remarks_section(data.get("remarks", ())), _not_run(data), _provenance(data))


EXTRA = {"r2": "R²", "null_r": "noise r", "normalised_r": "r / ceiling"}
"""Measures beside r that some fits have."""


def _performance(result: Data, suffix: str, data: Data, model: str) -> Section:
    rows = []
    known = [name for name in EXTRA if any(row[name] is not None for row in result["performance"])]
    for row in result["performance"]:
        test = row["z"]
        tested = (
            ("", "", "", "", "")
            if test is None
            else (
                r_of_z(test["mean"]),
                f"{r_of_z(test['low'])} to {r_of_z(test['high'])}",
                decimal(test["t"], 2),
                p_cell(test["p"]),
                decimal(test["d"], 2),
            )
        )
        extra = tuple(decimal(row[name]) for name in known)
        rows.append((row["region"], str(row["subjects"]), f"{row['voxels']:.0f}", *tested, *extra))
    head = ("region", "n", "voxels", "r", "95 %", "t", "p", "d", *(EXTRA[name] for name in known))
    tables = [Table(head, tuple(rows))]
    if result["controls"]:
        paired = tuple(
            (
                f"{row['region']} − {row['control']}",
                signed(row["mean"], 3),
                span(row["low"], row["high"], 3),
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
            Picture(
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
            decimal(row["threshold_t"], 2),
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
                f"enters. Voxels with fewer than {first['least_subjects']} subjects are not tested.",
            ),
            figures=(
                Picture(
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
    fit = result["subregions"]
    if not fit:
        return []
    ratio = fit["likelihood_ratio"]
    singular = " The variance between subjects was estimated as zero." if fit["singular"] else ""
    left = f" Left out, with one subregion each: {', '.join(fit['left_out'])}." if fit["left_out"] else ""
    return [
        Section(
            title=f"Do subregions differ?{suffix}",
            paragraphs=(
                "Mixed model performance ~ subregion + (1 | subject) of Fisher’s z. Maximum likelihood "
                f"against the intercept: χ²({ratio['df']}) = {ratio['statistic']:.2f}, {p_text(ratio['p'])} "
                "(liberal in small groups); REML: "
                f"F({fit['f_df'][0]:.0f}, {fit['f_df'][1]:.1f}) = {fit['f']:.2f}, "
                f"{p_text(fit['f_p'])}.{singular}{left}",
            ),
            figures=(
                Picture(
                    figure_name("subregions", model, data),
                    "Planned contrasts (filled) and all pairs (hollow, simultaneous intervals).",
                ),
            ),
            tables=(
                Table(
                    ("mean", "Fisher z", "95 %", "t", "df", "p", "p adjusted"),
                    _estimates(fit["means"], False),
                ),
                Table(
                    ("contrast", "Fisher z", "95 %", "t", "df", "p", "p adjusted"),
                    _estimates(fit["contrasts"], False) + _estimates(fit["pairs"], True),
                ),
            ),
            notes=(
                f"p adjusted over the pairs: {fit['correction'].capitalize()}. Degrees of freedom after "
                "Satterthwaite, from the REML fit.",
            ),
        )
    ]


def _estimates(rows: Sequence[Data], adjusted: bool) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            row["name"],
            signed(row["estimate"], 3),
            span(row["low"], row["high"], 3),
            decimal(row["t"], 2),
            decimal(row["df"], 1),
            p_cell(row["p"]),
            p_cell(row["p_adjusted"]) if adjusted else "",
        )
        for row in rows
    )


def _random(result: Data, suffix: str, data: Data, model: str) -> list[Section]:
    control = result["random_regions"]
    if not control:
        return []
    rows = tuple(
        (
            CONTROL_NAMES.get(name, name),
            decimal(measure["real"]),
            decimal(measure["random"]["mean"]),
            span(measure["random"]["low"], measure["random"]["high"], 3, sign=""),
            p_cell(measure["p"], absent=""),
        )
        for name, measure in control["measures"].items()
    )
    real = (
        f"Real subregions: {', '.join(control['real'])}; random parts have their sizes."
        if control["real"]
        else "No subregions lie inside the region, so that there is no real split to compare."
    )
    return [
        Section(
            title=f"Random regions{suffix}",
            paragraphs=(
                f"{control['voxels']} voxels of {control['of']} in {control['parts']} parts, "
                f"{control['splits']} random splits, each the same for every subject. {real}",
            ),
            figures=(
                Picture(
                    figure_name("random", model, data),
                    "Distribution over random splits; the line is the real subregions.",
                ),
            ),
            tables=(Table(("measure", "subregions", "random", "central 95 %", "p"), rows),),
            notes=(
                "Subregions are contiguous and BOLD is smooth, so that real parts differ more than scattered "
                "ones even if anatomy meant nothing: a small p alone does not show that anatomy matters.",
            ),
        )
    ]


def _not_run(data: Data) -> Section:
    items = tuple(
        f"{row['model']}: {row['analysis']} did not run: {row['reason']}" for row in data["not_run"]
    )
    return Section(
        title="What did not run",
        paragraphs=() if items else ("Everything ran.",),
        items=items,
    )


def _provenance(data: Data) -> Section:
    origin = data["provenance"]
    facts = (
        ("artifacts", str(len(origin["artifacts"]))),
        ("seed", str(data["settings"]["seed"])),
        ("software", ", ".join(f"{name} {version}" for name, version in origin["software"].items())),
    )
    digests = tuple((digest,) for digest in origin["artifacts"])
    return Section(
        title="Provenance",
        paragraphs=("“python -m almond evaluate CONFIG” repeats it from the fitted encoders.",),
        tables=(
            Table(("what", "value"), facts, text=(0, 1), wrapped=(1,)),
            Table(("digest",), digests, folded="digests of the artifacts"),
        ),
    )
