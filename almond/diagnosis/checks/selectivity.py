"""This region and no other? Shifts of every target's score on pictures guided for each, read by the judge.

The matrix of shifts, on-target minus off-target shift by t over themes, and the mixed model of
``almond.stats.specificity`` with low-level features as covariates: a shift that is gone once colour and
spatial frequency are held constant may be one of these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, Standing, worst_of
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import Picture, Table
from almond.report.figures_style import style
from almond.report.shift_matrix import shift_matrix
from almond.report.wording import decimal, p_cell, signed, span
from almond.stats.specificity.score_shifts import (
    MIN_THEMES,
    overall_specificity,
    scene_shifts,
    shift_cells,
    target_shift,
)
from almond.stats.specificity.specificity_model import specificity_model
from almond.stimuli.nuisance import NUISANCE
from almond.typing import Floats

LEAST_RATIO = 2.0
"""On-target over mean absolute off-target shift from which selectivity is good."""


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    judge = evidence.judge
    if judge is None:
        raise NotMeasured("nobody held out reads the pictures")
    if len(evidence.targets) < 2:
        raise NotMeasured("one target has no other beside it; diagnose it together with others")
    if len(evidence.settings.prompts) < MIN_THEMES:
        raise NotMeasured(
            f"{len(evidence.settings.prompts)} prompts allow no test over themes; give {MIN_THEMES} or more"
        )
    frame, columns = stimuli_of(evidence, judge), [f"score_{name}" for name in evidence.targets]
    shifts = scene_shifts(frame, columns)
    targets = [target_shift(shifts, name, place) for place, name in enumerate(evidence.targets)]
    cells = [cell for name in evidence.targets for cell in shift_cells(shifts, name, evidence.targets)]
    overall = overall_specificity(shifts, {name: place for place, name in enumerate(evidence.targets)})
    progress.report(0.3, "mixed models")
    models = {
        "plain": _model(frame, columns, evidence.targets, ()),
        "low_level": _model(frame, columns, evidence.targets, NUISANCE),
    }
    matrix: dict[tuple[str, str], float] = {(cell.target, cell.score): cell.shift for cell in cells}
    rows = [
        {
            **dataclasses.asdict(test),
            "on_off": _on_off(matrix, test.target, evidence.targets),
            "largest_other": max(
                matrix[test.target, name] for name in evidence.targets if name != test.target
            ),
        }
        for test in targets
    ]
    numbers: dict[str, Any] = {
        "judge": judge,
        "comparison": shifts.comparison,
        "overall": dataclasses.asdict(overall),
        "targets": rows,
        "matrix": [dataclasses.asdict(cell) for cell in cells],
        "models": models,
        "low_level": low_level_changes(evidence),
    }
    standings = [_standing(row) for row in rows]
    return Finding(numbers, _sentence(numbers), worst_of([*standings, _standing_of_all(numbers)]))


def stimuli_of(evidence: DiagnosisEvidence, reader: str) -> pd.DataFrame:
    """Tabulate guided pictures of the largest strength and their bases as tests of specificity take them."""
    rows = np.concatenate([evidence.strongest, np.unique(evidence.bases(evidence.strongest))])
    table = evidence.table.iloc[rows]
    frame = pd.DataFrame(
        {
            "theme": table["prompt"].to_numpy(),
            "base_scene": table["scene"].astype(str).to_numpy(),
            "intended_target": table["target"].to_numpy(),
            "direction": table["direction"].to_numpy(),
        }
    )
    for place, name in enumerate(evidence.targets):
        frame[f"score_{name}"] = evidence.scores[reader][rows, place]
    for name in NUISANCE:
        frame[name] = table[name].to_numpy()
    return frame


def _model(
    frame: pd.DataFrame, columns: list[str], targets: tuple[str, ...], covariates: tuple[str, ...]
) -> dict[str, Any]:
    try:
        return dataclasses.asdict(specificity_model(frame, columns, targets, covariates=covariates))
    except InputError as reason:
        return {"absent": f"{reason.problem}; expected: {reason.expected}"}


def _on_off(matrix: Mapping[tuple[str, str], float], target: str, targets: tuple[str, ...]) -> float | None:
    """Divide the on-target shift by the mean absolute off-target shift; None where nothing else moves."""
    off = float(np.mean([abs(matrix[target, name]) for name in targets if name != target]))
    return matrix[target, target] / off if off > 0 else None


def low_level_changes(evidence: DiagnosisEvidence) -> dict[str, float]:
    """Compute the mean change of low-level features in the direction of guidance, in SD of unguided ones."""
    values: Floats = evidence.table[list(NUISANCE)].to_numpy(np.float64)
    rows = evidence.strongest
    direction = evidence.table["direction"].to_numpy(np.float64)[rows]
    change = (values[rows] - values[evidence.bases(rows)]) * direction[:, None]
    spread = values[evidence.unguided].std(axis=0, ddof=1)
    return {
        name: float(change[:, place].mean() / spread[place])
        for place, name in enumerate(NUISANCE)
        if spread[place] > 0
    }


def _standing(row: Numbers) -> Standing:
    if row["specificity"]["estimate"] <= 0 or row["on"]["estimate"] <= 0:
        return "bad"
    own_is_largest = row["on"]["estimate"] > row["largest_other"]
    enough = row["on_off"] is None or row["on_off"] >= LEAST_RATIO
    return "good" if own_is_largest and enough else "doubtful"


def _standing_of_all(numbers: Numbers) -> Standing:
    """Grade the tests over all targets: the interval by themes, and the model with low-level features."""
    if numbers["overall"]["estimate"] <= 0:
        return "bad"
    model = numbers["models"]["low_level"]
    sure = numbers["overall"]["low"] > 0 and ("absent" in model or model["low"] > 0)
    return "good" if sure else "doubtful"


def _sentence(numbers: Numbers) -> str:
    test, model = numbers["overall"], numbers["models"]["low_level"]
    weakest = min(numbers["targets"], key=lambda row: row["specificity"]["estimate"])
    words = (
        f"On-target minus off-target shift as the judge reads it: {signed(test['estimate'])} SD (95 % CI "
        f"{span(test['low'], test['high'])}, {test['themes']} prompts); least for {weakest['target']} "
        f"({signed(weakest['specificity']['estimate'])} SD)."
    )
    ratios = {row["target"]: row["on_off"] for row in numbers["targets"] if row["on_off"] is not None}
    if ratios:
        target, ratio = min(ratios.items(), key=lambda item: float(item[1]))
        words += (
            f" A target moves its own score {decimal(ratio, 1)} times as much as others or more ({target})."
        )
    if "absent" in model:
        return f"{words} No mixed model with low-level features: {model['absent']}."
    return (
        f"{words} With low-level features held constant: {signed(model['estimate'])} SD "
        f"({span(model['low'], model['high'])})."
    )


def _tables(numbers: Numbers) -> list[Table]:
    rows = tuple(
        (
            row["target"],
            signed(row["on"]["estimate"]),
            signed(row["off"]["estimate"]),
            "" if row["on_off"] is None else decimal(row["on_off"], 1),
            signed(row["specificity"]["estimate"]),
            span(row["specificity"]["low"], row["specificity"]["high"]),
            p_cell(row["specificity"]["p"]),
        )
        for row in numbers["targets"]
    )
    models = tuple(
        (name.replace("_", " "), signed(m["estimate"]), span(m["low"], m["high"]), p_cell(m["p"]))
        for name, m in numbers["models"].items()
        if "absent" not in m
    )
    changes = tuple((name.replace("_", " "), signed(value)) for name, value in numbers["low_level"].items())
    head = ("target", "on", "off", "on / |off|", "on - off", "95 % interval", "p")
    tables = [
        Table(head, rows),
        Table(("mixed model", "on - off", "95 % interval", "p"), models),
        Table(("low-level feature", "change (SD)"), changes, folded="Low-level change"),
    ]
    return [table for table in tables if table.rows]


def _draw(numbers: Numbers) -> dict[str, Figure]:
    with style():
        return {"selectivity": shift_matrix(numbers["matrix"])}


CHECK = DiagnosisCheck(
    name="selectivity",
    title="This region and no other?",
    short="Selective?",
    limits=(
        "Bad where a target does not move its own score up, or not more than the others. Good where besides "
        f"each target moves its own score most and {LEAST_RATIO:g} times as much as the others on "
        "average, and "
        "both 95 % intervals over all targets, with and without low-level features, lie above zero."
    ),
    run=_run,
    tables=_tables,
    decides=True,
    draw=_draw,
    pictures=(
        Picture(
            "selectivity",
            "Scores by the judge at the largest strength: guided up minus guided down (or "
            "unguided), means over "
            "prompts with 95 % intervals, in SD of unguided pictures. Bold: the target that guided.",
        ),
    ),
)
