"""Do pictures group by the target that guided them, without being told it? Clusters and dissimilarities.

The judge's score vectors of pictures guided up, centred within scenes. Ward's tree (1963) of them is cut into
as many clusters as there are targets; the adjusted Rand index (Hubert & Arabie 1985) says how well clusters
and targets agree. Euclidean distances between pictures of *different* prompts are compared with the matrix
that is 0 within a target and 1 between targets, and with the guide's distances, by rho-a
(``almond.stats.geometry.rank_pairs``). p by exchanging the targets of a prompt as wholes, which leaves what
all pictures of a prompt share. Beside it the same by random regions, as in ``dissociation``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, Standing
from almond.diagnosis.checks.dissociation import scores_of_random_regions
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.progress import Progress
from almond.report.document import Table
from almond.report.wording import decimal, p_text
from almond.rng import generator
from almond.significance import permutation_p
from almond.stats.classification import centre_scenes
from almond.stats.geometry.partitions import adjusted_rand, contingency
from almond.stats.geometry.rank_pairs import distances, midranks, pairs_between, rho_a, rho_a_of
from almond.stats.permutation import relabel_within
from almond.typing import Floats, Ints

ALPHA = 0.05
LEAST_PROMPTS = 3


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    if evidence.judge is None:
        raise NotMeasured("nobody held out reads the pictures")
    rows = evidence.rows("guided", direction=1)
    frame = evidence.table.iloc[rows]
    targets = np.unique(frame["target"].astype(str), return_inverse=True)[1].astype(np.intp)
    prompts = np.unique(frame["prompt"].astype(str), return_inverse=True)[1].astype(np.intp)
    scenes = frame["scene"].astype(str).tolist()
    if targets.max() < 1 or prompts.max() < LEAST_PROMPTS - 1:
        raise NotMeasured(
            f"{targets.max() + 1} targets and {prompts.max() + 1} prompts; give two targets and "
            f"{LEAST_PROMPTS} prompts or more"
        )
    judged, guided = (
        centre_scenes(evidence.scores[name][rows], scenes) for name in (evidence.judge, evidence.guide)
    )
    settings = evidence.settings
    rng = generator(settings.seed, "diagnosis", "grouping")
    labels = np.vstack([targets, relabel_within(targets, prompts, settings.permutations, rng)])
    pairs = pairs_between(prompts)
    apart, tree = distances(judged, *pairs), ward_labels(judged, int(targets.max()) + 1)
    rand, rho = np.empty(len(labels)), np.empty(len(labels))
    once = np.ones((len(apart), 1))
    near = midranks(apart, once)
    for number, some in enumerate(labels):
        if number % 50 == 0:
            progress.report(0.7 * number / len(labels), f"{number} of {settings.permutations} permutations")
        rand[number] = adjusted_rand(contingency(tree, some))
        differs = (some[pairs[0]] != some[pairs[1]]).astype(np.float64)
        rho[number] = rho_a(near, midranks(differs, once), once)[0]
    numbers: dict[str, Any] = {
        "pictures": len(rows),
        "rand": float(rand[0]),
        "p_rand": permutation_p(rand[1:], float(rand[0])),
        "rho": float(rho[0]),
        "p_rho": permutation_p(rho[1:], float(rho[0])),
        "rho_of_readers": rho_a_of(apart, distances(guided, *pairs)),
        "permutations": settings.permutations,
        "random_regions": _control(evidence, rows, targets, pairs, scenes),
    }
    return Finding(numbers, _sentence(numbers), _standing(numbers))


def ward_labels(scores: Floats, count: int) -> Ints:
    """Cut Ward's tree of the rows of ``scores`` (n, T) into at most ``count`` clusters, (n,) from 0."""
    return np.asarray(fcluster(linkage(scores, "ward"), count, "maxclust") - 1, np.intp)


def _control(
    evidence: DiagnosisEvidence, rows: Ints, targets: Ints, pairs: tuple[Ints, Ints], scenes: list[str]
) -> dict[str, Any] | None:
    """Group by random regions; None where no weights or features were given."""
    differs = (targets[pairs[0]] != targets[pairs[1]]).astype(np.float64)
    rands, rhos = [], []
    for scores in scores_of_random_regions(evidence, "grouping by random regions"):
        centred = centre_scenes(scores[rows], scenes)
        clusters = ward_labels(centred, int(targets.max()) + 1)
        rands.append(adjusted_rand(contingency(clusters, targets)))
        rhos.append(rho_a_of(distances(centred, *pairs), differs))
    if not rands:
        return None
    return {"sets": len(rands), "rand": float(np.mean(rands)), "rho": float(np.mean(rhos))}


def _standing(numbers: Numbers) -> Standing:
    if numbers["p_rho"] > ALPHA and numbers["p_rand"] > ALPHA:
        return "bad"
    control = numbers["random_regions"]
    alike = control is not None and numbers["rho"] <= control["rho"] and numbers["rand"] <= control["rand"]
    return "doubtful" if alike or max(numbers["p_rho"], numbers["p_rand"]) > ALPHA else "good"


def _sentence(numbers: Numbers) -> str:
    words = (
        f"Clusters of the judge’s scores agree with the targets by an adjusted Rand index of "
        f"{decimal(numbers['rand'], 2)} ({p_text(numbers['p_rand'])}); pictures of one target are nearer "
        f"than those of two by rho-a {decimal(numbers['rho'], 2)} ({p_text(numbers['p_rho'])}), and the "
        f"distances of guide and judge agree by {decimal(numbers['rho_of_readers'], 2)}"
    )
    if control := numbers["random_regions"]:
        words += f"; random regions reach {decimal(control['rand'], 2)} and {decimal(control['rho'], 2)}"
    return f"{words}."


def _tables(numbers: Numbers) -> list[Table]:
    control = numbers["random_regions"]
    rows = [
        ("clusters against targets, adjusted Rand index", "rand", "p_rand"),
        ("distances against targets, rho-a", "rho", "p_rho"),
    ]
    return [
        Table(
            ("what", "judge", "p", "random regions"),
            tuple(
                (
                    words,
                    decimal(numbers[name], 2),
                    p_text(numbers[p]),
                    "–" if control is None else decimal(control[name], 2),
                )
                for words, name, p in rows
            ),
        )
    ]


CHECK = DiagnosisCheck(
    name="grouping",
    title="Do pictures group by target?",
    limits=(
        f"Good where clusters and distances both follow the targets (p up to {ALPHA}) and more than those of "
        "random regions; bad where neither does."
    ),
    run=_run,
    tables=_tables,
)
