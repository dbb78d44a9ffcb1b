"""Rating profiles of the targets beside low-level features of the images: joint tests, and accuracies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.analysis.lowlevel.features import Covariates
from almond.analysis.trial_tables.rating_trials import RatingCube
from almond.progress import Progress
from almond.significance import permutation_p
from almond.stats.accuracy import AccuracyInterval, accuracy_interval, held_out_interval
from almond.stats.classification import balanced_accuracy, check_design, permuted_accuracies
from almond.stats.clustered.components import component_count, components_about_zero
from almond.stats.clustered.regression import JointTest, RegressionColumns, effects, joint_test
from almond.stats.discriminant import Classifier, held_out_scores, scale_by, shrinkage_lda
from almond.stats.two_way import least_p
from almond.typing import Floats, Ints


@dataclass(frozen=True)
class ProfilePartition:
    """Differences between targets, and the features' part, each alone and beside the other.

    ``retained``: the sum of squares between targets beside the features, of that without them.
    """

    targets: JointTest
    targets_beside: JointTest
    features: JointTest
    features_beside: JointTest
    retained: float


def partition_profiles(cube: RatingCube, components: Floats) -> ProfilePartition:
    """Test what targets and low-level ``components`` (n, q) of the cube's images explain of its ratings.

    :raises InputError: classes that are not crossed with scenes, or that features hold already.
    """
    person, image = np.nonzero(np.isfinite(cube.values).any(axis=2))
    values = cube.values[person, image]
    profiles = cube.profiles
    themes, scenes, targets = (
        np.asarray(labels)[image] for labels in (profiles.themes, profiles.scenes, profiles.targets)
    )
    classes, codes = np.unique(targets, return_inverse=True)
    dummies = (codes.reshape(-1)[:, None] == np.arange(len(classes) - 1)).astype(np.float64)
    covariates, none = components[image], np.zeros((len(person), 0))
    units = min(len(set(themes)), len(cube.participants))

    def test(tested: Floats, beside: Floats, least: float) -> JointTest:
        whole = RegressionColumns(tested, beside, person, themes, (person, scenes))
        return joint_test(effects(values, whole), least=least)

    by_order = float(math.factorial(len(classes))) ** (1 - units)
    alone, beside = test(dummies, none, by_order), test(dummies, covariates, by_order)
    return ProfilePartition(
        targets=alone,
        targets_beside=beside,
        features=test(covariates, none, least_p(units)),
        features_beside=test(covariates, dummies, least_p(units)),
        retained=beside.square / alone.square if alone.square > 0 else 0.0,
    )


@dataclass(frozen=True)
class SourceAccuracy:
    """A balanced accuracy, themes held out, with the 95 % interval; ``p`` with targets permuted in themes."""

    accuracy: float
    low: float
    high: float
    p: float | None = None


@dataclass(frozen=True)
class Accuracies:
    """How well targets are identified from ratings, from features, and from ratings less the features' part.

    ``difference``: ratings less features, ``difference_p`` by the same permutations of both, participants
    fixed, one-sided.
    """

    chance: float
    ratings: SourceAccuracy
    features: SourceAccuracy
    adjusted: SourceAccuracy
    difference: float
    difference_p: float


def adjusted_classifier(constructs: int, units: int) -> Classifier:
    """Make a classifier of ratings less what features predict of them, as learned in the training images.

    The first ``constructs`` columns of its values are ratings, the others features.

    :param units: how many themes there are, on which the number of the features' components depends.
    """

    def classify_adjusted(training: Floats, membership: Floats, testing: Floats) -> Floats:
        covariates, others = training[:, constructs:], testing[:, constructs:]
        count = component_count(units, int(np.linalg.matrix_rank(covariates, tol=1e-6)))
        made = components_about_zero(covariates, count)
        slopes = np.linalg.lstsq(made.of(covariates), training[:, :constructs], rcond=None)[0]
        left = training[:, :constructs] - made.of(covariates) @ slopes
        scaled, tested = scale_by(left, testing[:, :constructs] - made.of(others) @ slopes)
        return shrinkage_lda(scaled, membership, tested)

    return classify_adjusted


def identify_targets(
    cube: RatingCube,
    covariates: Covariates,
    *,
    permutations: int,
    stream: tuple[np.random.Generator, np.random.Generator],
    groups: tuple[np.random.Generator, np.random.Generator],
    progress: Progress,
) -> Accuracies:
    """Compare how well ratings and low-level features identify targets, each theme held out in turn.

    :param stream: two generators in the same state, so that ratings and features share permutations.
    :param groups: two generators that draw which participants are left out together.
    :raises InputError: a design that cannot be cross-validated over themes.
    """
    profiles = cube.profiles
    labels, themes, classes = check_design(profiles.values, profiles.targets, profiles.themes)
    tables = (profiles.values, covariates.values)
    observed = [_accuracy(table, labels, themes, shrinkage_lda) for table in tables]
    nulls = [
        permuted_accuracies(
            table,
            labels,
            themes,
            classes=len(classes),
            classifier=shrinkage_lda,
            permutations=permutations,
            rng=rng,
            progress=progress,
        )[0]
        for table, rng in zip(tables, stream, strict=True)
    ]
    by_ratings = accuracy_interval(cube.values, profiles.targets, profiles.themes, rng=groups[0])
    by_features = held_out_interval(covariates.values, profiles.targets, profiles.themes)
    classifier = adjusted_classifier(len(profiles.constructs), len(set(themes)))
    whole = _with_features(cube.values, covariates.values)
    interval = accuracy_interval(
        whole, profiles.targets, profiles.themes, rng=groups[1], classifier=classifier
    )
    both = np.hstack(tables)
    difference = observed[0] - observed[1]
    return Accuracies(
        chance=1.0 / len(classes),
        ratings=_with_interval(observed[0], by_ratings, permutation_p(nulls[0], observed[0])),
        features=_with_interval(observed[1], by_features, permutation_p(nulls[1], observed[1])),
        adjusted=_with_interval(_accuracy(both, labels, themes, classifier), interval, None),
        difference=difference,
        difference_p=permutation_p(nulls[0] - nulls[1], difference),
    )


def _accuracy(values: Floats, labels: Ints, themes: NDArray[np.str_], classifier: Classifier) -> float:
    classes = int(labels.max()) + 1
    scores = held_out_scores(values, labels[None], themes, classes, classifier)
    return float(balanced_accuracy(scores.argmax(axis=2), labels[None], classes)[0])


def _with_interval(accuracy: float, interval: AccuracyInterval, p: float | None) -> SourceAccuracy:
    return SourceAccuracy(accuracy, interval.low, interval.high, p)


def _with_features(ratings: Floats, features: Floats) -> Floats:
    """Join to everybody's ratings (P, n, K) the features (n, F) of the images."""
    beside = np.broadcast_to(features, (len(ratings), *features.shape))
    joined: Floats = np.concatenate([ratings, beside], axis=2)
    return joined
