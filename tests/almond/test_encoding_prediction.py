"""Predictions of images against pandas."""

import numpy as np
import pytest

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.rng import generator
from almond.targets.prediction import predict_table

D = 6
NAMES = ("a.png", "b.png", "c.png", "d.png")


def artifact(subject, region="LB", model="pls"):
    rng = generator(4, "artifact", subject, region)
    return EncoderArtifact(
        subject=subject,
        region=region,
        model=model,
        feature_space=FeatureSpaceCard("tiny", "f" * 64, D),
        weights=rng.normal(size=(D, 3)),
        intercept=rng.normal(size=3),
        voxels=np.arange(9).reshape(3, 3),
        dropped=np.empty((0, 3), np.int64),
        mask_digest="m" * 64,
    )


def test_scores_are_features_times_mean_betas():
    features = generator(5, "features").normal(size=(4, D))
    made = [artifact(subject, region) for subject in ("1", "2", "3") for region in ("LB", "CM")]
    table = predict_table(made, NAMES, features)
    assert len(table) == 4 * 6
    for one in made:
        rows = table[(table["subject"] == one.subject) & (table["region"] == one.region)]
        assert tuple(rows["image"]) == NAMES
        np.testing.assert_allclose(rows["score"], (features @ one.weights).mean(axis=1), rtol=1e-12)
        assert rows["score_z"].mean() == pytest.approx(0, abs=1e-12)
        assert rows["score_z"].std() == pytest.approx(1)
    cells = table.pivot_table(index="image", columns=["region", "subject"], values="score")
    others = table[(table["region"] == "CM") & (table["subject"] == "2")].set_index("image")["score_others"]
    np.testing.assert_allclose(others, cells["CM"][["1", "3"]].mean(axis=1), rtol=1e-12)


def test_a_lone_subject_has_no_others_and_one_image_no_spread():
    features = np.ones((1, D))
    table = predict_table([artifact("1")], NAMES[:1], features)
    assert table[["score_z", "score_others"]].isna().all(axis=None)
    assert "score_others" not in predict_table([artifact("1")], NAMES[:1], features, leave_one_out=False)


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="one per image"):
        predict_table([artifact("1")], NAMES, np.ones((3, D)))
    with pytest.raises(InputError, match="two are pls 1 LB"):
        predict_table([artifact("1"), artifact("1")], NAMES, np.ones((4, D)))
    with pytest.raises(InputError, match=r"\(n, 6\)"):
        predict_table([artifact("1")], NAMES, np.ones((4, D + 1)))
    with pytest.raises(InputError, match="none were given"):
        predict_table([], NAMES, np.ones((4, D)))
