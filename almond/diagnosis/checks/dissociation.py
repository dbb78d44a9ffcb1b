"""Can the intended target be told from a picture's scores? Classification of the judge's score vectors.

PLS-DA of the scores of pictures guided up, centred within scenes, prompts held out as wholes; p by exchanging
targets within prompts (``almond.stats.classification``). Beside it the same pictures read by random regions:
every target's weights with their entries permuted over features. What random weights tell apart as well is
no dissociation of regions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from almond.diagnosis.check import DiagnosisCheck, Finding, NotMeasured, Numbers, Standing
from almond.diagnosis.evidence import DiagnosisEvidence
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.report.document import Table
from almond.report.wording import p_text, percent
from almond.rng import generator
from almond.stats.classification import centre_scenes, classify, held_out_accuracy
from almond.typing import Floats, Ints

ALPHA = 0.05


def _run(evidence: DiagnosisEvidence, progress: Progress) -> Finding:
    if evidence.judge is None:
        raise NotMeasured("nobody held out reads the pictures")
    rows = evidence.rows("guided", direction=1)
    targets, themes, scenes = (
        evidence.table[name].iloc[rows].astype(str).tolist() for name in ("target", "prompt", "scene")
    )
    settings = evidence.settings
    try:
        result = classify(
            centre_scenes(evidence.scores[evidence.judge][rows], scenes),
            targets,
            themes,
            permutations=settings.permutations,
            rng=generator(settings.seed, "diagnosis", "dissociation"),
            seed=settings.seed,
            method="pls",
            progress=Part(progress, 0.0, 0.8),
        )
    except InputError as reason:
        raise NotMeasured(f"{reason.problem}; expected: {reason.expected}") from reason
    control = _control(evidence, rows, targets, themes, scenes)
    numbers: dict[str, Any] = {
        "accuracy": result.accuracy,
        "chance": result.null_mean,
        "p": result.p,
        "permutations": result.permutations,
        "classes": list(result.classes),
        "recall": list(result.recall),
        "pairs": [dataclasses.asdict(pair) for pair in result.pairs],
        "pictures": len(rows),
        "random_regions": control,
    }
    return Finding(numbers, _sentence(numbers), _standing(numbers))


def random_scores(features: Floats, weights: Floats, unguided: Ints, rng: np.random.Generator) -> Floats:
    """Score features (n, D) by weights (T, D) whose entries are permuted, in SD of the unguided rows."""
    shuffled = rng.permuted(weights, axis=1)
    raw = features @ shuffled.T
    spread = raw[unguided].std(axis=0, ddof=1)
    return np.asarray((raw - raw[unguided].mean(axis=0)) / np.where(spread > 0, spread, 1.0), np.float64)


def scores_of_random_regions(evidence: DiagnosisEvidence, seed: str) -> Iterator[Floats]:
    """Yield the scores (n, T) of all pictures by sets of random regions; none without weights or features.

    :param seed: names the stream of random numbers.
    """
    reader = evidence.readers[evidence.guide]
    of_scorer = getattr(reader.scorer, "targets", None)
    if of_scorer is None or evidence.features is None:
        return
    weights = np.stack([of_scorer[column].weights for column in reader.columns])
    rng = generator(evidence.settings.seed, "diagnosis", seed)
    for _ in range(evidence.settings.random_regions):
        yield random_scores(evidence.features, weights, evidence.unguided, rng)


def _control(
    evidence: DiagnosisEvidence, rows: Ints, targets: list[str], themes: list[str], scenes: list[str]
) -> dict[str, Any] | None:
    """Classify by random regions; None where no weights or features were given."""
    accuracies = [
        held_out_accuracy(centre_scenes(scores[rows], scenes), targets, themes, method="pls")
        for scores in scores_of_random_regions(evidence, "random regions")
    ]
    if not accuracies:
        return None
    return {
        "sets": len(accuracies),
        "mean": float(np.mean(accuracies)),
        "high": float(np.quantile(accuracies, 0.975)),
    }


def _standing(numbers: Numbers) -> Standing:
    if numbers["p"] > ALPHA:
        return "bad"
    control = numbers["random_regions"]
    return "doubtful" if control is not None and numbers["accuracy"] <= control["mean"] else "good"


def _sentence(numbers: Numbers) -> str:
    words = (
        f"From the judge’s scores {percent(numbers['accuracy'])} of pictures are assigned to the target that "
        f"guided them, prompts held out (chance {percent(numbers['chance'])}, {p_text(numbers['p'])})"
    )
    if control := numbers["random_regions"]:
        words += (
            f"; random regions assign {percent(control['mean'])} of them (97.5 % quantile "
            f"{percent(control['high'])})"
        )
    return f"{words}."


def _tables(numbers: Numbers) -> list[Table]:
    recall = tuple(
        (name, percent(value)) for name, value in zip(numbers["classes"], numbers["recall"], strict=True)
    )
    pairs = tuple(
        (f"{pair['first']} and {pair['second']}", percent(pair["accuracy"]), p_text(pair["p_max"]))
        for pair in numbers["pairs"]
    )
    return [
        Table(("intended target", "assigned to it"), recall),
        Table(("pair", "accuracy", "family-wise p"), pairs, folded="Pairs of targets"),
    ]


CHECK = DiagnosisCheck(
    name="dissociation",
    title="Can targets be told apart?",
    limits=f"Bad where p is above {ALPHA}; doubtful where random regions tell the pictures apart as well.",
    run=_run,
    tables=_tables,
)
