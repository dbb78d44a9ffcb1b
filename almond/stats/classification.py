"""Classify rating profiles into intended targets, base scenes held out.

Unit: the stimulus (its mean profile over participants). Labels are permuted *within base scene* and the whole
cross-validation is repeated, so that neither scenes nor the shape of the folds can produce an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.finite import require_finite
from almond.progress import Part, Progress, Silent
from almond.significance import max_statistic_p, permutation_p
from almond.stats.discriminant import METHODS, Classifier, held_out_scores
from almond.stats.multiple import holm
from almond.stats.permutation import shuffle_within
from almond.typing import Floats, Ints

BATCH = 500
VARIANTS: dict[str, tuple[str, bool]] = {
    "lda": ("lda", False),
    "pls": ("pls", False),
    "lda_within": ("lda", True),
}
"""Name -> (method, profiles centred within base scene). The first is primary, the others stand beside it."""

Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class PairResult:
    """Two classes separated by the difference of their scores. ``p_max`` is family-wise (max statistic)."""

    first: str
    second: str
    accuracy: float
    chance: float
    p: float
    p_max: float
    p_holm: float


@dataclass(frozen=True)
class Classification:
    """Held-out classification of stimuli. ``confusion`` (C, C): rows intended, columns predicted, counts.

    ``null_mean`` is chance re-derived: the mean balanced accuracy over permutations.
    """

    method: str
    description: str
    classes: tuple[str, ...]
    accuracy: float
    chance: float
    null_mean: float
    null_quantiles: tuple[float, float, float]
    p: float
    permutations: int
    seed: int
    confusion: Counts
    recall: tuple[float, ...]
    scene_accuracy: dict[str, float]
    predicted: tuple[str, ...]
    pairs: tuple[PairResult, ...]
    null: Floats


def confusion_matrix(predicted: Ints, true: Ints, classes: int) -> Counts:
    """Count (C, C) how often ``predicted`` (n,) gives which class for ``true`` (n,): rows true, in 0..C-1."""
    counts = np.bincount(true * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def balanced_accuracy(predicted: Ints, labels: Ints, classes: int) -> Floats:
    """Compute the mean recall over classes for each row of (B, n) predictions and labels -> (B,)."""
    correct = predicted == labels
    recalls = []
    for index in range(classes):
        members = labels == index
        recalls.append((correct & members).sum(axis=1) / np.maximum(members.sum(axis=1), 1))
    mean: Floats = np.mean(recalls, axis=0)
    return mean


def pair_accuracies(scores: Floats, labels: Ints, classes: int) -> Floats:
    """Compute per pair of classes (B, pairs) the share of stimuli that score higher on their own class."""
    accuracies = []
    for first, second in combinations(range(classes), 2):
        ahead = scores[:, :, first] > scores[:, :, second]
        ours, theirs = labels == first, labels == second
        right = (ahead & ours).sum(axis=1) / np.maximum(ours.sum(axis=1), 1)
        left = (~ahead & theirs).sum(axis=1) / np.maximum(theirs.sum(axis=1), 1)
        accuracies.append((right + left) / 2.0)
    return np.stack(accuracies, axis=1)


def check_design(
    values: Floats, targets: Sequence[str], scenes: Sequence[str]
) -> tuple[Ints, np.ndarray[Any, Any], tuple[str, ...]]:
    """Return labels (n,) in 0..C-1, scenes (n,) and classes (C,).

    :raises InputError: values that are not finite, or a design in which no scene can be held out.
    """
    classes, labels = np.unique(np.asarray(targets, dtype=str), return_inverse=True)
    scene_names, scene_codes = np.unique(np.asarray(scenes, dtype=str), return_inverse=True)
    require_finite(values, "rating profiles", axes=("stimulus", "rating"))
    if len(classes) < 2:
        raise InputError("classification", f"{len(classes)} intended target", "at least two")
    if len(scene_names) < 3:
        raise InputError("classification", f"{len(scene_names)} base scenes", "at least three")
    mixed = [np.unique(labels[scene_codes == code]).size > 1 for code in range(len(scene_names))]
    if not any(mixed):
        problem = "no base scene has images of two targets, so labels cannot be exchanged within scenes"
        raise InputError("classification", problem, "scenes crossed with targets")
    counts = [np.unique(scene_codes[labels == index]).size for index in range(len(classes))]
    if min(counts) < 2:
        name = classes[int(np.argmin(counts))]
        raise InputError("classification", f"target {name} appears in one base scene", "two or more")
    return labels.reshape(-1), scene_names[scene_codes.reshape(-1)], tuple(map(str, classes))


def classify(
    values: Floats,
    targets: Sequence[str],
    scenes: Sequence[str],
    *,
    permutations: int,
    rng: np.random.Generator,
    seed: int,
    method: str = "lda",
    progress: Progress | None = None,
) -> Classification:
    """Classify profiles into intended targets, each base scene held out in turn, and test the accuracy.

    :param values: (n, K) mean rating profiles of n stimuli.
    :param targets: (n,) intended target of each. :param scenes: (n,) base scene of each.
    :param permutations: B shuffles of the targets within scenes.
    :param rng: draws the permutations. :param seed: only recorded, to name where ``rng`` came from.
    :param method: a name of ``METHODS``.
    :raises InputError: a design that cannot be cross-validated over scenes.
    """
    labels, where, classes = check_design(values, targets, scenes)
    description, classifier = METHODS[method]
    scores = held_out_scores(values, labels[None], where, len(classes), classifier)
    predicted = scores.argmax(axis=2)
    observed = float(balanced_accuracy(predicted, labels[None], len(classes))[0])
    pairs = pair_accuracies(scores, labels[None], len(classes))[0]
    null, null_pairs = permuted_accuracies(
        values,
        labels,
        where,
        classes=len(classes),
        classifier=classifier,
        permutations=permutations,
        rng=rng,
        progress=progress or Silent(),
    )
    right = predicted[0] == labels
    return Classification(
        method=method,
        description=description,
        classes=classes,
        accuracy=observed,
        chance=1.0 / len(classes),
        null_mean=float(null.mean()),
        null_quantiles=quantiles(null),
        p=permutation_p(null, observed),
        permutations=permutations,
        seed=seed,
        confusion=confusion_matrix(predicted[0], labels, len(classes)),
        recall=tuple(float(right[labels == index].mean()) for index in range(len(classes))),
        scene_accuracy={str(scene): float(right[where == scene].mean()) for scene in np.unique(where)},
        predicted=tuple(classes[index] for index in predicted[0]),
        pairs=pair_results(classes, pairs, null_pairs),
        null=null,
    )


def permuted_accuracies(
    values: Floats,
    labels: Ints,
    scenes: np.ndarray[Any, Any],
    *,
    classes: int,
    classifier: Classifier,
    permutations: int,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Floats, Floats]:
    """Cross-validate B shuffles of labels within scenes: balanced accuracies (B,), of pairs (B, pairs)."""
    accuracies, pairs, done = [], [], 0
    while done < permutations:
        size = min(BATCH, permutations - done)
        shuffled = shuffle_within(labels, scenes, size, rng)
        scores = held_out_scores(values, shuffled, scenes, classes, classifier)
        accuracies.append(balanced_accuracy(scores.argmax(axis=2), shuffled, classes))
        pairs.append(pair_accuracies(scores, shuffled, classes))
        done += size
        progress.report(done / permutations, f"{done} of {permutations} permutations")
    return np.concatenate(accuracies), np.concatenate(pairs)


def quantiles(null: Floats) -> tuple[float, float, float]:
    """Return the 2.5, 50 and 97.5 % quantiles."""
    low, middle, high = np.quantile(null, [0.025, 0.5, 0.975])
    return float(low), float(middle), float(high)


def pair_results(classes: tuple[str, ...], observed: Floats, null: Floats) -> tuple[PairResult, ...]:
    """Test every pair by itself, family-wise by the max statistic, and by Holm's procedure."""
    family_wise = max_statistic_p(null.max(axis=1), observed)
    own = [permutation_p(null[:, index], value) for index, value in enumerate(observed)]
    adjusted = holm(own)
    return tuple(
        PairResult(
            first=classes[first],
            second=classes[second],
            accuracy=float(observed[index]),
            chance=float(null[:, index].mean()),
            p=own[index],
            p_max=float(family_wise[index]),
            p_holm=adjusted[index],
        )
        for index, (first, second) in enumerate(combinations(range(len(classes)), 2))
    )


def centre_scenes(values: Floats, scenes: Sequence[str]) -> Floats:
    """Subtract from profiles (n, K) the mean profile of their base scene's images, without the labels."""
    where = np.asarray(scenes, dtype=str)
    centred = np.array(values, dtype=np.float64)
    for scene in np.unique(where):
        centred[where == scene] -= centred[where == scene].mean(axis=0)
    return centred


def classify_variants(
    values: Floats,
    targets: Sequence[str],
    scenes: Sequence[str],
    *,
    permutations: int,
    generators: dict[str, np.random.Generator],
    seed: int,
    progress: Progress,
) -> dict[str, Classification]:
    """Classify once per name of ``VARIANTS``, each with its own generator; see :func:`classify`."""
    classifications = {}
    for index, (name, (method, centred)) in enumerate(VARIANTS.items()):
        part = Part(progress, index / len(VARIANTS), (index + 1) / len(VARIANTS))
        classifications[name] = classify(
            centre_scenes(values, scenes) if centred else values,
            targets,
            scenes,
            permutations=permutations,
            rng=generators[name],
            seed=seed,
            method=method,
            progress=part,
        )
    return classifications
