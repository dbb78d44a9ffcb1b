"""Classify the region that an image was made for by partial least squares, one subject held out.

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
from numpy.typing import NDArray

from almond.encoding.models.pls import fit_pls
from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.classification import Counts, confusion_matrix
from almond.stats.correlation import zscore
from almond.stats.leave_one_out import held_out_rows
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
        """Return the share of rows whose class is predicted."""
        return float((self.predicted == self.true).mean())

    @property
    def confusion(self) -> Counts:
        """Return the counts (C, C): rows true, columns predicted."""
        return confusion_matrix(self.predicted, self.true, len(self.classes))


def z_indicators(labels: Ints, classes: int) -> Floats:
    """Scale indicators (n, C) of classes to mean 0 and standard deviation (n - 1) 1 over all rows."""
    return zscore(np.eye(classes)[labels], axis=0)


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
    if values.ndim != 2 or len(codes) != rows or len(groups) != rows:
        raise InputError("classification", f"predictions of shape {values.shape}", "(n, P), labelled")
    require_finite(values, "classification: predictions", axes=("row", "column"))
    if len(classes) < 2 or len(np.unique(groups)) < 2:
        raise InputError(
            "classification",
            f"{len(classes)} targets and {len(np.unique(groups))} subjects",
            "two or more of each",
        )
    if not 1 <= components <= values.shape[1]:
        raise InputError("components", f"is {components}", f"1 to {values.shape[1]}, the predicted regions")
    scores = _held_out_outputs(values, z_indicators(codes.reshape(-1), len(classes)), groups, components)
    return PlsDa(
        tuple(map(str, classes)),
        components,
        scores,
        largest(scores),
        codes.reshape(-1).astype(np.intp),
    )


def _held_out_outputs(x: Floats, outputs: Floats, groups: NDArray[Any], components: int) -> Floats:
    """Predict the outputs (n, C) of every group's rows by a regression that was fitted to all others."""
    scores = np.empty_like(outputs)
    for test in held_out_rows(groups):
        weights, intercept = fit_pls(x[~test], outputs[~test], components).coefficients()
        scores[test] = x[test] @ weights + intercept
    return scores


def largest(scores: Floats) -> Ints:
    """Return the column (n,) with the largest output of each row of (n, C)."""
    return np.asarray(np.argmax(scores, axis=1), np.intp)


class Reclassifier:
    """Classify the same rows with many label vectors, as permutations do.

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
        for test in held_out_rows(self.groups):
            # Least squares: the held-out outputs are D_test D_train^+ times the outputs of the training rows.
            hat[np.ix_(test, ~test)] = design[test] @ np.linalg.pinv(design[~test])
        return hat

    def predict(self, labels: Ints, classes: int) -> Ints:
        """Predict the held-out class numbers (n,) for labels (n,) in 0..C-1."""
        outputs = z_indicators(labels, classes)
        if self.hat is not None:
            return largest(self.hat @ outputs)
        return largest(_held_out_outputs(self.x, outputs, self.groups, self.components))
