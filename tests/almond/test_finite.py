"""NaN and infinities are refused at every door, with their place; JSON holds none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almond.digest import printed_json
from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.finite import not_finite, nulled, require_finite
from almond.stats.mixed import RandomTerm, fit_linear
from almond.targets.axes import image_axis
from almond.targets.target import Target, scores


def test_the_first_bad_place_and_their_number_are_named() -> None:
    values = np.ones((3, 4))
    assert not_finite(values) is None
    values[1, 2] = np.nan
    values[2, 0] = -np.inf
    with pytest.raises(
        InputError, match=r"^table: 2 of 12 values are not finite, the first \(nan\) at row 2, c"
    ) as caught:
        require_finite(values, "table", axes=("row", list("abcd")))
    assert "row 2, c (expected finite numbers" in str(caught.value)
    assert not_finite(values) == "2 of 12 values are not finite, the first (nan) at [1, 2]"
    assert not_finite(np.float32("inf")) == "is inf, which is not finite"
    assert not_finite(np.array([1, 2])) is None


@given(
    st.recursive(st.floats() | st.integers() | st.none() | st.text(), lambda part: st.lists(part, max_size=3))
)
def test_json_holds_no_number_that_is_none(value: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(printed_json(value), parse_constant=refuse) == nulled(value)


def artifact(**changes: Any) -> EncoderArtifact:
    values: dict[str, Any] = {
        "subject": "1",
        "region": "LB",
        "model": "pls",
        "feature_space": FeatureSpaceCard("tiny", "0" * 64, 3),
        "weights": np.ones((3, 2)),
        "intercept": np.zeros(2),
        "voxels": np.zeros((2, 3), np.int64),
        "dropped": np.empty((0, 3), np.int64),
        "mask_digest": "",
    }
    return EncoderArtifact(**{**values, **changes})


def spoiled(shape: tuple[int, ...], place: tuple[int, ...]) -> np.ndarray[Any, Any]:
    values = np.ones(shape)
    values[place] = np.inf
    return values


def test_weights_that_are_no_numbers_make_no_encoder_and_no_target() -> None:
    with pytest.raises(InputError, match=r"sub-1 LB: weights: .*feature 3, voxel 1"):
        artifact(weights=spoiled((3, 2), (2, 0)))
    with pytest.raises(InputError, match=r"sub-1 LB: intercept: .*voxel 2"):
        artifact(intercept=spoiled((2,), (1,)))
    with pytest.raises(InputError, match=r"sub-1 LB: basis weights: .*basis 1, feature 2, voxel 2"):
        artifact(basis_weights=spoiled((1, 3, 2), (0, 1, 1)))
    target = Target("LB", np.ones(3), 0.0, 1.0, "0" * 64, ("1" * 64,))
    with pytest.raises(InputError, match=r"target LB: weights: .*feature 2"):
        dataclasses.replace(target, weights=spoiled((3,), (1,)))
    with pytest.raises(InputError, match=r"features: .*image 2, feature 1"):
        scores(target, spoiled((4, 3), (1, 0)))
    features = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(InputError, match=r"axis warm: features of the high images: .*image 1, feature 3"):
        image_axis("warm", features, spoiled((4, 3), (0, 2)), features, feature_space_digest="0" * 64)


class Overflowing:
    digest, dimension = "1" * 64, 2

    def __init__(self, value: float) -> None:
        self.value = value

    def extract(self, images: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.array([[1.0, self.value]] * len(images), np.float32)


def test_features_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    images = [np.zeros((2, 2, 3), np.uint8)] * 2
    with pytest.raises(InputError, match=r"features: 2 of 4 .*image 1, feature 2"):
        extract_cached(Overflowing(np.nan), ["a", "b"], lambda: images, tmp_path)
    assert not list(tmp_path.iterdir())
    features = extract_cached(Overflowing(2.0), ["a", "b"], lambda: images, tmp_path)
    (pack,) = tmp_path.iterdir()
    with np.load(pack) as stored:
        arrays = dict(stored)
    np.savez(pack, **{**arrays, "values": np.full_like(arrays["values"], np.nan)})
    again = extract_cached(Overflowing(2.0), ["a", "b"], lambda: images, tmp_path)
    np.testing.assert_array_equal(again, features)


def test_a_rating_that_is_no_number_is_named() -> None:
    outcome = np.arange(12.0)
    outcome[4] = np.nan
    terms = [RandomTerm("people", np.repeat(np.arange(3), 4))]
    with pytest.raises(InputError, match=r"outcome: 1 of 12 .*\(nan\) at row 5"):
        fit_linear(outcome, np.ones((12, 1)), terms)
