"""Do scores mean the same on natural pictures, and on the film that the encoders were fitted to?

Where unguided pictures lie among natural ones (mean and SD of the scores), how far guided ones leave their
range, and whether guide and judge agree there as they do on generated pictures. Agreement on the film's own
frames but not on photographs says that a score holds for the film.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, Standing, graded, worst_of
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Part, Progress
from almond.report.document import Table
from almond.report.wording import decimal, percent, signed
from almond.stats.correlation import correlations
from almond.typing import Floats, ImageArray

FILM = "film frames"
"""Name of the set of the film's own frames among natural images."""

AGREEMENT_LIMITS = (0.5, 0.2)
OFFSET_LIMITS = (1.5, 3.0)
"""SD between the mean of natural and of unguided pictures."""
FILM_ONLY = 0.3
"""Difference of correlations from which a score counts as the film's."""
LEAST_IMAGES = 5


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    sets = {name: images for name, images in evidence.others.items() if len(images) >= LEAST_IMAGES}
    if not sets:
        raise NotMeasured(f"no set of {LEAST_IMAGES} natural pictures or film frames was given")
    rows: list[dict[str, Any]] = []
    for number, (name, images) in enumerate(sets.items()):
        part = Part(progress, number / len(sets), (number + 1) / len(sets))
        part.report(0.0, name)
        rows += _set_rows(evidence, name, images)
    film_only = _film_only(rows)
    standing = worst_of([_standing(row) for row in rows])
    if film_only and standing == "good":
        standing = "doubtful"
    return Finding({"rows": rows, "film_only": film_only}, _sentence(rows, film_only), standing)


def _set_rows(evidence: DiagnosisEvidence, name: str, images: Sequence[ImageArray]) -> list[dict[str, Any]]:
    own = evidence.read(evidence.guide, images)
    judged = evidence.read(evidence.judge, images) if evidence.judge else None
    tops = evidence.scores[evidence.guide]
    rows = []
    for place, target in enumerate(evidence.targets):
        up = evidence.rows("guided", target=target, direction=1, strength=evidence.settings.strongest)
        rows.append(
            {
                "set": name,
                "images": len(images),
                "target": target,
                "mean": float(own[:, place].mean()),
                "sd": float(own[:, place].std(ddof=1)),
                "beyond": float((tops[up, place] > own[:, place].max()).mean()),
                "r": None if judged is None else _r(own[:, place], judged[:, place]),
            }
        )
    return rows


def _r(own: Floats, judged: Floats) -> float:
    return float(correlations(own, judged))


def _standing(row: Numbers) -> Standing:
    offset = graded(abs(row["mean"]), *OFFSET_LIMITS)
    return offset if row["r"] is None else worst_of([offset, graded(row["r"], *AGREEMENT_LIMITS)])


def _film_only(rows: Sequence[Numbers]) -> list[str]:
    """List the targets on which guide and judge agree on the film and not on other natural pictures."""
    film = {row["target"]: row["r"] for row in rows if row["set"] == FILM and row["r"] is not None}
    rest = {row["target"]: row["r"] for row in rows if row["set"] != FILM and row["r"] is not None}
    return [name for name, r in film.items() if name in rest and r - rest[name] >= FILM_ONLY]


def _sentence(rows: Sequence[Numbers], film_only: Sequence[str]) -> str:
    far = max(rows, key=lambda row: abs(row["mean"]))
    words = (
        f"{far['set'].capitalize()} score {signed(far['mean'])} SD beside unguided pictures where "
        "they differ "
        f"most ({far['target']})"
    )
    read = [row for row in rows if row["r"] is not None]
    if read:
        least = min(read, key=lambda row: row["r"])
        words += (
            f"; guide and judge agree there with r = {decimal(least['r'], 2)} or more ({least['target']})"
        )
    if film_only:
        words += f"; they agree on the film but not beyond it for {', '.join(film_only)}"
    return f"{words}."


def _tables(numbers: Numbers) -> list[Table]:
    rows = tuple(
        (
            row["set"],
            row["target"],
            str(row["images"]),
            signed(row["mean"]),
            decimal(row["sd"], 2),
            percent(row["beyond"]),
            decimal(row["r"], 2, "no judge"),
        )
        for row in numbers["rows"]
    )
    head = ("pictures", "target", "n", "mean", "SD", "pushed above all of them", "r of guide and judge")
    return [Table(head, rows, text=(0, 1))]


CHECK = DiagnosisCheck(
    name="natural",
    title="Do scores mean the same on natural pictures?",
    limits=(
        f"Good where natural pictures score within {OFFSET_LIMITS[0]} SD of unguided ones and guide "
        "and judge "
        f"agree there with r of {AGREEMENT_LIMITS[0]} or more; bad beyond {OFFSET_LIMITS[1]} SD or below "
        f"{AGREEMENT_LIMITS[1]}."
    ),
    run=_run,
    tables=_tables,
)
