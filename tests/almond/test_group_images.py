"""Random regions, on- and off-target and dissimilarities on data whose truth is known."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from almond.encoding.artifacts.mean_weight_files import as_csv
from almond.errors import InputError
from almond.group import random_regions as random
from almond.group.performance import GroupMatrix
from almond.group.region_images.on_off import ImagePredictions, crossed, joint, two_stage
from almond.progress import Silent
from almond.rng import generator
from almond.stats.dissimilarity import compare, dissimilarity, of_labels, tsne_picture

REGIONS = ("a", "b", "c", "d")


def whole(seed, subjects=5, voxels=40, features=30, structured=True):
    """Encoders whose four parts have weights of their own (or not), on a line of voxels."""
    rng = generator(seed, "weights")
    parts = rng.normal(size=(features, 4)) if structured else np.repeat(rng.normal(size=(features, 1)), 4, 1)
    places = np.stack([np.arange(voxels), np.zeros(voxels), np.zeros(voxels)], axis=1).astype(np.int64)
    labels = np.repeat(np.arange(4), voxels // 4).astype(np.int16)
    encoders = [parts[:, labels] + rng.normal(0, 0.5, (features, voxels)) for _ in range(subjects)]
    return rng, places, labels, encoders


def test_parcellations_have_the_sizes_of_the_real_parts_and_are_the_same_for_everybody():
    labels = np.array([0, 0, 0, 1, random.UNASSIGNED, 2, 2], np.int16)
    found = random.shuffled_labels(labels, 50, generator(1, "splits"))
    assert found.shape == (50, 7)
    assert (found[:, 4] == random.UNASSIGNED).all()
    for split in found:
        assert np.bincount(split[split >= 0]).tolist() == [3, 1, 2]
    assert len({tuple(split) for split in found}) > 20
    sizes = [np.bincount(split) for split in random.random_labels(10, 4, 5, generator(2, "splits"))]
    assert all(sorted(size) == [2, 2, 3, 3] for size in sizes)


def test_labels_of_voxels_in_two_parts_are_nobodys():
    voxels = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]])
    found = random.part_labels(voxels, [voxels[:2], voxels[1:], np.array([[9, 9, 9]])])
    assert found.tolist() == [0, random.UNASSIGNED, 1]


def test_weight_dissimilarity_is_that_of_the_mean_weights():
    _, places, labels, weights = whole(3, subjects=2)
    encoders = [random.whole_encoder(str(i), w, places, places, None) for i, w in enumerate(weights)]
    found = random.weight_dissimilarity(encoders, 4)(labels)
    means = [np.stack([w[:, labels == part].mean(axis=1) for part in range(4)]) for w in weights]
    expected = np.mean([1 - np.corrcoef(rows)[np.triu_indices(4, 1)].mean() for rows in means])
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("structured", [True, False])
def test_real_parts_stand_out_only_where_they_are_real(structured):
    rng, places, labels, weights = whole(4, structured=structured)
    features = rng.normal(size=(120, 30))
    encoders = [random.whole_encoder(str(i), w, places, places, features) for i, w in enumerate(weights)]
    splits = random.shuffled_labels(labels, 60, generator(5, "splits"))
    r = np.where(labels == 0, 0.6, 0.2) if structured else np.full(40, 0.3)
    z = np.arctanh(r) + rng.normal(0, 0.05, (5, 40))
    matrix = GroupMatrix("whole", tuple("12345"), places, z, None)
    measures = [
        random.performance_spread(matrix, 4),
        random.weight_dissimilarity(encoders, 4),
        random.target_accuracy(encoders, 4, images=4),
    ]
    found = [random.control(measure, splits, labels, Silent()) for measure in measures]
    assert all(len(one.null) == 60 for one in found)
    if structured:
        assert [one.p for one in found[:2]] == pytest.approx([1 / 61] * 2)
        assert found[2].real > found[2].null.mean()
    else:
        assert min(one.p for one in found) > 0.02


def test_subjects_who_lack_voxels_count_with_those_they_have():
    _, places, labels, weights = whole(6, subjects=2)
    kept = np.arange(40) % 3 > 0
    full = random.whole_encoder("1", weights[0][:, kept], places[kept], places, None)
    mean = random.part_mean_weights(full, labels, 4)
    expected = weights[0][:, kept & (labels == 2)].mean(axis=1)
    own = np.zeros((30, 40))
    own[:, kept] = weights[0][:, kept]
    np.testing.assert_allclose(own @ mean[:, 2], expected)
    none = random.whole_encoder("1", weights[0][:, labels > 0], places[labels > 0], places, None)
    assert random.part_mean_weights(none, labels, 4) is None


def test_exported_betas_are_whole_named_as_published_and_the_mean_of_their_voxels(tmp_path):
    _, _, labels, weights = whole(7, subjects=2, voxels=12)
    splits = random.shuffled_labels(labels, 3, generator(8, "splits"))
    encoders = [(str(i + 1), w, splits) for i, w in enumerate(weights)]
    out = tmp_path / "betas"
    assert random.export_part_betas(out, iter(encoders), 4, Silent()) == 24
    name = "meanbeta_region3_sub-2_fc7_invert_imageFeatures_iteration_2.csv"
    expected = weights[1][:, splits[1] == 2].mean(axis=1)
    assert (out / name).read_bytes() == as_csv(expected) or np.allclose(
        np.loadtxt(out / name, skiprows=1), expected, rtol=1e-14
    )
    with pytest.raises(InputError, match="not empty"):
        random.export_part_betas(out, iter(encoders), 4, Silent())
    empty = [("1", weights[0], np.zeros((1, 12), np.int16))]
    with pytest.raises(InputError, match="leaves a part empty"):
        random.export_part_betas(tmp_path / "other", iter(empty), 4, Silent())
    assert not (tmp_path / "other").exists()


def predicted(seed, effect, *, subjects=6, per=4, shared=0.8, own=0.0):
    """``per`` images per region and subject; ``shared``: what encoders agree on about one by chance."""
    rng = generator(seed, "judged")
    encoders = tuple(f"{number:02d}" for number in range(subjects))
    regions = np.tile(np.repeat(REGIONS, per), subjects)
    targets = np.repeat(encoders, 4 * per)
    n = len(regions)
    nuisance = rng.normal(size=(n, 5))
    on = (regions[:, None] == np.array(REGIONS)).astype(float)
    common = rng.normal(size=(n, 4)) * shared + nuisance[:, :1] * 0.5 + effect * on
    mine = own * (np.array(encoders)[:, None] == targets)[:, :, None] * on
    predictions = common + mine + rng.normal(0, 0.6, (subjects, n, 4))
    names = tuple(f"low_{k}" for k in range(5))
    return ImagePredictions(encoders, REGIONS, predictions, tuple(regions), tuple(targets), nuisance, names)


def test_two_stages_equal_regressions_by_statsmodels():
    data = predicted(1, 0.8)
    found = two_stage(data)
    z = data.standardised()
    nuisance = (data.nuisance - data.nuisance.mean(axis=0)) / data.nuisance.std(axis=0, ddof=1)
    dummies = np.array(data.target_subjects)[:, None] == np.array(data.encoders)[1:]
    slopes = []
    for row in range(6):
        on = np.where(np.array(data.target_regions) == "b", 1.0, -1.0)
        design = np.column_stack([np.ones(len(on)), on, dummies, nuisance])
        slopes.append(sm.OLS(z[row, :, 1], design.astype(float)).fit().params[1])
    assert found[1].coefficients == pytest.approx(slopes)
    expected = stats.ttest_1samp(slopes, 0.0)
    assert (found[1].test.t, found[1].test.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_effects_that_only_the_own_weights_see_are_not_seen_by_others():
    data = predicted(2, 0.0, shared=0.1, own=2.0)
    assert all(row.test.mean > 0.1 for row in two_stage(data, own=True))
    assert all(abs(row.test.mean) < 0.1 for row in two_stage(data, own=False))
    assert all(abs(row.test.estimate) < 0.1 for row in crossed(data))


def test_a_true_effect_is_found_with_its_size():
    data = predicted(3, 1.5, per=2)
    expected = 0.5 * 1.5 / data.predictions.std(axis=1, ddof=1).mean()
    for row in crossed(data):
        assert row.test.low < expected < row.test.high
        assert row.test.p < 0.05
        assert row.levels == {"encoder subject": 6, "image": 48}
    whole_model = joint(data)
    assert whole_model.test.estimate == pytest.approx(expected, abs=0.1)
    assert whole_model.levels["image by region"] == 192


def test_images_made_for_nothing_reject_at_the_nominal_rate_only_with_images_random():
    """Encoders of several subjects agree by chance on what an image drives: images must be random."""
    mixed, stages = [], []
    for seed in range(40):
        data = predicted(100 + seed, 0.0, subjects=5, per=2)
        mixed += [row.test.p < 0.05 for row in crossed(data)]
        stages += [row.test.p < 0.05 for row in two_stage(data, own=False)]
    assert np.mean(mixed) < 0.11
    assert np.mean(stages) > 0.2


def test_on_off_that_low_level_features_determine_is_refused():
    data = predicted(4, 0.5)
    nuisance = data.nuisance.copy()
    nuisance[:, 0] = data.on("a")
    with pytest.raises(InputError, match="determine it"):
        two_stage(ImagePredictions(**{**data.__dict__, "nuisance": nuisance}))


def test_dissimilarities_and_their_comparison():
    rng = generator(5, "rdm")
    values = rng.normal(size=(25, 8))
    found = dissimilarity(values)
    np.testing.assert_allclose(found, squareform(pdist(values, "correlation")), atol=1e-12)
    labels = [str(number % 3) for number in range(25)]
    hot = np.eye(3)[[int(label) for label in labels]]
    np.testing.assert_allclose(of_labels(labels), squareform(pdist(hot, "correlation")), atol=1e-12)
    noise = dissimilarity(rng.normal(size=(25, 8)))
    near = dissimilarity(values + rng.normal(0, 0.3, values.shape))
    rows = compare({"one": found, "near": near, "noise": noise}, permutations=199, rng=rng)
    upper = np.triu_indices(25, 1)
    for row, other in zip(rows[:2], (near, noise), strict=True):
        assert row.rho == pytest.approx(stats.spearmanr(found[upper], other[upper]).statistic)
    assert rows[0].p == pytest.approx(1 / 200)
    assert rows[1].p > 0.02
    with pytest.raises(InputError, match="does not vary"):
        dissimilarity(np.ones((4, 3)))
    with pytest.raises(InputError, match="one label"):
        of_labels(["a", "a"])


def test_the_picture_is_the_same_for_the_same_seed():
    values = generator(6, "picture").normal(size=(20, 4))
    first, second = (tsne_picture(values, generator(7, "t-SNE")) for _ in range(2))
    assert first.shape == (20, 2)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)
    with pytest.raises(InputError, match="five or more"):
        tsne_picture(values[:4], generator(7, "t-SNE"))
