"""Low-level features against numbers known in advance, and against GNU Octave's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from almond.errors import InputError
from almond.stimuli import lowlevel

FIXTURE = Path(__file__).parent / "fixtures" / "lowlevel.npz"


def test_a_plain_image_has_its_colour_and_nothing_else() -> None:
    values = lowlevel.measure(np.full((60, 80, 3), (255, 51, 0), np.uint8))
    assert tuple(values) == lowlevel.NAMES
    assert values["median_red"] == 1.0
    assert values["median_green"] == pytest.approx(0.2)
    assert values["luminance"] == pytest.approx(0.2126 + 0.2 * 0.7152)
    assert values["contrast"] == pytest.approx(0.0, abs=1e-12)
    assert values["edge_energy"] == pytest.approx(0.0, abs=1e-12)
    assert values["power_low"] == values["power_high"] == -12.0


@pytest.mark.parametrize(("cycles", "band"), [(4, "power_low"), (32, "power_high")])
def test_a_grating_has_power_in_its_own_band_only(cycles: int, band: str) -> None:
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * cycles * np.arange(96) / 96)
    plane = np.tile(wave, (96, 1))
    low, high = lowlevel.band_power(plane)
    found, other = (low, high) if band == "power_low" else (high, low)
    assert other < 1e-20
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(96, 1 / 96), np.fft.fftfreq(96, 1 / 96)))
    cells = int(((radius > 0) & (radius < 6)).sum() if band == "power_low" else (radius > 24).sum())
    # A cosine of amplitude A has power A**2/4 at each of two frequencies.
    assert found == pytest.approx(2 * 0.4**2 / 4 / cells)


def test_medians_and_band_power_equal_octaves() -> None:
    with np.load(FIXTURE) as stored:
        image, medians, per_channel = stored["img"], stored["pixel_medians"], stored["psd_perchannel_lo_hi"]
    values = lowlevel.measure(image)
    found = [values[f"median_{name}"] * 255 for name in ("red", "green", "blue")]
    np.testing.assert_allclose(found, np.ravel(medians), rtol=1e-12)
    # Octave's high band, unnormalised: our scaling divides by the squared number of pixels. Its low band
    # counts the mean.
    plane = image[..., 2].astype(float)
    _, high = lowlevel.band_power(plane)
    np.testing.assert_allclose(high * plane.size**2, per_channel[2, 1], rtol=1e-2)


def test_finer_texture_has_more_edges_and_more_high_power() -> None:
    checks = [np.kron(np.indices((96 // s, 96 // s)).sum(0) % 2, np.ones((s, s))) for s in (12, 2)]
    coarse, fine = (
        lowlevel.measure(np.repeat((c * 255).astype(np.uint8)[..., None], 3, axis=2)) for c in checks
    )
    assert fine["edge_energy"] > coarse["edge_energy"] or fine["power_high"] > coarse["power_high"]
    assert fine["power_high"] > coarse["power_high"]
    assert fine["power_low"] < coarse["power_low"]
    assert fine["contrast"] == pytest.approx(coarse["contrast"]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "bad", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((1, 8, 3), np.uint8)]
)
def test_what_is_no_rgb_image_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="shape"):
        lowlevel.measure(bad)
