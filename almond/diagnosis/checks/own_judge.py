"""Is the score being fooled? The shift that the guide sees against the shift that a held-out reader sees.

Guidance can satisfy a score without changing what is seen (adversarial examples). Where the guide's own score
moves by much more than that of a reader who took no part, it has done so. Both shifts are in SD of the same
unguided pictures, each reader's own, so that their ratio has no unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, Standing, worst_of
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Table
from almond.report.wording import decimal, signed
from almond.typing import Floats, Ints

FOOLED = 1.5
"""Own over judged shift from which a score counts as fooled."""
CLOSE = 1.25
LEAST_OWN = 0.25
"""SD by which a target's own score must move before anything can be said."""
LEAST_JUDGED = 0.05
"""SD of judged shift below which a ratio has no finite value."""


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    judge = evidence.judge
    if judge is None:
        raise NotMeasured("nobody held out reads the pictures; give a judge, or encoders of other subjects")
    rows = [_target_row(evidence, judge, target) for target in evidence.targets]
    readers = evidence.readers
    same = bool(readers[judge].features) and readers[judge].features == readers[evidence.guide].features
    standings = [row["standing"] for row in rows]
    fooled = [row for row in rows if row["standing"] == "bad"]
    numbers = {
        "judge": judge,
        "same_features": same,
        "targets": rows,
        "strengths": _by_strength(evidence, judge),
    }
    return Finding(numbers, _sentence(rows, same), worst_of(standings), _alarm(fooled))


def _target_row(evidence: DiagnosisEvidence, judge: str, target: str) -> dict[str, Any]:
    """Compare the shifts of one target at the largest strength; the range leaves out one prompt at a time."""
    rows = evidence.strongest[evidence.table["target"].to_numpy()[evidence.strongest] == target]
    own, judged = evidence.own_shifts(evidence.guide, rows), evidence.own_shifts(judge, rows)
    prompts = evidence.table["prompt"].to_numpy()[rows]
    left = [ratio_of(own[prompts != prompt], judged[prompts != prompt]) for prompt in np.unique(prompts)]
    finite = [value for value in left if value is not None]
    whole = len(finite) == len(left) > 1
    ratio = ratio_of(own, judged)
    return {
        "target": target,
        "own": float(own.mean()),
        "judged": float(judged.mean()),
        "ratio": ratio,
        "least": min(finite) if whole else None,
        "most": max(finite) if whole else None,
        "pictures": len(rows),
        "standing": _standing(float(own.mean()), ratio),
    }


def ratio_of(own: Floats, judged: Floats) -> float | None:
    """Divide the mean own by the mean judged shift; None where there is none or no judged shift."""
    if not len(own) or judged.mean() < LEAST_JUDGED:
        return None
    return float(own.mean() / judged.mean())


def _standing(own: float, ratio: float | None) -> Standing:
    if own < LEAST_OWN:
        return "doubtful"
    if ratio is None or ratio > FOOLED:
        return "bad"
    return "doubtful" if ratio > CLOSE else "good"


def _by_strength(evidence: DiagnosisEvidence, judge: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for strength in evidence.settings.ordered_strengths:
        rows: Ints = evidence.rows("guided", strength=strength)
        own, judged = evidence.own_shifts(evidence.guide, rows), evidence.own_shifts(judge, rows)
        found.append(
            {
                "strength": strength,
                "own": float(own.mean()),
                "judged": float(judged.mean()),
                "ratio": ratio_of(own, judged),
            }
        )
    return found


def _sentence(rows: Sequence[dict[str, Any]], same: bool) -> str:
    said = ", ".join(f"{row['target']} {_ratio(row)}" for row in rows)
    words = f"The guide’s own score moves by this many times what the judge sees: {said}."
    if unmoved := [row["target"] for row in rows if row["own"] < LEAST_OWN]:
        words += f" Guidance hardly moved {', '.join(unmoved)}, so that little can be said there."
    if same:
        words += " Judge and guide read the same image features: what misleads these misleads both."
    return words


def _alarm(fooled: Sequence[dict[str, Any]]) -> str:
    if not fooled:
        return ""
    said = ", ".join(
        f"{row['target']} (own {signed(row['own'])} SD, judged {signed(row['judged'])} SD)" for row in fooled
    )
    return f"The score is being fooled for {said}: it rises without what it stands for."


def _ratio(row: Numbers) -> str:
    return "no finite ratio" if row["ratio"] is None else decimal(row["ratio"], 2)


def _tables(numbers: Numbers) -> list[Table]:
    rows = tuple(
        (
            row["target"],
            signed(row["own"]),
            signed(row["judged"]),
            _ratio(row),
            "" if row["least"] is None else f"{row['least']:.2f} to {row['most']:.2f}",
            row["standing"],
        )
        for row in numbers["targets"]
    )
    by_strength = tuple(
        (f"{row['strength']:g}", signed(row["own"]), signed(row["judged"]), _ratio(row))
        for row in numbers["strengths"]
    )
    head = ("target", "own shift", "judged shift", "own / judged", "one prompt left out", "verdict")
    return [
        Table(head, rows, text=(0, 5)),
        Table(("strength", "own shift", "judged shift", "own / judged"), by_strength, folded="By strength"),
    ]


CHECK = DiagnosisCheck(
    name="own_judge",
    title="Is the score being fooled?",
    short="Fooled?",
    limits=f"Good up to {CLOSE}, doubtful up to {FOOLED}, bad above, or where the judge sees no shift.",
    run=_run,
    tables=_tables,
    decides=True,
)
