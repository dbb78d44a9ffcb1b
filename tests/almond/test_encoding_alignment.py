"""Features on the times of the volumes: published orders, derivatives, delays and explicit starts."""

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import firwin
from scipy.stats import gamma

from almond.encoding.hemodynamics.convolution import align, align_film, convolve
from almond.encoding.hemodynamics.hrf import CANONICAL, basis, orthogonalised, spm_hrf
from almond.encoding.hemodynamics.resampling import read_at, resample
from almond.errors import InputError
from almond.rng import generator

FIXTURES = Path(__file__).parent / "fixtures"


def reference_hrf(time, delay=6.0, undershoot=16.0, dispersion=1.0, onset=0.0):
    """The canonical response from scipy's gamma densities."""
    found = gamma.pdf(time - onset, delay / dispersion, scale=dispersion)
    return found - gamma.pdf(time - onset, undershoot) / 6


def smooth(rows, interval, width=2.0, columns=3, seed=0):
    """A signal whose value is known at any time: sums of slow sines."""
    rng = generator(seed, "smooth")
    frequency, phase = rng.uniform(0.01, 1 / (2 * width) / 4, (6, columns)), rng.uniform(0, 7, (6, columns))

    def at(time):
        return np.sin(2 * np.pi * frequency * np.asarray(time)[:, None, None] + phase).sum(axis=1)

    return at(np.arange(rows) * interval), at


@pytest.mark.parametrize("order", ["paper-amygdala", "paper-subregions"])
def test_published_orders(order):
    stored = np.load(FIXTURES / "chain.npz")
    expected = {
        "paper-amygdala": stored["chain_resample_then_conv"],
        "paper-subregions": stored["chain_conv_then_resample"],
    }[order]
    found = align_film(stored["feat"], n_volumes=40, tr=1.0, order=order)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    same = align(stored["feat"], interval=1 / 4.825, n_volumes=40, tr=1.0, order=order)
    np.testing.assert_array_equal(same, found)
    # Many columns are worked on block by block, in whatever precision they come.
    wide = np.tile(stored["feat"], (1, 200)).astype(np.float32)
    found = align_film(wide, n_volumes=40, tr=1.0, order=order)
    np.testing.assert_allclose(found, np.tile(expected, (1, 200)), atol=1e-6)


def test_published_orders_peak_when_they_did():
    """One flash, 4.8 frames per second: the response sampled at the TR but laid along frames peaks early."""
    frames = np.zeros((480, 1))
    frames[48] = 1.0
    peaks = {
        order: int(align_film(frames, n_volumes=100, tr=1.0, order=order).argmax()) - 10
        for order in ("paper-amygdala", "paper-subregions")
    }
    assert peaks == {"paper-amygdala": 5, "paper-subregions": 1}
    sound = align(frames, interval=1 / 4.8, n_volumes=100, tr=1.0)
    assert int(sound.argmax()) - 10 == 5


def test_film_of_as_many_frames_as_volumes_and_what_is_refused():
    values = generator(1, "film").standard_normal((30, 2))
    found = align_film(values, n_volumes=30, tr=1.0, order="paper-amygdala")
    np.testing.assert_array_equal(found, convolve(values, spm_hrf(1.0)))
    with pytest.raises(InputError, match="order: is 'default'"):
        align_film(values, n_volumes=30, tr=1.0, order="default")
    with pytest.raises(InputError, match="0 frames"):
        align_film(values[:0], n_volumes=30, tr=1.0, order="paper-amygdala")
    with pytest.raises(InputError, match="canonical response from time 0"):
        align(values, interval=1.0, n_volumes=30, tr=1.0, order="paper-amygdala", hrf="fir", delays=[2])


@pytest.mark.parametrize("interval", [0.5, 1.0, 2.0])
def test_derivatives_are_spms_differences(interval):
    canonical = spm_hrf(interval)
    later, wider = list(CANONICAL), list(CANONICAL)
    later[5], wider[2] = 1.0, 1.01
    plain = basis("spm+derivatives", interval, orthogonal=False)
    assert plain.shape == (int(32 / interval) + 1, 3)
    np.testing.assert_array_equal(plain[:, 0], canonical)
    np.testing.assert_allclose(plain[:, 1], canonical - spm_hrf(interval, later), atol=1e-15)
    np.testing.assert_allclose(plain[:, 2], (canonical - spm_hrf(interval, wider)) / 0.01, atol=1e-12)
    # The same from gamma densities of scipy, each divided by its sum.
    time = np.arange(len(canonical)) * interval

    def unit(values):
        return values / values.sum()

    first = unit(reference_hrf(time))
    np.testing.assert_allclose(plain[:, 1], first - unit(reference_hrf(time, onset=1.0)), atol=1e-12)
    expected = (first - unit(reference_hrf(time, dispersion=1.01))) / 0.01
    np.testing.assert_allclose(plain[:, 2], expected, atol=1e-9)


def test_derivatives_are_made_orthogonal_to_what_comes_before():
    plain, found = basis("spm+derivatives", 1.0, orthogonal=False), basis("spm+derivatives", 1.0)
    q, r = np.linalg.qr(plain)
    np.testing.assert_allclose(found, q * np.diag(r), atol=1e-12)
    np.testing.assert_array_equal(found[:, 0], spm_hrf(1.0))
    np.testing.assert_array_equal(basis("spm+derivative", 1.0), found[:, :2])
    np.testing.assert_array_equal(basis("spm", 1.0)[:, 0], spm_hrf(1.0))
    same = orthogonalised(found)
    np.testing.assert_allclose(same, found, atol=1e-12)
    with pytest.raises(InputError, match="hrf: is 'gamma'"):
        basis("gamma", 1.0)


def test_columns_of_derivatives_are_feature_fastest():
    values, _ = smooth(160, 0.5)
    found = align(values, interval=0.5, n_volumes=80, tr=1.0, hrf="spm+derivatives")
    assert found.shape == (80, 9)
    rows = resample(values, 1, 2)
    for number, response in enumerate(basis("spm+derivatives", 1.0).T):
        expected = np.stack([np.convolve(column, response)[:80] for column in rows.T], axis=1)
        np.testing.assert_allclose(found[:, number * 3 : number * 3 + 3], expected, atol=1e-12)
    np.testing.assert_array_equal(found[:, :3], align(values, interval=0.5, n_volumes=80, tr=1.0))
    np.testing.assert_array_equal(align(values, interval=0.5, n_volumes=80, tr=1.0, hrf=True), found[:, :3])


def test_the_derivative_explains_a_response_that_comes_early():
    values, _ = smooth(600, 0.5, columns=1, seed=3)
    early = np.convolve(resample(values, 1, 2)[:, 0], reference_hrf(np.arange(33.0) + 0.7))[:300]

    def unexplained(hrf):
        x = np.c_[np.ones(300), align(values, interval=0.5, n_volumes=300, tr=1.0, hrf=hrf)]
        return np.linalg.lstsq(x, early, rcond=None)[1][0] / early.var() / 300

    assert unexplained("spm+derivative") < 0.1 * unexplained("spm")


@pytest.mark.parametrize("delay", [2.0, 3.7, 0.0])
def test_delays_are_in_seconds_whatever_the_tr(delay):
    values, at = smooth(900, 0.2)
    tr, n = 1.5, 120
    found = align(values, interval=0.2, n_volumes=n, tr=tr, hrf="fir", delays=[delay, 6.0])
    assert found.shape == (n, 6)
    time = np.arange(n) * tr
    inside = (time - 6.0 > 20) & (time < 165)
    # The low-pass filter passes slow signals to about one part in a thousand.
    np.testing.assert_allclose(found[inside, :3], at(time - delay)[inside], atol=5e-3)
    np.testing.assert_allclose(found[inside, 3:], at(time - 6.0)[inside], atol=5e-3)
    assert np.abs(found[0, 3:]).max() < 1e-12


def test_whole_delays_are_shifts():
    values, _ = smooth(300, 0.5)
    plain = align(values, interval=0.5, n_volumes=150, tr=1.0, hrf="none")
    found = align(values, interval=0.5, n_volumes=150, tr=1.0, hrf="fir", delays=[0, 1, 4])
    np.testing.assert_array_equal(found[:, :3], plain)
    np.testing.assert_array_equal(found[1:, 3:6], plain[:-1])
    np.testing.assert_array_equal(found[4:, 6:], plain[:-4])
    assert not found[:4, 6:].any()


def test_delays_and_kinds_must_go_together():
    values = np.zeros((10, 1))
    for how in ({"hrf": "fir"}, {"hrf": "spm", "delays": [2.0]}):
        with pytest.raises(InputError, match="hrf: fir together with delays"):
            align(values, interval=1.0, n_volumes=10, tr=1.0, **how)
    with pytest.raises(InputError, match="hrf: is 'boxcar'"):
        align(values, interval=1.0, n_volumes=10, tr=1.0, hrf="boxcar")
    with pytest.raises(InputError, match="order: is 'backwards'"):
        align(values, interval=1.0, n_volumes=10, tr=1.0, order="backwards")


@pytest.mark.parametrize(("interval", "step"), [(0.25, 1.0), (0.2, 1.0), (2.0, 0.5), (1.0, 0.1)])
def test_reading_at_times_is_the_resampling_where_both_can(interval, step):
    """The windowed sinc of ``resample`` is scipy's ``firwin``; on its grid both must agree."""
    values = generator(1, "read").standard_normal((240, 2))
    up, down = (1, round(step / interval)) if step >= interval else (round(interval / step), 1)
    expected = resample(values, up, down)
    found = read_at(values, interval=interval, step=step, first=0.0, count=len(expected))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_filter_is_the_windowed_sinc_between_grid_points():
    half = 10 * 20
    taps = firwin(2 * half + 1, 1 / 20, window=("kaiser", 5.0)) * 20
    flash = np.zeros((41, 1))
    flash[20] = 1.0
    found = read_at(flash, interval=1.0, step=0.05, first=10.0, count=2 * half + 1)[:, 0]
    np.testing.assert_allclose(found, taps, atol=1e-3)


@pytest.mark.parametrize("start", [-8.0, -3.35, 2.0, 4.6])
def test_a_stimulus_that_starts_before_or_after_the_first_volume(start):
    """Against the response integrated finely over the signal where it is shown."""
    interval, tr, n = 0.2, 1.0, 100
    rows = 450
    values, at = smooth(rows, interval, width=3.0, seed=5)
    found = align(values, interval=interval, n_volumes=n, tr=tr, start=start)
    fine = 0.05
    time = np.arange(-40, n, fine)
    shown = ((time >= start) & (time < start + rows * interval))[:, None] * at(time - start)
    # SPM's response is a sum over samples of the TR: so is this, on signals without fast changes.
    expected = np.zeros((n, 3))
    for lag, weight in enumerate(spm_hrf(tr)):
        expected += weight * shown[[round((40 + volume - lag) / fine) for volume in range(n)]]
    ends = np.abs(np.arange(n)[:, None] - np.array([start, start + rows * interval])) < 2
    late = np.arange(n) < start + rows * interval - 3
    inside = (np.arange(n) > start + 36) & late
    np.testing.assert_allclose(found[inside], expected[inside], atol=5e-3)
    # Near the ends the low-pass filter rounds the corner off.
    assert np.abs(found - expected)[~ends.any(axis=1)].max() < 0.25 * np.abs(expected).max()


def test_what_was_shown_before_the_first_volume_is_still_answered():
    flash = np.zeros((200, 1))
    flash[:10] = 1.0
    found = align(flash, interval=0.1, n_volumes=40, tr=1.0, start=-4.0)
    # Shown from -4 to -3 s: the response is highest at 1 s and its undershoot follows.
    assert int(found.argmax()) in (1, 2)
    assert found[15, 0] < 0
    plain = align(np.r_[flash, np.zeros((200, 1))], interval=0.1, n_volumes=40, tr=1.0)
    np.testing.assert_allclose(found[:36], plain[4:], atol=1e-12)
    unanswered = align(flash, interval=0.1, n_volumes=40, tr=1.0, start=-4.0, hrf="none")
    assert np.abs(unanswered[10:]).max() < 1e-12


def test_memory_of_long_films_is_bounded_by_blocks():
    """Thousands of features in single precision: no second copy of the film in double precision."""
    import tracemalloc

    film = np.zeros((4000, 1024), np.float32)
    tracemalloc.start()
    align(film, interval=0.25, n_volumes=1000, tr=1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Two results of 1000 x 1024 numbers and the block at work.
    assert peak < 45e6 < 4000 * 1024 * 8 * 2
