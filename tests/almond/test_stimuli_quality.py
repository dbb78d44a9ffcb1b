"""Quality of single pictures and likeness to their base, against other libraries' arithmetic."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from scipy import ndimage, stats

from almond.errors import InputError
from almond.rng import generator
from almond.stimuli import likeness, quality
from almond.stimuli.lowlevel import luminance
from almond.world.scenes import draw_scene, render


def scene(seed: int) -> np.ndarray:
    return render(draw_scene(generator(seed, "picture")))


NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
GREY = np.full((24, 32, 3), 128, np.uint8)


def test_degrees_agree_with_other_libraries() -> None:
    for image in (scene(1), NOISE):
        plane = luminance(image)
        assert quality.sharpness(image) == pytest.approx(ndimage.laplace(plane)[1:-1, 1:-1].var())
        hsv = [colorsys.rgb_to_hsv(*(pixel / 255.0))[1] for pixel in image.reshape(-1, 3)]
        assert quality.saturation(image) == pytest.approx(np.mean(hsv))
        counts = np.bincount(np.rint(plane * 255).astype(int).ravel(), minlength=256)
        assert quality.entropy(image) == pytest.approx(stats.entropy(counts, base=2))
        median = ndimage.median_filter(plane, 3)[1:-1, 1:-1]
        assert quality.speckle_share(image) == pytest.approx(
            (np.abs(plane[1:-1, 1:-1] - median) > 0.1).mean()
        )
    assert quality.entropy(GREY) == 0.0
    assert quality.measure_quality(GREY) == {"sharpness": 0.0, "saturation": 0.0, "entropy": 0.0}
    with pytest.raises(InputError, match="uint8"):
        quality.measure_quality(GREY.astype(float))


def test_structural_similarity_is_that_of_a_gaussian_filter() -> None:
    first, second = scene(1), scene(2)

    def blur(plane: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(plane, 1.5, radius=5)[5:-5, 5:-5]

    x, y = luminance(first), luminance(second)
    mx, my = blur(x), blur(y)
    vx, vy, both = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    expected = (2 * mx * my + 1e-4) * (2 * both + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert likeness.structural_similarity(first, second) == pytest.approx(expected.mean())
    assert likeness.structural_similarity(first, first) == pytest.approx(1.0)
    with pytest.raises(InputError, match="one size"):
        likeness.structural_similarity(first, NOISE)


def test_change_from_the_base() -> None:
    assert likeness.pixel_change(GREY, GREY) == 0.0
    assert likeness.pixel_change(np.zeros_like(GREY), np.full_like(GREY, 255)) == 1.0
    a, b = np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    assert likeness.feature_distance(a, b) == pytest.approx(1 - np.sqrt(0.5))
    assert likeness.feature_distance(a, 0 * a) == 1.0
    values = likeness.measure_likeness(scene(1), scene(2), a, b)
    assert list(values) == ["similarity_to_base", "change_from_base", "features_from_base"]


def test_each_flaw_is_found_where_it_was_put_and_nowhere_else() -> None:
    clean = scene(3)
    assert quality.flaws(clean) == ()
    assert quality.flaws(GREY) == ("blank",)
    rng = np.random.default_rng(1)
    speckled = clean.copy()
    speckled[rng.random(clean.shape[:2]) < 0.15] = 255
    assert "speckled" in quality.flaws(speckled)
    blocks = clean.copy()
    grid = np.add.outer(np.arange(96) // 8, np.arange(96) // 8) % 2
    blocks = np.clip(blocks.astype(int) + 24 * grid[..., None], 0, 255).astype(np.uint8)
    assert quality.flaws(blocks) == ("blocks",)
    lattice = clean.astype(int) + 20 * (np.add.outer(np.arange(96), np.arange(96)) % 2)[..., None]
    assert "lattice" in quality.flaws(np.clip(lattice, 0, 255).astype(np.uint8))
    clipped = clean.copy()
    clipped[:48] = np.minimum(clipped[:48].astype(int) + 200, 255).astype(np.uint8)
    assert "clipped" in quality.flaws(clipped)


def test_diversity_and_distance_to_the_prior() -> None:
    images = [scene(seed) for seed in range(4)]
    pairs = [
        np.sqrt(((a.astype(float) - b.astype(float)) ** 2).mean()) / 255
        for i, a in enumerate(images)
        for b in images[i + 1 :]
    ]
    assert quality.diversity(images) == pytest.approx(np.mean(pairs))
    assert quality.diversity(images[:1]) == 0.0
    assert quality.diversity([images[0]] * 3) == pytest.approx(0.0, abs=1e-6)
    assert quality.distance_to_prior(images[0], images[1:]) == pytest.approx(min(pairs[:3]))
    with pytest.raises(InputError, match="none is of size"):
        quality.distance_to_prior(images[0], [NOISE])
