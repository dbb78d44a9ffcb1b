"""Classify rating profiles into intended targets, themes held out as wholes.

Unit: the theme, all images of one prompt whatever their seeds; a profile is an image's mean over
participants. Targets change names *within theme*, as wholes, and the whole cross-validation is repeated, so
that neither themes nor the shape of the folds can produce an effect. Participants are held fixed: the test
asks about these people, and where people differ in how they see a target it rejects too often as a claim
about people in general (``almond.stats.profile_difference`` is the test of that).
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
from almond.stats.permutation import relabel_within
from almond.typing import Floats, Ints

BATCH = 500
MIN_THEMES = 3
VARIANTS: dict[str, tuple[str, bool]] = {
    "lda": ("lda", False),
    "pls": ("pls", False),
    "lda_within": ("lda", True),
}
"""Name -> (method, profiles centred within base scene). The first is the main one."""

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
    theme_accuracy: dict[str, float]
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
    values: Floats, targets: Sequence[str], themes: Sequence[str]
) -> tuple[Ints, np.ndarray[Any, Any], tuple[str, ...]]:
    """Return labels (n,) in 0..C-1, themes (n,) and classes (C,).

    :raises InputError: values that are not finite, or a design in which no theme can be held out.
    """
    classes, labels = np.unique(np.asarray(targets, dtype=str), return_inverse=True)
    names, codes = np.unique(np.asarray(themes, dtype=str), return_inverse=True)
    require_finite(values, "rating profiles", axes=("stimulus", "rating"))
    if len(classes) < 2:
        raise InputError("classification", f"{len(classes)} intended target", "at least two")
    if len(names) < MIN_THEMES:
        raise InputError("classification", f"{len(names)} themes", f"at least {MIN_THEMES}")
    mixed = [np.unique(labels[codes == code]).size > 1 for code in range(len(names))]
    if not any(mixed):
        problem = "no theme has images of two targets, so labels cannot be exchanged within themes"
        raise InputError("classification", problem, "themes crossed with targets")
    counts = [np.unique(codes[labels == index]).size for index in range(len(classes))]
    if min(counts) < 2:
        name = classes[int(np.argmin(counts))]
        raise InputError("classification", f"target {name} appears in one theme", "two or more")
    return labels.reshape(-1), names[codes.reshape(-1)], tuple(map(str, classes))


def classify(
    values: Floats,
    targets: Sequence[str],
    themes: Sequence[str],
    *,
    permutations: int,
    rng: np.random.Generator,
    seed: int,
    method: str = "lda",
    progress: Progress | None = None,
) -> Classification:
    """Classify profiles into intended targets, each theme held out in turn, and test the accuracy.

    :param values: (n, K) mean rating profiles of n stimuli.
    :param targets: (n,) intended target of each. :param themes: (n,) theme of each, its prompt.
    :param permutations: B changes of the targets' names within themes.
    :param rng: draws the permutations. :param seed: only recorded, to name where ``rng`` came from.
    :param method: a name of ``METHODS``.
    :raises InputError: a design that cannot be cross-validated over themes.
    """
    labels, where, classes = check_design(values, targets, themes)
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
        theme_accuracy={str(theme): float(right[where == theme].mean()) for theme in np.unique(where)},
        predicted=tuple(classes[index] for index in predicted[0]),
        pairs=pair_results(classes, pairs, null_pairs),
        null=null,
    )


def held_out_accuracy(
    values: Floats, targets: Sequence[str], themes: Sequence[str], *, method: str = "lda"
) -> float:
    """Return the balanced accuracy of ``classify`` alone, without its permutations."""
    labels, where, classes = check_design(values, targets, themes)
    scores = held_out_scores(values, labels[None], where, len(classes), METHODS[method][1])
    return float(balanced_accuracy(scores.argmax(axis=2), labels[None], len(classes))[0])


def permuted_accuracies(
    values: Floats,
    labels: Ints,
    themes: np.ndarray[Any, Any],
    *,
    classes: int,
    classifier: Classifier,
    permutations: int,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Floats, Floats]:
    """Cross-validate B relabellings within themes: balanced accuracies (B,), of pairs (B, pairs)."""
    accuracies, pairs, done = [], [], 0
    while done < permutations:
        size = min(BATCH, permutations - done)
        renamed = relabel_within(labels, themes, size, rng)
        scores = held_out_scores(values, renamed, themes, classes, classifier)
        accuracies.append(balanced_accuracy(scores.argmax(axis=2), renamed, classes))
        pairs.append(pair_accuracies(scores, renamed, classes))
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
    themes: Sequence[str],
    *,
    permutations: int,
    generators: dict[str, np.random.Generator],
    seed: int,
    progress: Progress,
) -> dict[str, Classification]:
    """Classify once per name of ``VARIANTS``, each with its own generator; see :func:`classify`.

    ``scenes`` (n,) within ``themes`` (n,): profiles are centred by scene, and held out by theme.
    """
    classifications = {}
    for index, (name, (method, centred)) in enumerate(VARIANTS.items()):
        part = Part(progress, index / len(VARIANTS), (index + 1) / len(VARIANTS))
        classifications[name] = classify(
            centre_scenes(values, scenes) if centred else values,
            targets,
            themes,
            permutations=permutations,
            rng=generators[name],
            seed=seed,
            method=method,
            progress=part,
        )
    return classifications
