"""The flow model's parts against closed forms: convolution, least squares, Gaussians, Euler, calibration."""

import itertools

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from almond.encoding.bold.cleaning import standardised_courses
from almond.encoding.config.multisubject import FlowSettings
from almond.encoding.hemodynamics.hrf import spm_hrf
from almond.encoding.multisubject.calibration import calibration, crps_of_gaussian, crps_of_samples
from almond.encoding.multisubject.flow_anchor import (
    Anchor,
    KernelWindow,
    SubjectResponses,
    expected_response,
    pad_runs,
    train_anchor,
)
from almond.encoding.multisubject.flow_matching import (
    Residuals,
    Velocity,
    gaussian_velocity,
    integrate,
    train_velocity,
)
from almond.encoding.multisubject.flow_training import TrainingSchedule, torch_generator
from almond.encoding.multisubject.residual_covariance import choose_covariance, fit_covariance
from almond.progress import Silent
from almond.rng import generator
from tests.almond.sections import section_of


def tensor(values):
    return torch.tensor(values, dtype=torch.float32)


def test_convolution_sees_its_window_and_no_other_run():
    """Against the sum over lags written out; the first run's end and the second's beginning stay apart."""
    rng = generator(1, "conv")
    features, lengths, window = rng.standard_normal((23, 3)), (11, 12), KernelWindow(5, 2)
    expected = tensor(rng.standard_normal(5))
    anchor = Anchor(3, 4, expected, [2], torch_generator(1, "a"))
    with torch.no_grad():
        anchor.departure.copy_(tensor(rng.standard_normal((4, 3, 5))))
        kernel = anchor.kernel().numpy().astype(float)
        found = anchor.courses(pad_runs(tensor(features), lengths, window)).numpy()
    start = 0
    for length in lengths:
        for row in range(length):
            total = np.zeros(4)
            for tap in range(5):
                seen = row + tap - 2  # taps - 1 - lead = 2 volumes before the volume itself
                if 0 <= seen < length:
                    total += kernel[:, :, tap] @ features[start + seen]
            np.testing.assert_allclose(found[start + row], total, rtol=1e-4, atol=1e-5)
        start += length


def test_the_expected_response_lies_at_its_lags():
    window = KernelWindow.of(20.0, 3.0, 1.5)
    assert (window.taps, window.lead) == (13, 2)
    response = spm_hrf(1.5)
    shape = expected_response(window, response).numpy()
    assert not shape[11:].any()  # the future
    np.testing.assert_allclose(shape[:11][::-1], response[:11] / np.linalg.norm(response[:11]), rtol=1e-6)
    assert expected_response(window, None).numpy().tolist() == [0.0] * 10 + [1.0, 0.0, 0.0]
    assert KernelWindow.of(0.5, 9.0, 1.5) == KernelWindow(1, 0)


def test_one_tap_without_decay_is_least_squares():
    """Closed form, to one per cent of the response's spread; two subjects, one trunk."""
    rng = generator(2, "least squares")
    x = standardised_courses(rng.standard_normal((150, 4)) + 0.5 * rng.standard_normal((150, 1)))
    responses = [
        standardised_courses(x @ rng.standard_normal((4, size)) + rng.standard_normal((150, size)))
        for size in (3, 5)
    ]
    rows = torch.arange(150)
    film = pad_runs(tensor(x), (150,), KernelWindow(1, 0))
    watched = [SubjectResponses(0, tensor(y), rows, rows[:0]) for y in responses]
    anchor, _ = train_anchor(
        [film],
        watched,
        TrainingSchedule(500, 1, 1e-2),
        width=8,
        decay=0.0,
        expected=torch.ones(1),
        seed=0,
        checkpoint=None,
        progress=Silent(),
        name="anchor",
    )
    design = np.column_stack([x, np.ones(150)])
    with torch.no_grad():
        for subject, y in enumerate(responses):
            found = anchor.read(anchor.courses(film), subject).numpy()
            expected = design @ np.linalg.lstsq(design, y, rcond=None)[0]
            assert np.abs(found - expected).max() < 0.01 * y.std()


def test_euler_steps_converge_to_the_exact_flow():
    """For standard normal residuals the exact flow from 0 to 1 is the identity: x(1) = sqrt(0 + 1) x(0)."""
    velocity = Velocity([torch.eye(3)], 2, 4, torch_generator(0, "v"))
    noise = tensor([[1.0, -2.0, 0.5]])
    misses = []
    for steps in (25, 50, 100, 200):
        found = integrate(velocity, 0, noise, torch.zeros(1, 2), steps)
        times = np.arange(steps) / steps
        by_hand = np.prod(1 + (2 * times - 1) / ((1 - times) ** 2 + times**2) / steps)
        np.testing.assert_allclose(found.numpy(), by_hand * noise.numpy(), rtol=1e-4)
        misses.append(abs(by_hand - 1))
    assert misses[0] == pytest.approx(0.055, abs=0.01)
    for coarse, fine in itertools.pairwise(misses):
        assert 1.8 < coarse / fine < 2.2  # first order
    still = gaussian_velocity(torch.ones(1, 2), torch.full((1, 1), 0.5))
    assert not still.any()


def test_a_gaussian_with_known_moments_is_recovered():
    """x | c ~ N((c, -c / 2), S), learned from draws; samples at c = 1 and c = -1 have these moments."""
    rng = generator(3, "gauss")
    covariance = np.array([[1.0, 0.7], [0.7, 1.4]])
    condition = rng.choice([-1.0, 1.0], size=(3000, 1))
    noise = rng.multivariate_normal([0, 0], covariance, size=3000)
    values = condition * np.array([1.0, -0.5]) + noise
    rows = torch.arange(3000)
    data = Residuals(tensor(values), tensor(condition), torch.eye(2), rows[:2500], rows[2500:])
    velocity, course = train_velocity(
        [data],
        TrainingSchedule(60, 60, 5e-3),
        hidden=32,
        batch=500,
        seed=0,
        checkpoint=None,
        progress=Silent(),
    )
    assert course.best_epoch > 5
    for sign in (-1.0, 1.0):
        start = torch.randn(4000, 2, generator=torch_generator(1, "start"))
        found = integrate(velocity, 0, start, torch.full((4000, 1), sign), 100).numpy()
        np.testing.assert_allclose(found.mean(axis=0), [sign, -0.5 * sign], atol=0.12)
        np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.22)


def test_the_spread_is_a_factor_model():
    rng = generator(4, "spread")
    loadings = np.vstack([rng.standard_normal((10, 2)), np.zeros((2, 2))])
    truth = loadings @ loadings.T + np.diag(rng.uniform(0.5, 2.0, 12))
    residuals = tensor(rng.multivariate_normal(np.zeros(12), truth, size=3000))
    rows = torch.arange(3000)
    spread = choose_covariance(residuals, rows[:2000], rows[2000:])
    dense = spread.coloured(torch.eye(12)).numpy().astype(float)
    covariance = dense.T @ dense
    np.testing.assert_allclose(np.diag(covariance), np.diag(truth), rtol=0.15)
    assert np.abs(covariance - truth).max() < 0.35
    np.testing.assert_allclose(spread.deviation.numpy() ** 2, np.diag(covariance), rtol=1e-4)
    some = residuals[:50]
    np.testing.assert_allclose(spread.coloured(spread.whitened(some)).numpy(), some.numpy(), atol=1e-4)
    expected = multivariate_normal(np.zeros(12), covariance).logpdf(some.numpy()).mean()
    assert spread.likelihood(some) == pytest.approx(expected + 6 * np.log(2 * np.pi), abs=1e-2)
    together = tensor(rng.standard_normal((400, 20)) + rng.standard_normal((400, 1)))
    assert 1 <= len(choose_covariance(together, rows[:300], rows[300:400]).variances) <= 3
    apart = tensor(rng.standard_normal((400, 20)))
    assert len(choose_covariance(apart, rows[:300], rows[300:400]).variances) <= 1
    alone = fit_covariance(residuals, 0)
    np.testing.assert_allclose(alone.whitened(residuals).std(dim=0).numpy(), np.ones(12), rtol=1e-2)


def test_crps_is_the_integral_of_the_squared_difference():
    for mean, spread, value in ((0.0, 1.0, 0.3), (1.0, 0.5, -1.0)):

        def squared(x, mean=mean, spread=spread, value=value):
            return (norm.cdf(x, mean, spread) - (x >= value)) ** 2

        expected = quad(squared, -8, value)[0] + quad(squared, value, 8)[0]
        assert crps_of_gaussian(np.array(mean), np.array(spread), np.array(value)) == pytest.approx(expected)
        draws = generator(5, "crps").normal(mean, spread, 20000)
        assert crps_of_samples(draws, np.array(value)) == pytest.approx(expected, abs=0.01)
    few = np.array([0.0, 1.0, 4.0])
    pairs = np.abs(few[:, None] - few[None, :]).sum() / (3 * 2)
    assert crps_of_samples(few, np.array(2.0)) == pytest.approx((2 + 1 + 2) / 3 - pairs / 2)


@pytest.mark.parametrize(("width", "ratio"), [(1.0, 1.0), (0.5, 0.5), (2.0, 2.0)])
def test_calibration_tells_right_from_wrong(width, ratio):
    rng = generator(6, "calibration")
    centre = rng.standard_normal((150, 20))
    measured = centre + rng.standard_normal((150, 20))
    found = calibration(centre + width * rng.standard_normal((80, 150, 20)), measured)
    assert found["spread_skill"] == pytest.approx(ratio, rel=0.05)
    for level, share in found["coverage"].items():
        right = norm.cdf(width * norm.ppf(0.5 + float(level) / 200)) * 2 - 1
        assert share == pytest.approx(right, abs=0.03)
    assert sum(found["pit"]) == pytest.approx(1.0, abs=1e-3)
    flat = max(found["pit"]) - min(found["pit"])
    assert flat < 0.04 if width == 1.0 else flat > 0.1


def test_settings_report_every_error_with_its_path(tmp_path):
    settings, problems = section_of(tmp_path, flow={"epochs": 5, "kernel": 9, "lead": 1.5})
    assert (settings, problems) == (FlowSettings(epochs=5, kernel=9.0, lead=1.5), [])
    assert section_of(tmp_path, flow=None) == (FlowSettings(), [])
    wrong = {"epoch": 5, "width": 0, "lr": 0, "decay": -1, "evaluate": "all", "seed": "x"}
    _, problems = section_of(tmp_path, flow=wrong)
    assert {problem.split(":")[0] for problem in problems} == {
        "flow.epoch",
        "flow.width",
        "flow.seed",
        "flow.lr",
        "flow.decay",
        "flow.evaluate",
    }
    _, problems = section_of(tmp_path, flow={"kernel": 3, "lead": 6})
    assert problems == ["flow.lead: is 6 s, longer than the kernel (3 s)"]
    assert section_of(tmp_path, flow=4)[1] == ["flow: is 4, not a mapping"]
