"""What does guidance after the release do? Late steps add texture, which can raise a score and nothing else.

One picture per scene and target is guided at the largest strength from the end of the window to the finished
image. If its own score rises and the judge's does not, the score can be painted onto a picture: a reason to
keep the window closed there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, Standing
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Table
from almond.report.wording import percent, signed

LEAST_OWN = 0.25
"""SD of own shift below which late guidance moves nothing."""
FOLLOWS = 2.0 / 3.0
"""Share of the own shift that the judge must see for the score not to be fooled."""


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    rows = evidence.rows("late")
    if not len(rows):
        raise NotMeasured("the window reaches to the end: there is nothing after its release")
    if evidence.judge is None:
        raise NotMeasured("nobody held out reads the pictures")
    usual = evidence.rows("guided", direction=1, strength=evidence.settings.strongest)
    numbers: dict[str, Any] = {"pictures": len(rows), "targets": []}
    for target in ("", *evidence.targets):
        values: dict[str, Any] = {"target": target or "all"}
        for name, some in (("window", usual), ("late", rows)):
            mine = some if not target else some[evidence.table["target"].to_numpy()[some] == target]
            values[f"{name}_own"] = float(np.mean(evidence.own_shifts(evidence.guide, mine)))
            values[f"{name}_judged"] = float(np.mean(evidence.own_shifts(evidence.judge, mine)))
        numbers["targets"].append(values)
    return Finding(numbers, _sentence(numbers["targets"][0]), _standing(numbers["targets"][0]))


def _standing(row: Numbers) -> Standing:
    if row["late_own"] < LEAST_OWN or row["late_judged"] >= FOLLOWS * row["late_own"]:
        return "good"
    return "doubtful"


def _sentence(row: Numbers) -> str:
    words = (
        f"Guidance after the release moves the own score by {signed(row['late_own'])} SD and the judge’s by "
        f"{signed(row['late_judged'])}; in the window {signed(row['window_own'])} and "
        f"{signed(row['window_judged'])}."
    )
    if row["late_own"] < LEAST_OWN:
        return f"{words} Late guidance moves nothing."
    if row["late_judged"] >= FOLLOWS * row["late_own"]:
        return f"{words} The judge follows."
    share = percent(max(row["late_judged"], 0.0) / row["late_own"])
    return f"{words} The judge sees {share} of it: late steps paint the score on, so keep the window closed."


def _tables(numbers: Numbers) -> list[Table]:
    names = ("window_own", "window_judged", "late_own", "late_judged")
    rows = tuple((row["target"], *(signed(row[name]) for name in names)) for row in numbers["targets"])
    return [Table(("target", "window, own", "window, judged", "late, own", "late, judged"), rows)]


CHECK = DiagnosisCheck(
    name="late",
    title="What does late guidance do?",
    limits="Doubtful where it raises the own score and the judge sees less than two thirds of that.",
    run=_run,
    tables=_tables,
)
