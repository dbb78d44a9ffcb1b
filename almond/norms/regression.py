"""Regress each subject's predictions on ratings and low-level features, and test the coefficients.

prediction ~ valence + arousal + valence:arousal + median red, green, blue + high and low spatial frequency
(Jang & Kragel 2025, ``perform_ttest_IAPS_OASIS_amygdala``, ``perform_regression_IAPS_OASIS``). Predictors are
z-scored over all images of a set; the interaction is the product of the z-scored ratings and is not scaled
again. Parts of the images (valence above 0, below 0, near 0) keep the z-scores of the whole set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError
from almond.norms.images import NormedSet
from almond.stats.correlation import zscore
from almond.stats.crossed import CoefficientTests, coefficients, crossed_tests
from almond.stats.permutation import Order, coefficient_p
from almond.stimuli.nuisance import NUISANCE
from almond.typing import Floats

RATINGS = ("valence", "arousal", "valence:arousal")
PARTS = ("all", "negative", "neutral", "positive")
"""All images; those with z valence below 0, near 0, above 0."""


@dataclass(frozen=True, eq=False)
class RegressionDesign:
    """The predictors (n, p) of some images of a set, an intercept first; ``rows`` (N,) says which images,
    ``themes`` (n,) what they share."""

    names: tuple[str, ...]
    matrix: Floats
    rows: NDArray[np.bool_]
    themes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RegressionResult:
    """One region and part of the images: tests of the coefficients, which are (S, p) averaged over sets.

    ``by_set`` holds each set's own coefficients (S, p).
    """

    names: tuple[str, ...]
    tests: list[CoefficientTests]
    coefficients: Floats
    by_set: Mapping[str, Floats]


def rows_of_part(image_set: NormedSet, part: str, neutral: float) -> NDArray[np.bool_]:
    """Select the images (N,) of a part; ``neutral`` is the largest absolute z valence of neutral ones."""
    z = image_set.z_valence
    parts = {
        "all": np.ones(len(z), bool),
        "negative": z < 0,
        "neutral": np.abs(z) < neutral,
        "positive": z > 0,
    }
    return np.asarray(parts[part], np.bool_)


def regression_design(image_set: NormedSet, part: str = "all", neutral: float = 1.0) -> RegressionDesign:
    """Make the predictors of a part of a set.

    :raises InputError: too few images, or predictors that are combinations of each other there.
    """
    rows = rows_of_part(image_set, part, neutral)
    valence, arousal = image_set.z_valence, image_set.z_arousal
    columns = [np.ones(len(valence)), valence, arousal, valence * arousal]
    names = ["intercept", *RATINGS]
    if image_set.low_level.shape[1]:
        columns += list(zscore(image_set.low_level.T))
        names += NUISANCE
    matrix = np.stack(columns, axis=1)[rows]
    if len(matrix) <= len(names) + 1:
        raise InputError(
            f"{image_set.name}, {part} images", f"{len(matrix)} for {len(names)} coefficients", "more images"
        )
    scale = np.linalg.norm(matrix, axis=0)
    if not (scale > 0).all() or np.linalg.matrix_rank(matrix / scale) < len(names):
        raise InputError(
            f"{image_set.name}, {part} images",
            f"the predictors {', '.join(names[1:])} are combinations of each other",
            "images in which each varies on its own",
        )
    themes = tuple(np.asarray(image_set.themes)[rows].tolist())
    return RegressionDesign(tuple(names), matrix, rows, themes)


def outcome_of(values: Floats, kind: str) -> Floats:
    """Return predictions (S, n) as the regression takes them: ``z`` per subject and set, or ``raw``."""
    return zscore(values) if kind == "z" else values


def regress(
    designs: Mapping[str, RegressionDesign],
    outcomes: Mapping[str, Floats],
    orders: Mapping[str, Order] | None,
) -> RegressionResult:
    """Test every coefficient, averaged over the image sets.

    :param designs: per set the predictors of a part of its images.
    :param outcomes: per set (S, N) over all its images.
    :param orders: per set (B, n) orders of the part's images, or None for no permutation.
    """
    names = next(iter(designs.values())).names
    matrices = [design.matrix for design in designs.values()]
    selected = [outcomes[name][:, design.rows] for name, design in designs.items()]
    tests = crossed_tests(matrices, selected, names, [design.themes for design in designs.values()])
    if orders is not None:
        drawn = [orders[name] for name in designs]
        tests = [tests[0]] + [
            replace(test, p_images=coefficient_p(matrices, selected, drawn, column))
            for column, test in enumerate(tests[1:], start=1)
        ]
    by_set = {
        name: coefficients(matrix, outcome)
        for name, matrix, outcome in zip(designs, matrices, selected, strict=True)
    }
    mean = np.asarray(np.mean(list(by_set.values()), axis=0), np.float64)
    return RegressionResult(names, tests, mean, by_set)


def pair_difference(first: Mapping[str, Floats], second: Mapping[str, Floats]) -> dict[str, Floats]:
    """Subtract outcomes (S, n) per set: their coefficients are the differences of coefficients."""
    return {name: first[name] - second[name] for name in first}


def surface(coefficient: Sequence[float], valence: Floats, arousal: Floats) -> Floats:
    """Predict the response (A, V) from ratings alone, over a grid of z arousal (A,) and z valence (V,).

    Intercept + valence + arousal + valence:arousal, low-level features at their means.
    """
    constant, by_valence, by_arousal, product = coefficient[:4]
    v, a = np.meshgrid(valence, arousal)
    return np.asarray(constant + by_valence * v + by_arousal * a + product * v * a, np.float64)
