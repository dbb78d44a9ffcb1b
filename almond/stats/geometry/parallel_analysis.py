"""Count the components that ratings have: principal components with Horn's parallel analysis.

Horn (1965), Psychometrika 30, 179: a component counts where its eigenvalue exceeds the 95th percentile of the
eigenvalue of that rank in data without common components. Here these are the same ratings, each construct's
column permuted by whole themes and independently of the others: images of a theme are alike in every single
construct, and independent rows, as Horn drew them, would let such likeness pass for components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from almond.errors import InputError
from almond.stats.correlation import zscore
from almond.stats.permutation import Order
from almond.typing import Floats

PERCENTILE = 95.0
BATCH = 256


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of the correlations of K constructs.

    ``eigenvalues`` (K,), descending; ``threshold`` (K,): the 95th percentile of each over permutations;
    ``explained`` (K,): shares of the variance; ``loadings`` (K, K): correlations of constructs (rows) with
    components, the largest of each positive. ``retained``: how many of the first exceed their threshold.
    """

    eigenvalues: Floats
    threshold: Floats
    explained: Floats
    loadings: Floats
    retained: int
    permutations: int


def principal_components(values: Floats) -> tuple[Floats, Floats]:
    """Return eigenvalues (K,) and loadings (K, K) of the correlations of the columns of (n, K)."""
    standard = zscore(values, axis=0)
    eigenvalues, vectors = np.linalg.eigh(standard.T @ standard / (len(values) - 1))
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0.0), vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    return eigenvalues, vectors * signs * np.sqrt(eigenvalues)


def parallel_analysis(values: Floats, draw: Callable[[int], Order], permutations: int) -> Components:
    """Compute the components of ``values`` (n, K), and how many to retain.

    :param draw: count -> orders (count, n) of the images, whole themes together.
    :raises InputError: fewer than two columns, or one that does not vary.
    """
    count, columns = values.shape
    if columns < 2 or not (np.ptp(values, axis=0) > 1e-12).all():
        raise InputError("components", f"{columns} constructs, or one that does not vary", "two that vary")
    eigenvalues, loadings = principal_components(values)
    null = []
    for start in range(0, permutations, BATCH):
        size = min(BATCH, permutations - start)
        permuted = np.stack([values[draw(size), column] for column in range(columns)], axis=2)
        # Standardised anew: where themes differ in size, some images come twice and others not at all.
        standard = zscore(permuted, axis=1)
        null.append(np.linalg.eigvalsh(standard.transpose(0, 2, 1) @ standard / (count - 1))[:, ::-1])
    threshold = np.percentile(np.concatenate(null), PERCENTILE, axis=0)
    exceeds = eigenvalues > threshold
    retained = columns if exceeds.all() else int(np.argmin(exceeds))
    return Components(
        eigenvalues, threshold, eigenvalues / eigenvalues.sum(), loadings, retained, permutations
    )


@dataclass(frozen=True)
class Stability:
    """Tucker's congruence of a component between random halves of the participants: median, central 95 %."""

    component: int
    congruence: float
    low: float
    high: float
    splits: int


def component_stability(
    cube: Floats, retained: int, *, splits: int, rng: np.random.Generator
) -> list[Stability]:
    """Compare the first ``retained`` components between halves of the participants.

    :param cube: (P, n, K) standardised ratings, NaN for none. A split uses the images of which both halves
        rated every construct; splits with fewer than three of these, or with a flat construct, do not count.
    """
    people = len(cube)
    if people < 4 or retained < 1:
        return []
    whole = principal_components(_means(cube, np.ones(people, dtype=bool)))[1][:, :retained]
    rows = []
    for _ in range(splits):
        half = np.zeros(people, dtype=bool)
        half[rng.permutation(people)[: people // 2]] = True
        first, second = _means(cube, half), _means(cube, ~half)
        both = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
        if both.sum() < 3 or min(np.ptp(side[both], axis=0).min() for side in (first, second)) < 1e-12:
            continue
        matched = [
            _matched(principal_components(side[both])[1][:, :retained], whole) for side in (first, second)
        ]
        rows.append(np.diag(congruence(matched[0], matched[1])))
    if not rows:
        return []
    low, middle, high = np.quantile(np.stack(rows), [0.025, 0.5, 0.975], axis=0)
    return [
        Stability(number + 1, float(middle[number]), float(low[number]), float(high[number]), len(rows))
        for number in range(retained)
    ]


def congruence(first: Floats, second: Floats) -> Floats:
    """Compute Tucker's coefficients (R, R), without sign, between the columns of two loadings (K, R)."""
    lengths = np.outer(np.linalg.norm(first, axis=0), np.linalg.norm(second, axis=0))
    return np.asarray(np.abs(first.T @ second) / np.maximum(lengths, 1e-300), np.float64)


def _matched(loadings: Floats, reference: Floats) -> Floats:
    """Reorder components so that they are as congruent as can be with those of the reference."""
    columns: Floats = loadings[:, linear_sum_assignment(-congruence(reference, loadings))[1]]
    return columns


def _means(cube: Floats, people: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """Average ratings (n, K) over some people; NaN where none of them rated."""
    part = cube[people]
    seen = np.isfinite(part).sum(axis=0)
    total = np.nansum(part, axis=0)
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan)
