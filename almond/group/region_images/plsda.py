"""Which region was an image made for? Partial least squares discriminant analysis, one subject held out.

Class indicators are z-scored over all rows (n - 1); per encoder subject a PLS regression of the indicators on
the predicted activations is fitted to all other subjects' images (SIMPLS, as MATLAB's ``plsregress``), and
the class with the largest output wins (Jang & Kragel 2025, ``decode_activation_targets_artificial_stim``).
With as many components as predictors this is ordinary least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from almond.encoding.models.pls import fit_pls
from almond.errors import InputError
from almond.typing import Floats, Ints


@dataclass(frozen=True)
class PlsDa:
    """Held-out classification of n rows into C classes.

    ``scores`` (n, C) outputs, ``predicted`` and ``true`` (n,) class numbers, ``confusion`` (C, C) counts with
    the true class in rows.
    """

    classes: tuple[str, ...]
    components: int
    scores: Floats
    predicted: Ints
    true: Ints

    @property
    def accuracy(self) -> float:
        return float((self.predicted == self.true).mean())

    @property
    def confusion(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return confusion_of(self.predicted, self.true, len(self.classes))


def confusion_of(predicted: Ints, true: Ints, classes: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Counts (C, C): rows true, columns predicted."""
    found = np.bincount(true * classes + predicted, minlength=classes * classes)
    return found.reshape(classes, classes).astype(np.int64)


def z_indicators(labels: Ints, classes: int) -> Floats:
    """Indicators (n, C) of classes, each to mean 0 and standard deviation (n - 1) 1 over all rows."""
    hot = np.eye(classes)[labels]
    found: Floats = (hot - hot.mean(axis=0)) / hot.std(axis=0, ddof=1)
    return found


def leave_one_subject_out_plsda(
    x: Floats, labels: Sequence[Any], subjects: Sequence[Any], components: int
) -> PlsDa:
    """Classify the rows of ``x`` (n, P) into ``labels`` (n,), each of ``subjects`` (n,) held out in turn.

    Classes are ordered as ``numpy.unique`` orders the labels.

    :raises InputError: one class or subject, values that are not finite, or more components than predictors.
    """
    values = np.asarray(x, np.float64)
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    groups = np.asarray(subjects)
    rows = len(values)
    if values.ndim != 2 or len(codes) != rows or len(groups) != rows or not np.isfinite(values).all():
        raise InputError("classification", f"predictions of shape {values.shape}", "(n, P), finite, labelled")
    if len(classes) < 2 or len(np.unique(groups)) < 2:
        raise InputError(
            "classification",
            f"{len(classes)} targets and {len(np.unique(groups))} subjects",
            "two or more of each",
        )
    if not 1 <= components <= values.shape[1]:
        raise InputError("components", f"is {components}", f"1 to {values.shape[1]}, the predicted regions")
    outputs = z_indicators(codes.reshape(-1), len(classes))
    scores = np.empty((rows, len(classes)))
    for group in np.unique(groups):
        test = groups == group
        weights, intercept = fit_pls(values[~test], outputs[~test], components).coefficients()
        scores[test] = values[test] @ weights + intercept
    return PlsDa(
        tuple(map(str, classes)),
        components,
        scores,
        largest(scores),
        codes.reshape(-1).astype(np.intp),
    )


def largest(scores: Floats) -> Ints:
    """The column (n,) with the largest output of each row of (n, C)."""
    found: Ints = np.argmax(scores, axis=1).astype(np.intp)
    return found


class Reclassifier:
    """The same classification for many label vectors of the same rows: what permutations need.

    With as many components as predictors the held-out outputs are one matrix times the indicators (least
    squares), worked out once; with fewer every fold is fitted again.
    """

    def __init__(self, x: Floats, subjects: Sequence[Any], components: int) -> None:
        self.x = np.asarray(x, np.float64)
        self.groups = np.asarray(subjects)
        self.components = components
        self.hat = self._hat() if components >= self.x.shape[1] else None

    def _hat(self) -> Floats:
        rows = len(self.x)
        hat = np.zeros((rows, rows))
        design = np.column_stack([np.ones(rows), self.x])
        for group in np.unique(self.groups):
            test = self.groups == group
            hat[np.ix_(test, ~test)] = design[test] @ np.linalg.pinv(design[~test])
        return hat

    def predict(self, labels: Ints, classes: int) -> Ints:
        """Held-out class numbers (n,) for labels (n,) in 0..C-1."""
        outputs = z_indicators(labels, classes)
        if self.hat is not None:
            return largest(self.hat @ outputs)
        scores = np.empty_like(outputs)
        for group in np.unique(self.groups):
            test = self.groups == group
            weights, intercept = fit_pls(self.x[~test], outputs[~test], self.components).coefficients()
            scores[test] = self.x[test] @ weights + intercept
        return largest(scores)


def within_subjects(labels: Ints, subjects: Sequence[Any], rng: np.random.Generator) -> Ints:
    """The labels (n,) shuffled among the rows of each subject."""
    groups = np.asarray(subjects)
    found = labels.copy()
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        found[rows] = labels[rng.permutation(rows)]
    return found
