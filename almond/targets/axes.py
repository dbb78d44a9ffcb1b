"""Axes: directions in feature space that are not one region's, and families of targets over subjects.

Each is a :class:`~almond.targets.target.Target`, so everything that takes a target takes an axis. Like every
target an axis is standardised against reference images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.errors import InputError
from almond.finite import require_finite
from almond.targets.target import Target, contrast_target, region_target, scores, standardised_target
from almond.typing import Floats

Features = NDArray[np.floating[Any]]

DEPENDENT = 1e-10
"""Share of variance below which a score is counted as determined by the others."""


@dataclass(frozen=True)
class PrincipalAxes:
    """Axes of the score vectors of reference images: ``targets`` in order of variance.

    ``loadings`` (K, T) are the axes in units of the standardised scores of ``names`` (T), orthonormal rows;
    ``shares`` (K,) of the variance, which sum to at most 1.
    """

    targets: tuple[Target, ...]
    names: tuple[str, ...]
    loadings: Floats
    shares: Floats


def principal_axes(
    targets: Sequence[Target], reference_features: Features, *, prefix: str = "axis", count: int | None = None
) -> PrincipalAxes:
    """Make the principal components of the targets' scores over reference images (n, D).

    Found from predictions alone, before anybody rated anything. The sign is such that the largest loading is
    positive. Axes without variance are left out.

    :raises InputError: fewer than two targets, or of different feature spaces.
    """
    names = tuple(target.name for target in targets)
    if len(targets) < 2 or len(set(names)) < len(names):
        raise InputError("targets", f"are {', '.join(names) or 'none'}", "two or more of different names")
    values = np.stack([scores(target, reference_features) for target in targets], axis=1)
    _, singular, right = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    shares = singular**2 / (singular**2).sum()
    rank = int((shares > DEPENDENT).sum()) if count is None else min(count, int((shares > DEPENDENT).sum()))
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    loadings = (right * signs[:, None])[:rank]
    axes = [
        contrast_target(
            f"{prefix}_{index + 1}",
            {name: (target, float(weight)) for name, target, weight in zip(names, targets, row, strict=True)},
            reference_features,
        )
        for index, row in enumerate(loadings)
    ]
    return PrincipalAxes(tuple(axes), names, loadings, shares[:rank])


def image_axis(
    name: str,
    low: Features,
    high: Features,
    reference_features: Features,
    *,
    feature_space_digest: str,
    shrinkage: float = 0.1,
) -> Target:
    """Make the discriminant of two sets of features: the axis from images that lack something to others.

    ``low`` (n, D) and ``high`` (m, D). The direction is S^-1 (mean high - mean low) with the pooled
    covariance S shrunk towards a multiple of the identity by ``shrinkage`` in (0, 1]; at 1 it is the
    difference of the means. Computed in the span of the images, so that D may be large.

    :raises InputError: fewer than two images in a set, no difference, or shrinkage out of range.
    """
    if not 0 < shrinkage <= 1:
        raise InputError("shrinkage", f"is {shrinkage}", "above 0 and at most 1")
    first, second = np.asarray(low, np.float64), np.asarray(high, np.float64)
    for values, which in ((first, "low"), (second, "high")):
        require_finite(values, f"axis {name}: features of the {which} images", axes=("image", "feature"))
    if len(first) < 2 or len(second) < 2 or first.shape[1] != second.shape[1]:
        raise InputError(
            f"axis {name}", f"its image sets are {first.shape} and {second.shape}", "two or more each"
        )
    difference = second.mean(axis=0) - first.mean(axis=0)
    if not np.linalg.norm(difference) > 0:
        raise InputError(f"axis {name}", "its two image sets have the same mean", "sets that differ")
    within = np.concatenate([first - first.mean(axis=0), second - second.mean(axis=0)])
    within /= np.sqrt(len(within) - 2)
    weights = _shrunk_solve(within, difference, shrinkage)
    return standardised_target(
        name, weights, reference_features, feature_space_digest=feature_space_digest, sources=()
    )


def _shrunk_solve(within: Floats, difference: Floats, shrinkage: float) -> Floats:
    """Solve ((1 - g) W'W + g m I) x = d with m the mean variance, by Woodbury in the space of W's rows."""
    ridge = shrinkage * max(float((within**2).sum() / within.shape[1]), np.finfo(float).tiny)
    scaled = np.sqrt(1 - shrinkage) * within
    inner = np.eye(len(scaled)) + scaled @ scaled.T / ridge
    solved = np.linalg.solve(inner, scaled @ difference)
    return np.asarray((difference - scaled.T @ solved / ridge) / ridge, np.float64)


def selective_target(
    name: str, target: Target, others: Sequence[Target], reference_features: Features
) -> Target:
    """Make the target of a region's own part: the residual of its score on the others' over the reference.

    The score is uncorrelated with each of ``others`` over the reference images (n, D), n above len(others) +
    1, by ordinary least squares.

    :raises InputError: no others, too few images, or a score that the others determine.
    """
    if not others:
        raise InputError(f"target {name}", "there is no other target", "one or more")
    if len(reference_features) <= len(others) + 1:
        raise InputError(f"target {name}", f"{len(reference_features)} reference images", "more images")
    own = scores(target, reference_features)
    rest = np.stack([scores(other, reference_features) for other in others], axis=1)
    slopes = np.linalg.lstsq(rest - rest.mean(axis=0), own - own.mean(), rcond=None)[0]
    left = own - own.mean() - (rest - rest.mean(axis=0)) @ slopes
    if left.var() <= DEPENDENT * own.var():
        raise InputError(f"target {name}", "the others determine its score", "regions that differ")
    parts: Mapping[str, tuple[Target, float]] = {
        "own": (target, 1.0),
        **{f"other {index}": (other, -float(slopes[index])) for index, other in enumerate(others)},
    }
    return contrast_target(name, parts, reference_features)


def leave_one_subject_out(
    name: str, artifacts: Sequence[EncoderArtifact], reference_features: Features
) -> dict[str, Target]:
    """Make per subject the region's target of all *other* subjects: the judge of what that subject guided.

    :raises InputError: fewer than two subjects, or two artifacts of one.
    """
    subjects = [artifact.subject for artifact in artifacts]
    if len(subjects) < 2 or len(set(subjects)) < len(subjects):
        raise InputError(
            f"target {name}", f"its encoders are of subjects {', '.join(subjects)}", "two or more, once each"
        )
    return {
        left_out.subject: region_target(
            f"{name}_without_{left_out.subject}",
            [artifact for artifact in artifacts if artifact is not left_out],
            reference_features,
        )
        for left_out in artifacts
    }
