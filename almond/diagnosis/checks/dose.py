"""Does more guidance give more? Scores against strength by guide, outsiders and judge.

Strength is no dose until it is measured: single scenes jump from one object to another, and beyond some
strength the picture changes and what it shows does not. A curve of one scene and target is monotone if it
falls nowhere by more than ``SLACK`` from the strongest push down to the strongest push up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, Standing, graded, worst_of
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Picture, Table
from almond.report.figures_style import ACCENT, MUTED, SECOND, new_figure, style
from almond.report.wording import decimal, percent, signed
from almond.typing import Floats

SLACK = 0.1
"""SD by which a monotone curve may fall."""
GAIN = 0.05
"""SD that a larger strength must add on average to count as a gain."""
SHIFT_LIMITS = (0.5, 0.2)
RANK_LIMITS = (0.6, 0.3)
LOPSIDED = 0.25
"""Share of the larger side's shift below which a direction counts as hardly moved."""
OUTSIDERS = "subjects who did not guide"
COLORS = {"guide": MUTED, "outsiders": SECOND, "judge": ACCENT}


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    if evidence.judge is None:
        raise NotMeasured("nobody held out reads the pictures, and a curve by the guide alone proves nothing")
    rows: list[dict[str, Any]] = []
    standings: list[Standing] = []
    for target in evidence.targets:
        curves = {"guide": scene_curves(evidence, [evidence.guide], target)}
        if evidence.outsiders:
            curves["outsiders"] = scene_curves(evidence, evidence.outsiders, target)
        curves["judge"] = scene_curves(evidence, [evidence.judge], target)
        strengths = signed_strengths(evidence)
        read = {role: _describe(values, strengths) for role, values in curves.items()}
        judged = read["judge"]
        standings.append(
            worst_of([graded(judged["reached"], *SHIFT_LIMITS), graded(judged["spearman"], *RANK_LIMITS)])
        )
        rows.append({"target": target, "read": read, "standing": standings[-1]})
    numbers = {"strengths": signed_strengths(evidence), "targets": rows, "scenes": _scenes(evidence)}
    return Finding(numbers, _sentence(numbers), worst_of(standings))


def signed_strengths(evidence: DiagnosisEvidence) -> list[float]:
    """List the strengths of a curve from the strongest push down over 0 to the strongest push up."""
    strengths = evidence.settings.ordered_strengths
    down = [-value for value in reversed(strengths)] if evidence.settings.both_signs else []
    return [*down, 0.0, *strengths]


def _scenes(evidence: DiagnosisEvidence) -> int:
    return int(evidence.table["scene"].iloc[evidence.strongest].nunique())


def scene_curves(evidence: DiagnosisEvidence, readers: Sequence[str], target: str) -> Floats:
    """Compute the shift of a target's score (scenes, strengths), the mean of several readers."""
    rows = evidence.rows("guided", target=target)
    column = evidence.targets.index(target)
    shift = np.mean([evidence.shifts(reader, rows)[:, column] for reader in readers], axis=0)
    table = evidence.table.iloc[rows]
    places = signed_strengths(evidence)
    scenes = {scene: index for index, scene in enumerate(table["scene"].unique())}
    curves = np.zeros((len(scenes), len(places)))
    signed_strength = table["direction"] * table["strength"]
    for scene, strength, value in zip(table["scene"], signed_strength, shift, strict=True):
        curves[scenes[scene], places.index(strength)] = value
    return curves


def _describe(curves: Floats, strengths: Sequence[float]) -> dict[str, Any]:
    effects = effect_by_strength(curves, strengths)
    ranks = [spearman(strengths, curve) for curve in curves]
    return {
        "means": curves.mean(axis=0).tolist(),
        "reached": effects[max(effects)],
        "up": float(curves[:, -1].mean()),
        "down": float(-curves[:, 0].mean()) if strengths[0] < 0 else None,
        "saturation": saturating_strength(effects),
        "monotone": float(np.mean((np.diff(curves, axis=1) >= -SLACK).all(axis=1))),
        "spearman": float(np.mean(ranks)),
    }


def effect_by_strength(curves: Floats, strengths: Sequence[float]) -> dict[float, float]:
    """Average the shift in the direction of guidance over scenes and directions, by strength."""
    means = curves.mean(axis=0)
    sizes = sorted({abs(value) for value in strengths if value})
    return {
        size: float(
            np.mean(
                [np.sign(value) * means[index] for index, value in enumerate(strengths) if abs(value) == size]
            )
        )
        for size in sizes
    }


def saturating_strength(effects: dict[float, float]) -> float | None:
    """Return the largest strength that still gains ``GAIN`` over every smaller one and over none at all."""
    best, last = 0.0, None
    for strength, effect in sorted(effects.items()):
        if effect >= best + GAIN:
            best, last = effect, strength
    return last


def spearman(strengths: Sequence[float], curve: Floats) -> float:
    """Rank-correlate a curve with its strengths; 0 where it is flat."""
    if np.ptp(curve) == 0:
        return 0.0
    return float(stats.spearmanr(strengths, curve).statistic)


def _sentence(numbers: Numbers) -> str:
    parts, strongest = [], max(numbers["strengths"])
    for row in numbers["targets"]:
        judged = row["read"]["judge"]
        last = judged["saturation"]
        gains = "never gains" if last is None else f"gains up to strength {last:g}"
        parts.append(f"{row['target']} {signed(judged['reached'])} SD ({gains})")
    monotone = float(np.mean([row["read"]["judge"]["monotone"] for row in numbers["targets"]]))
    return (
        f"As the judge reads them, pictures move at strength {strongest:g} by {', '.join(parts)}; "
        f"{percent(monotone)} of single scenes are monotone.{_lopsided(numbers)}"
    )


def _lopsided(numbers: Numbers) -> str:
    """Name the targets of which the judge sees one direction only."""
    weak: dict[str, list[str]] = {"up": [], "down": []}
    for row in numbers["targets"]:
        up, down = row["read"]["judge"]["up"], row["read"]["judge"]["down"]
        if down is None:
            continue
        if min(up, down) < LOPSIDED * max(up, down):
            weak["up" if up < down else "down"].append(row["target"])
    return "".join(
        f" Hardly anything moves {side} for {', '.join(names)}." for side, names in weak.items() if names
    )


def _tables(numbers: Numbers) -> list[Table]:
    rows = tuple(
        (
            row["target"],
            OUTSIDERS if role == "outsiders" else role,
            signed(values["up"]),
            "not drawn" if values["down"] is None else signed(-values["down"]),
            "none" if values["saturation"] is None else f"{values['saturation']:g}",
            percent(values["monotone"]),
            decimal(values["spearman"], 2),
        )
        for row in numbers["targets"]
        for role, values in row["read"].items()
    )
    head = ("target", "read by", "up", "down", "gains up to", "monotone", "Spearman")
    return [Table(head, rows, text=(0, 1), wrapped=(1,))]


def _draw(numbers: Numbers) -> dict[str, Figure]:
    rows = numbers["targets"]
    with style():
        figure = new_figure(0.9 + 1.9 * -(-len(rows) // 2), 6.4)
        for number, row in enumerate(rows):
            axes = figure.add_subplot(-(-len(rows) // 2), min(2, len(rows)), number + 1)
            for role, values in row["read"].items():
                axes.plot(
                    numbers["strengths"],
                    values["means"],
                    marker="o",
                    markersize=3.5,
                    color=COLORS[role],
                    label=OUTSIDERS if role == "outsiders" else role,
                )
            axes.axhline(0.0, color=MUTED, linewidth=0.6)
            axes.set_title(row["target"])
            axes.set_xlabel("strength, down and up")
            axes.set_ylabel("shift (SD)")
            if number == 0:
                figure.legend(loc="outside upper left", ncols=3, fontsize=8.5)
    return {"dose": figure}


CHECK = DiagnosisCheck(
    name="dose",
    title="Does more guidance give more?",
    short="Dose",
    limits=(
        f"By the judge: good from {SHIFT_LIMITS[0]} SD at the largest strength and a mean Spearman "
        "correlation of "
        f"{RANK_LIMITS[0]} over single scenes, doubtful from {SHIFT_LIMITS[1]} SD and {RANK_LIMITS[1]}."
    ),
    run=_run,
    tables=_tables,
    decides=True,
    draw=_draw,
    pictures=(
        Picture("dose", "Mean shift of the target’s score against strength, in SD of unguided pictures."),
    ),
)
