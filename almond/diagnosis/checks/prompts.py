"""Does “high” always give the same thing? Distances between guided pictures of different prompts.

In the features of the guide: the mean distance between pictures of different prompts guided up for one
target, divided by that between their unguided pictures; and the distance of guided pictures to the nearest
unguided one, divided by that between unguided pictures (the distance to the prior). Guidance that ends in one
picture whatever the prompt brings the first towards 0; guidance that leaves what the model draws drives the
second up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, graded, worst_of
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Table
from almond.report.wording import decimal
from almond.stats.geometry.rank_pairs import distances, pairs_between
from almond.typing import Floats, Ints

SPREAD_LIMITS = (0.75, 0.5)
PRIOR_LIMITS = (1.5, 2.5)


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    features = evidence.features
    if features is None:
        raise NotMeasured("no feature space was given, in which distances could be measured")
    if len(evidence.settings.prompts) < 2:
        raise NotMeasured("one prompt; give two or more")
    near = nearest(features[evidence.unguided], features[evidence.unguided], same=True)
    rows = [_row(evidence, features, target, float(near.mean())) for target in evidence.targets]
    same, far = min(rows, key=lambda row: row["spread"]), max(rows, key=lambda row: row["prior"])
    sentence = (
        f"Pictures of different prompts stay {decimal(same['spread'], 2)} times as far apart as "
        "unguided ones "
        f"where guidance narrows them most ({same['target']}); the farthest from the prior lie "
        f"{decimal(far['prior'], 2)} times as far from the nearest unguided picture as these from each other "
        f"({far['target']})."
    )
    standings = [
        worst_of([graded(row["spread"], *SPREAD_LIMITS), graded(row["prior"], *PRIOR_LIMITS)]) for row in rows
    ]
    return Finding({"targets": rows, "nearest_unguided": float(near.mean())}, sentence, worst_of(standings))


def _row(evidence: DiagnosisEvidence, features: Floats, target: str, near: float) -> dict[str, Any]:
    rows = evidence.rows("guided", target=target, direction=1, strength=evidence.settings.strongest)
    prompts = evidence.table["prompt"].to_numpy()[rows]
    guided, bases = (_between_prompts(features, some, prompts) for some in (rows, evidence.bases(rows)))
    away = nearest(features[rows], features[evidence.unguided], same=False)
    return {
        "target": target,
        "spread": guided / bases if bases > 0 else 0.0,
        "prior": float(away.mean()) / near if near > 0 else 0.0,
        "pictures": len(rows),
    }


def _between_prompts(features: Floats, rows: Ints, prompts: np.ndarray[Any, Any]) -> float:
    """Average the distance between pictures of different prompts."""
    first, second = pairs_between(prompts)
    return float(distances(features[rows], first, second).mean())


def nearest(features: Floats, pool: Floats, *, same: bool) -> Floats:
    """Compute the distance (n,) of each row of (n, D) to the nearest of ``pool`` (m, D).

    :param same: the rows are the pool, and none is its own neighbour.
    """
    squares = (features**2).sum(axis=1)[:, None] + (pool**2).sum(axis=1)[None] - 2.0 * features @ pool.T
    apart = np.sqrt(np.maximum(squares, 0.0))
    if same:
        np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1), np.float64)


def _tables(numbers: Numbers) -> list[Table]:
    rows = tuple(
        (row["target"], decimal(row["spread"], 2), decimal(row["prior"], 2)) for row in numbers["targets"]
    )
    return [Table(("target", "spread over prompts, of unguided", "distance to the prior, of unguided"), rows)]


CHECK = DiagnosisCheck(
    name="prompts",
    title="Does “high” always give the same thing?",
    limits=(
        f"Good where prompts stay {SPREAD_LIMITS[0]} times as far apart as unguided and guided "
        "pictures lie at "
        f"most {PRIOR_LIMITS[0]} times as far from the prior; bad below {SPREAD_LIMITS[1]} or above "
        f"{PRIOR_LIMITS[1]}."
    ),
    run=_run,
    tables=_tables,
)
