"""Axes and families of targets against independent computations."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.rng import generator
from almond.targets.axes import image_axis, leave_one_subject_out, principal_axes, selective_target
from almond.targets.target import scores, standardised_target

SPACE = "f" * 64
D = 12


@pytest.fixture
def reference():
    rng = generator(1, "reference")
    return rng.normal(size=(80, D)) @ rng.normal(size=(D, D))


@pytest.fixture
def targets(reference):
    rng = generator(2, "targets")
    return [
        standardised_target(name, rng.normal(size=D), reference, feature_space_digest=SPACE, sources=(name,))
        for name in ("LB", "CM", "SF", "AStr")
    ]


def artifact(subject, dimension=D):
    rng = generator(4, "artifact", subject)
    return EncoderArtifact(
        subject=subject,
        region="LB",
        model="pls",
        feature_space=FeatureSpaceCard("tiny", SPACE, dimension),
        weights=rng.normal(size=(dimension, 3)),
        intercept=rng.normal(size=3),
        voxels=np.arange(9).reshape(3, 3),
        dropped=np.empty((0, 3), np.int64),
        mask_digest="m" * 64,
        digest=f"digest-{subject}",
    )


def test_principal_axes_are_the_principal_components_of_the_scores(targets, reference):
    axes = principal_axes(targets, reference)
    values = np.stack([scores(target, reference) for target in targets], axis=1)
    expected = PCA().fit(values)
    np.testing.assert_allclose(axes.shares, expected.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(np.abs(axes.loadings), np.abs(expected.components_), rtol=1e-8)
    found = np.stack([scores(axis, reference) for axis in axes.targets], axis=1)
    np.testing.assert_allclose(found.T @ found / (len(found) - 1), np.eye(4), atol=1e-10)
    assert (axes.loadings[np.arange(4), np.abs(axes.loadings).argmax(axis=1)] > 0).all()


def test_principal_axes_leave_out_what_does_not_vary(targets, reference):
    twice = [
        targets[0],
        standardised_target("copy", targets[0].weights, reference, feature_space_digest=SPACE, sources=()),
    ]
    axes = principal_axes(twice, reference)
    assert len(axes.targets) == 1
    assert axes.targets[0].sources == ("LB",)
    with pytest.raises(InputError, match="two or more"):
        principal_axes(targets[:1], reference)


def test_an_axis_between_image_sets_is_the_shrunken_discriminant(reference):
    rng = generator(3, "sets")
    low, high = rng.normal(size=(15, D)), rng.normal(size=(20, D)) + np.linspace(0, 2, D)
    made = image_axis("threat", low, high, reference, feature_space_digest=SPACE, shrinkage=0.3)
    centred = np.concatenate([low - low.mean(0), high - high.mean(0)])
    pooled = centred.T @ centred / (len(centred) - 2)
    shrunk = 0.7 * pooled + 0.3 * np.trace(pooled) / D * np.eye(D)
    expected = np.linalg.solve(shrunk, high.mean(0) - low.mean(0))
    np.testing.assert_allclose(made.weights, expected, rtol=1e-9)
    assert scores(made, high).mean() > scores(made, low).mean()
    plain = image_axis("threat", low, high, reference, feature_space_digest=SPACE, shrinkage=1.0)
    difference = high.mean(0) - low.mean(0)
    np.testing.assert_allclose(
        plain.weights / np.linalg.norm(plain.weights), difference / np.linalg.norm(difference), rtol=1e-9
    )


def test_an_axis_needs_sets_that_differ(reference):
    same = np.ones((3, D))
    with pytest.raises(InputError, match="same mean"):
        image_axis("none", same, same, reference, feature_space_digest=SPACE)
    with pytest.raises(InputError, match="shrinkage"):
        image_axis("none", same, same * 2, reference, feature_space_digest=SPACE, shrinkage=0)
    with pytest.raises(InputError, match="two or more"):
        image_axis("none", same[:1], same, reference, feature_space_digest=SPACE)


def test_a_selective_target_is_uncorrelated_with_the_others(targets, reference):
    own, *others = targets
    made = selective_target("LB_only", own, others, reference)
    rest = np.stack([scores(other, reference) for other in others], axis=1)
    left = scores(own, reference) - LinearRegression().fit(rest, scores(own, reference)).predict(rest)
    np.testing.assert_allclose(scores(made, reference), left / left.std(ddof=1), atol=1e-9)
    for other in others:
        assert abs(np.corrcoef(scores(made, reference), scores(other, reference))[0, 1]) < 1e-9
    assert made.sources == ("AStr", "CM", "LB", "SF")


def test_a_target_that_the_others_determine_is_refused(targets, reference):
    with pytest.raises(InputError, match="determine"):
        selective_target("none", targets[0], [targets[0]], reference)
    with pytest.raises(InputError, match="reference images"):
        selective_target("none", targets[0], targets[1:], reference[:4])


def test_leaving_one_subject_out_averages_all_the_others(reference):
    artifacts = [artifact(subject) for subject in ("1", "2", "3")]
    made = leave_one_subject_out("LB", artifacts, reference)
    assert list(made) == ["1", "2", "3"]
    expected = (artifacts[0].weights.mean(axis=1) + artifacts[2].weights.mean(axis=1)) / 2
    np.testing.assert_allclose(made["2"].weights, expected, rtol=1e-12)
    assert made["2"].sources == ("digest-1", "digest-3")
    with pytest.raises(InputError, match="once each"):
        leave_one_subject_out("LB", [artifacts[0], artifacts[0]], reference)
