"""Performance tables, aligned matrices, t maps and false discoveries against scipy and statsmodels."""

import gzip

import nibabel
import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from almond.errors import InputError
from almond.group.maps import t_map, write_group_maps
from almond.group.performance import (
    GroupMatrix,
    Performance,
    group_matrix,
    group_t_test,
    performance_table,
    voxel_fisher_z,
)
from almond.rng import generator
from almond.stats.multiple import benjamini_hochberg

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
GRID = ((4, 4, 4), AFFINE)


def performance(subject, voxels, r, grid=GRID, region="LB", **numbers):
    places = None if voxels is None else np.array(voxels, np.int64)
    return Performance(subject, region, "pls", np.array(r, float), places, 0, grid, numbers)


def test_fisher_z_of_zeros_and_undefined_values_is_missing():
    z = voxel_fisher_z(np.array([0.5, -0.2, 0.0, np.nan, 1.0]))
    assert z[:2] == pytest.approx(np.arctanh([0.5, -0.2]))
    assert np.isnan(z[2:]).all()


def test_one_sample_equals_scipy():
    values = generator(1, "values").normal(0.3, 1.0, 12)
    found = group_t_test(np.append(values, np.nan))
    expected = stats.ttest_1samp(values, 0.0)
    interval = expected.confidence_interval(0.95)
    assert (found.n, found.df) == (12, 11)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.d == pytest.approx(values.mean() / values.std(ddof=1))
    assert group_t_test(np.array([0.3])) is None
    assert group_t_test(np.array([0.3, 0.3])) is None


def test_matrix_is_aligned_by_grid_index():
    first = performance("01", [(0, 0, 0), (2, 1, 0), (1, 0, 3)], [0.1, 0.2, 0.3])
    second = performance("02", [(1, 0, 3), (0, 0, 0), (3, 3, 3)], [0.4, 0.0, 0.0])
    found = group_matrix([first, second])
    # x fastest; (3, 3, 3) is missing in everybody: its r is zero in the one who has it.
    assert found.voxels.tolist() == [[0, 0, 0], [2, 1, 0], [1, 0, 3]]
    expected = np.arctanh([[0.1, 0.2, 0.3], [np.nan, np.nan, 0.4]])
    np.testing.assert_allclose(found.z, expected, equal_nan=True)
    header, *rows = found.csv().decode().splitlines()
    assert header == "subject,x0_y0_z0,x2_y1_z0,x1_y0_z3"
    assert rows[1].startswith("02,,,0.42")


def test_subjects_on_different_grids_are_refused_with_both_affines():
    moved = (GRID[0], AFFINE + np.eye(4))
    with pytest.raises(InputError, match=r"sub-01 has a grid.*sub-02 one of"):
        group_matrix([performance("01", [(0, 0, 0)], [0.1]), performance("02", [(0, 0, 0)], [0.1], moved)])


def test_encoders_of_a_mean_have_no_map():
    with pytest.raises(InputError, match="mean over voxels"):
        group_matrix([performance("01", None, [0.2])])


def test_performance_table_is_the_mean_over_voxels():
    found = performance_table(
        [
            performance("01", [(0, 0, 0), (1, 0, 0)], [0.5, 0.0], r2=0.25),
            performance("02", [(0, 0, 0)], [0.0]),
            performance("01", [(3, 0, 0)], [0.3], region="CM"),
        ]
    )
    assert found.regions == ("LB", "CM")
    np.testing.assert_allclose(found.values, np.arctanh([[0.5, 0.3], [np.nan, np.nan]]), equal_nan=True)
    assert found.csv().decode().splitlines()[2] == "02,,"


@pytest.mark.parametrize("count", [1, 7, 400])
def test_false_discoveries_equal_scipy_and_statsmodels(count):
    p = generator(2, "p", count).uniform(size=count) ** 3
    p[0] = p[-1]  # a tie
    ours = benjamini_hochberg(np.append(p, np.nan))
    assert np.isnan(ours[-1])
    np.testing.assert_allclose(ours[:-1], stats.false_discovery_control(p, method="bh"), rtol=1e-12)
    rejected = multipletests(p, 0.05, method="fdr_bh")[0]
    assert ((ours[:-1] <= 0.05) == rejected).all()


def matrix_of(z):
    voxels = np.stack(np.unravel_index(np.arange(z.shape[1]), GRID[0], order="F"), axis=1).astype(np.int64)
    return GroupMatrix("LB", tuple(f"{row:02d}" for row in range(len(z))), voxels, z, GRID)


def test_t_map_equals_scipy_and_leaves_out_voxels_with_few_subjects(tmp_path):
    z = generator(3, "z").normal(0.2, 0.3, (9, 20))
    z[:6, 3], z[2, 5] = np.nan, np.nan
    found = t_map(matrix_of(z), rate=0.05, least=4)
    expected = stats.ttest_1samp(z, 0.0, nan_policy="omit")
    kept = np.arange(20) != 3
    np.testing.assert_allclose(found.t[kept], np.asarray(expected.statistic)[kept])
    np.testing.assert_allclose(found.p[kept], np.asarray(expected.pvalue)[kept])
    assert np.isnan(found.t[3])
    assert np.isnan(found.q[3])
    np.testing.assert_allclose(found.q[kept], stats.false_discovery_control(found.p[kept]))
    files = write_group_maps(tmp_path, found, GRID)
    image = nibabel.load(tmp_path / files["t_fdr"])
    np.testing.assert_allclose(image.affine, AFFINE)
    data = image.get_fdata()
    x, y, zed = found.voxels[int(np.nanargmax(found.t))]
    assert data[x, y, zed] == pytest.approx(np.nanmax(found.t), rel=1e-6)
    assert np.isfinite(data).sum() == 19
    assert (data == 0).sum() == 19 - found.significant.sum()
    again = (tmp_path / files["t"]).read_bytes()
    write_group_maps(tmp_path, found, GRID)
    assert (tmp_path / files["t"]).read_bytes() == again
    assert gzip.decompress(again)


def test_maps_want_three_subjects():
    with pytest.raises(InputError, match="2 subjects"):
        t_map(matrix_of(np.ones((2, 5))), rate=0.05, least=3)


def test_false_discovery_rate_is_kept_on_null_and_mixed_data():
    """Smooth noise over 60 voxels: any discovery is false; then half of the voxels respond."""
    false_any, shares = 0, []
    for seed in range(300):
        rng = generator(seed, "null maps")
        z = rng.normal(size=(10, 60)) + rng.normal(size=(10, 1)) * 0.5
        false_any += t_map(matrix_of(z), rate=0.05, least=3).significant.any()
        z[:, :30] += 1.5
        found = t_map(matrix_of(z), rate=0.05, least=3).significant
        shares.append(found[30:].sum() / max(1, found.sum()))
    assert false_any / 300 < 0.09
    assert np.mean(shares) < 0.05
