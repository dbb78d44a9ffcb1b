"""Banded ridge: against himalaya called directly, generalised ridge solved by hand, and known truths."""

import numpy as np
import pytest
from himalaya.backend import get_backend, set_backend
from himalaya.ridge import GroupRidgeCV

from almond.encoding.models.banded import Banded, fit_banded
from almond.encoding.models.bands import band_columns, draw_shares
from almond.encoding.models.estimators import Ridge, solve
from almond.errors import InputError
from almond.progress import Silent
from almond.rng import generator
from tests.almond.engine_data import film, problem
from tests.almond.test_engine_ridge import quarters

FACTORS = (0.01, 0.1, 1.0, 10.0)
BANDS = {"shapes": slice(0, 12), "sounds": slice(12, 40)}


def two_spaces(rows=160, seed=5):
    """Voxels 0-3 follow the first space, 4-7 the second, whose units are a hundred times larger."""
    rng = generator(seed, "two spaces")
    x = rng.standard_normal((rows, 40))
    x[:, 12:] *= 100
    y = rng.standard_normal((rows, 8))
    y[:, :4] += 3 * x[:, :12] @ rng.standard_normal((12, 4)) / np.sqrt(12)
    y[:, 4:] += 3 * x[:, 12:] / 100 @ rng.standard_normal((28, 4)) / np.sqrt(28)
    return x + 5.0, y - 2.0


@pytest.mark.parametrize("rows", [160, 32])
def test_weights_solve_ridge_with_a_penalty_per_band(rows):
    """Both kernels (fewer rows than features) and features, by the normal equations."""
    x, y = two_spaces(rows)
    columns = list(band_columns(BANDS, 40).values())
    shares = draw_shares(2, 8, generator(1, "shares"))
    found = fit_banded(x, y, columns, folds=quarters(rows), factors=FACTORS, shares=shares)
    x0, y0 = x - x.mean(axis=0), y - y.mean(axis=0)
    for voxel in range(8):
        penalties = np.empty(40)
        for index, chosen in enumerate(columns):
            scale = (x0[:, chosen] ** 2).sum() / len(chosen)
            penalties[chosen] = scale / np.exp(found.deltas[index, voxel])
        expected = np.linalg.solve(x0.T @ x0 + np.diag(penalties), x0.T @ y0[:, voxel])
        np.testing.assert_allclose(found.weights[:, voxel], expected, rtol=1e-6, atol=1e-9)
        assert found.intercept[voxel] == pytest.approx(
            y[:, voxel].mean() - x.mean(axis=0) @ expected, abs=1e-7
        )
    np.testing.assert_allclose(found.shares.sum(axis=0), 1.0)
    assert np.isin(found.penalties.round(9), np.round(FACTORS, 9)).all()


def test_it_chooses_as_himalaya_does():
    x, y = two_spaces()
    columns = list(band_columns(BANDS, 40).values())
    shares = draw_shares(2, 8, generator(1, "shares"))
    found = fit_banded(x, y, columns, folds=quarters(160), factors=FACTORS, shares=shares)
    set_backend("numpy")
    x0 = x - x.mean(axis=0)
    scaled = [x0[:, chosen] / np.sqrt((x0[:, chosen] ** 2).sum() / len(chosen)) for chosen in columns]
    parameters = {"n_iter": shares, "alphas": np.array(FACTORS), "progress_bar": False}
    splits = [(fold.train, fold.test) for fold in quarters(160)]
    peer = GroupRidgeCV("input", solver_params=parameters, fit_intercept=True, cv=splits).fit(scaled, y)
    np.testing.assert_allclose(found.deltas, peer.deltas_, atol=1e-9)


def test_kernels_and_features_choose_the_same():
    """The same rows with features added that are always zero: the way changes, the answer does not."""
    x, y = two_spaces(60)
    wide = np.zeros((60, 80))
    wide[:, :12], wide[:, 12:40] = x[:, :12], x[:, 12:]
    narrow = [np.arange(12), np.arange(12, 40)]
    broad = [np.arange(12), np.arange(12, 80)]
    shares = draw_shares(2, 6, generator(1, "shares"))
    one = fit_banded(x, y, narrow, folds=quarters(60), factors=(1.0,), shares=shares[:1])
    # A space's scale is the mean over its features, so that 40 empty ones change its penalty by 68 / 28.
    share = np.array([[1.0, 28 / 68]]) / 2
    other = fit_banded(wide, y, broad, folds=quarters(60), factors=(1.0,), shares=share)
    np.testing.assert_allclose(other.weights[:40], one.weights, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(other.weights[40:], 0.0)


def test_voxels_follow_their_space_and_the_report_says_so():
    x, y = two_spaces()
    posed = problem(x, y, [np.arange(4), np.arange(4, 8)], n_folds=3)
    first, second = solve(Banded(BANDS, FACTORS, seed=3), posed, progress=Silent())
    for one, own, other in ((first, "shapes", "sounds"), (second, "sounds", "shapes")):
        for chosen in (*one.fold_hyperparameters, one.final.hyperparameters):
            assert chosen["bands"][own]["share_median"] > 0.6 > chosen["bands"][other]["share_median"]
            assert chosen["bands"][own]["delta_median"] > chosen["bands"][other]["delta_median"]
            assert set(chosen["bands"]) == set(BANDS)
        rows = np.arange(40)[BANDS[own]]
        length = np.linalg.norm(one.final.weights[rows], axis=0).mean()
        assert one.final.hyperparameters["bands"][own]["weights_length_mean"] == pytest.approx(length)


def test_it_beats_one_penalty_for_all_where_a_space_is_noise():
    x, y = two_spaces()
    x[:, 12:] = 5.0 + 100 * generator(9, "noise").standard_normal((160, 28))
    posed = problem(x, y, [np.arange(4)], n_folds=4)
    (banded,), (plain,) = (
        solve(one, posed, progress=Silent()) for one in (Banded(BANDS, FACTORS), Ridge(FACTORS))
    )

    def missed(found):
        pairs = zip(found.predictions, posed.folds, strict=True)
        return sum(((one - y[fold.test][:, :4]) ** 2).sum() for one, fold in pairs)

    assert missed(banded) < missed(plain)


def test_the_same_seed_gives_the_same_and_every_seed_starts_with_equal_shares():
    posed = problem(*two_spaces(80), [np.arange(8)], n_folds=2)
    one, same, other = (
        solve(Banded(BANDS, FACTORS, seed=seed, draws=4), posed, progress=Silent())[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.final.weights, same.final.weights)
    assert one.final.hyperparameters == same.final.hyperparameters
    assert np.abs(one.final.weights - other.final.weights).max() > 0
    for seed in (1, 2):
        shares = draw_shares(3, 5, generator(seed, "banded"))
        np.testing.assert_allclose(shares[0], 1 / 3)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert (shares > 0).all()


def test_basis_responses_repeat_the_bands():
    found = band_columns({"a": slice(0, 2), "b": slice(2, 5)}, 10)
    np.testing.assert_array_equal(found["a"], [0, 1, 5, 6])
    np.testing.assert_array_equal(found["b"], [2, 3, 4, 7, 8, 9])
    with pytest.raises(InputError, match="overlap"):
        band_columns({"a": slice(0, 3), "b": slice(2, 5)}, 10)


def test_himalayas_backend_is_set_back():
    set_backend("torch")
    try:
        x, y = two_spaces(40)
        columns = list(band_columns(BANDS, 40).values())
        fit_banded(x, y, columns, folds=quarters(40), factors=(1.0,), shares=np.full((1, 2), 0.5))
        assert get_backend().name == "torch"
    finally:
        set_backend("numpy")


def test_what_cannot_be_chosen_is_refused():
    x, y = film(40, 10, 3)
    shares = np.ones((1, 1))
    with pytest.raises(InputError, match="no folds to choose with"):
        fit_banded(x, y, [np.arange(10)], folds=[], factors=(1.0,), shares=shares)
    with pytest.raises(InputError, match="above 0"):
        fit_banded(x, y, [np.arange(10)], folds=quarters(40), factors=(0.0,), shares=shares)
