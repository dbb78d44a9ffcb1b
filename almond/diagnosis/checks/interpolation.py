"""Is the way from one noise to another smooth? Steps in feature space between pictures at equal spacing.

Guidance that jumps when the noise hardly changes cannot give trajectories. The largest of the steps between
neighbours is divided by the mean step: 1 for an even way, the number of steps where one jump is all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, graded
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Table
from almond.report.wording import decimal, signed
from almond.typing import Floats

LIMITS = (2.0, 3.0)


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    if evidence.features is None:
        raise NotMeasured("no feature space was given, in which steps could be measured")
    rows = evidence.rows("between")
    if not len(rows):
        raise NotMeasured("no pictures between noises were asked for; set interpolations to 1 or more")
    ways = []
    for (prompt, target), way in evidence.table.iloc[rows].groupby(["prompt", "target"], sort=False):
        ordered = way.sort_values("fraction").index.to_numpy(np.intp)
        place = evidence.targets.index(str(target) or evidence.targets[0])
        ways.append(
            {
                "prompt": str(prompt),
                "target": str(target),
                "evenness": evenness(evidence.features[ordered]),
                "scores": evidence.scores[evidence.judge or evidence.guide][ordered, place].tolist(),
            }
        )
    guided = [way["evenness"] for way in ways if way["target"]]
    plain = [way["evenness"] for way in ways if not way["target"]]
    numbers: dict[str, Any] = {
        "ways": ways,
        "guided": float(np.mean(guided)),
        "unguided": float(np.mean(plain)),
        "read_by": evidence.readers[evidence.judge or evidence.guide].role,
    }
    sentence = (
        f"Between two noises the largest step is {decimal(numbers['guided'], 1)} times the mean one with "
        f"guidance and {decimal(numbers['unguided'], 1)} times without."
    )
    return Finding(numbers, sentence, graded(numbers["guided"], *LIMITS))


def evenness(features: Floats) -> float:
    """Divide the largest step between consecutive rows of (k, D) by the mean step; 1 where nothing moves."""
    steps = np.linalg.norm(np.diff(features, axis=0), axis=1)
    return float(steps.max() / steps.mean()) if steps.mean() > 0 else 1.0


def _tables(numbers: Numbers) -> list[Table]:
    rows = tuple(
        (
            way["prompt"],
            f"towards {way['target']}" if way["target"] else "none",
            decimal(way["evenness"], 2),
            ", ".join(signed(value, 1) for value in way["scores"]),
        )
        for way in numbers["ways"]
    )
    head = ("prompt", "guidance", "largest / mean step", f"scores on the way, by the {numbers['read_by']}")
    return [Table(head, rows, text=(0, 1, 3), wrapped=(0,))]


CHECK = DiagnosisCheck(
    name="interpolation",
    title="Is the way between two noises smooth?",
    limits=(
        f"Good up to a largest step of {LIMITS[0]:g} mean steps with guidance, doubtful up to {LIMITS[1]:g}."
    ),
    run=_run,
    tables=_tables,
)
