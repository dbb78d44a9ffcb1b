"""How far do pushes reach beyond what prompts alone give? Spread of unguided scores against guided ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.diagnosis.check import DiagnosisCheck, Finding, Numbers, graded, worst_of
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Picture, Table
from almond.report.figures_style import ACCENT, MUTED, label_rows, new_figure, style
from almond.report.wording import decimal, percent, signed
from almond.typing import Floats

LIMITS = (1.0, 0.5)
"""SD of unguided scores that half the difference of the strongest pushes must reach."""
TAIL = 0.95


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    rows = [_target_row(evidence, place) for place in range(len(evidence.targets))]
    for row in rows:
        row["standing"] = graded(row["reach"], *LIMITS)
    least = min(rows, key=lambda row: row["reach"])
    sentence = (
        f"{len(evidence.unguided)} unguided pictures of {len(evidence.settings.prompts)} prompts; by the "
        f"guide’s own score the strongest pushes reach {signed(least['reach'])} SD of these or more (least: "
        f"{least['target']}), and {percent(least['beyond'])} of the pictures pushed up there score above "
        f"{percent(TAIL)} of the unguided ones."
    )
    return Finding({"targets": rows}, sentence, worst_of([row["standing"] for row in rows]))


def _target_row(evidence: DiagnosisEvidence, place: int) -> dict[str, Any]:
    target, guide = evidence.targets[place], evidence.guide
    scores = evidence.scores[guide][:, place]
    unguided = evidence.unguided
    tops = evidence.rows("guided", target=target, strength=evidence.settings.strongest)
    up = evidence.rows("guided", target=target, strength=evidence.settings.strongest, direction=1)
    shifts = evidence.own_shifts(guide, tops)
    low, high = np.quantile(scores[unguided], [1.0 - TAIL, TAIL])
    return {
        "target": target,
        "reference_sd": float(evidence.location[guide][1][place]),
        "low": float(low),
        "high": float(high),
        "within_prompts": within_prompt_share(
            scores[unguided], evidence.table["prompt"].to_numpy()[unguided]
        ),
        "reach": float(shifts.mean()),
        "beyond": float((scores[up] > high).mean()),
        "pushed": [float(value) for value in np.sort(scores[tops])],
    }


def within_prompt_share(scores: Floats, prompts: Floats) -> float:
    """Compute the share of the variance of scores (n,) that lies within prompts (n,)."""
    total = float(((scores - scores.mean()) ** 2).sum())
    within = sum(
        float(((scores[prompts == prompt] - scores[prompts == prompt].mean()) ** 2).sum())
        for prompt in np.unique(prompts)
    )
    return within / total if total > 0 else 0.0


def _tables(numbers: Numbers) -> list[Table]:
    rows = tuple(
        (
            row["target"],
            decimal(row["reference_sd"], 2),
            f"{signed(row['low'])} to {signed(row['high'])}",
            percent(row["within_prompts"]),
            signed(row["reach"]),
            percent(row["beyond"]),
        )
        for row in numbers["targets"]
    )
    head = ("target", "SD, raw", "90 % of unguided", "within prompts", "strongest push", "pushed beyond 95 %")
    return [Table(head, rows)]


def _draw(numbers: Numbers) -> dict[str, Figure]:
    rows = numbers["targets"]
    with style():
        figure = new_figure(0.9 + 0.4 * len(rows))
        axes = figure.add_subplot()
        label_rows(axes, [row["target"] for row in rows])
        for y, row in enumerate(rows):
            axes.plot(
                [row["low"], row["high"]], [y, y], color=MUTED, linewidth=6, solid_capstyle="butt", alpha=0.5
            )
            axes.plot(row["pushed"], [y] * len(row["pushed"]), "|", color=ACCENT, markersize=9)
        axes.set_xlabel("the guide’s score, SD of unguided pictures")
    return {"spread": figure}


CHECK = DiagnosisCheck(
    name="spread",
    title="Do pushes reach beyond what prompts give?",
    limits=(
        f"Good from {LIMITS[0]} SD by the guide’s own score at the largest strength, doubtful from "
        f"{LIMITS[1]}."
    ),
    run=_run,
    tables=_tables,
    draw=_draw,
    pictures=(
        Picture(
            "spread", "Bars: 90 % of unguided pictures. Strokes: single pictures at the largest strength."
        ),
    ),
)
