"""Do scores keep their order when a picture is cropped, mirrored, brightened or darkened?

Spearman correlation over unguided pictures between the scores of each picture and of its changed copy. A
score that reorders pictures that look the same to people reads something else than what they show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import stats

from almond.diagnosis.check import DiagnosisCheck, Finding, Numbers, graded
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Table
from almond.report.wording import decimal
from almond.typing import ImageArray

LIMITS = (0.9, 0.7)
CROPPED = 0.9
"""Share of each side that a crop keeps, around the centre."""
BRIGHTER, DARKER = 1.15, 0.85


def cropped(image: ImageArray) -> ImageArray:
    """Keep the middle 90 % of each side; readers resize it themselves."""
    height, width = image.shape[:2]
    rows, columns = round(height * (1 - CROPPED) / 2), round(width * (1 - CROPPED) / 2)
    return np.ascontiguousarray(image[rows : height - rows, columns : width - columns])


def mirrored(image: ImageArray) -> ImageArray:
    return np.ascontiguousarray(image[:, ::-1])


def brightened(image: ImageArray, factor: float = BRIGHTER) -> ImageArray:
    """Multiply all values, clipped to 255."""
    return np.asarray((image.astype(np.float64) * factor).round().clip(0, 255), np.uint8)


def darkened(image: ImageArray) -> ImageArray:
    return brightened(image, DARKER)


AUGMENTATIONS: Mapping[str, Callable[[ImageArray], ImageArray]] = {
    "cropped to 90 %": cropped,
    "mirrored": mirrored,
    "15 % brighter": brightened,
    "15 % darker": darkened,
}


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    rows: list[dict[str, Any]] = []
    originals = [evidence.images[row] for row in evidence.unguided]
    readers = [name for name in (evidence.guide, evidence.judge) if name]
    for number, (what, change) in enumerate(AUGMENTATIONS.items()):
        progress.report(number / len(AUGMENTATIONS), what)
        changed = [change(image) for image in originals]
        for reader in readers:
            before, after = evidence.scores[reader][evidence.unguided], evidence.read(reader, changed)
            rank = {
                target: rank_correlation(before[:, place], after[:, place])
                for place, target in enumerate(evidence.targets)
            }
            rows.append({"what": what, "reader": evidence.readers[reader].role, "rank": rank})
    guide = [(row["what"], *item) for row in rows if row["reader"] == "guide" for item in row["rank"].items()]
    what, target, least = min(guide, key=lambda item: float(item[2]))
    sentence = (
        f"The guide’s order of pictures changes most when they are {what} ({target}: {decimal(least, 2)})."
    )
    return Finding({"rows": rows, "pictures": len(originals)}, sentence, graded(least, *LIMITS))


def rank_correlation(before: Any, after: Any) -> float:
    """Compute Spearman's rho; 0 where either does not vary."""
    if np.ptp(before) == 0 or np.ptp(after) == 0:
        return 0.0
    return float(stats.spearmanr(before, after).statistic)


def _tables(numbers: Numbers) -> list[Table]:
    targets = list(numbers["rows"][0]["rank"])
    rows = tuple(
        (row["what"], row["reader"], *(decimal(row["rank"][target], 2) for target in targets))
        for row in numbers["rows"]
    )
    return [Table(("pictures are", "read by", *targets), rows, text=(0, 1))]


CHECK = DiagnosisCheck(
    name="augmentation",
    title="Are scores stable when a picture hardly changes?",
    limits=(
        f"By the guide: good from a Spearman correlation of {LIMITS[0]} everywhere, doubtful from "
        f"{LIMITS[1]}."
    ),
    run=_run,
    tables=_tables,
)
