"""Do encoders of different subjects, or of different feature networks, mean the same by a score?

Pearson correlation of scores between readers over unguided pictures, where no reader has been pushed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, graded, worst_of
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Table
from almond.report.wording import decimal
from almond.stats.correlation import correlations
from almond.typing import Floats

LIMITS = (0.7, 0.4)


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    subjects, networks = evidence.named("subject"), evidence.named("network")
    pairs: dict[str, list[tuple[str, str]]] = {
        "between subjects": list(combinations(subjects, 2)),
        "between feature networks": [(evidence.guide, name) for name in networks],
        "guide and judge": [(evidence.guide, evidence.judge)] if evidence.judge else [],
    }
    rows = [_row(evidence, what, of_kind) for what, of_kind in pairs.items() if of_kind]
    if not rows:
        raise NotMeasured("there is one reader only; give encoders of single subjects, a judge or a network")
    least = min(rows, key=lambda row: min(row["r"].values()))
    target, r = min(least["r"].items(), key=lambda item: float(item[1]))
    absent = [what for what, of_kind in pairs.items() if not of_kind]
    sentence = f"Readers agree least {_where(least['what'])} on {target}: mean r = {decimal(r, 2)}."
    if absent:
        sentence += f" Not given: {', '.join(absent)}."
    standing = worst_of([graded(value, *LIMITS) for row in rows for value in row["r"].values()])
    return Finding({"rows": rows, "pictures": len(evidence.unguided)}, sentence, standing)


def _where(what: str) -> str:
    return what if what.startswith("between") else f"between {what}"


def _row(evidence: DiagnosisEvidence, what: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    unguided = evidence.unguided
    values: Floats = np.stack(
        [
            correlations(evidence.scores[first][unguided].T, evidence.scores[second][unguided].T)
            for first, second in pairs
        ]
    )
    r = dict(zip(evidence.targets, values.mean(axis=0).tolist(), strict=True))
    least = dict(zip(evidence.targets, values.min(axis=0).tolist(), strict=True))
    return {"what": what, "pairs": len(pairs), "r": r, "least": least}


def _tables(numbers: Numbers) -> list[Table]:
    targets = list(numbers["rows"][0]["r"])
    rows = tuple(
        (row["what"], str(row["pairs"]), *(decimal(row["r"][target], 2) for target in targets))
        for row in numbers["rows"]
    )
    return [Table(("mean correlation", "pairs", *targets), rows)]


CHECK = DiagnosisCheck(
    name="agreement",
    title="Do readers agree?",
    limits=(
        f"Good from a mean r of {LIMITS[0]} for every target over unguided pictures, doubtful from "
        f"{LIMITS[1]}."
    ),
    run=_run,
    tables=_tables,
)
