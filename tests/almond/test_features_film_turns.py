"""Films that lie on their side or are mirrored, as players show them; damage at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from almond.digest import digest_file, digest_json
from almond.encoding.features.film import film_features, frames
from almond.errors import InputError
from almond.pictures.formats import MOST_PIXELS
from tests.almond.picture_files import lying, scene
from tests.almond.test_pictures import MUTATIONS, Eyes, mutated

TO_UPRIGHT: dict[int, tuple[float, bool, bool]] = {
    1: (0, False, False),
    2: (0, True, False),
    3: (180, False, False),
    4: (0, False, True),
    5: (90, False, True),
    6: (-90, False, False),
    7: (90, True, False),
    8: (90, False, False),
}
"""EXIF's orientation -> what a player does: degrees against the clock, then mirrored, then upended."""


def write(path: Path, way: int, length: int = 4, **settings: Any) -> Path:
    """A film that shows the scene (its sides cut to even numbers) when it is turned as it asks."""
    image = lying(way)
    image = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv444p"
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        degrees, mirrored, upended = TO_UPRIGHT[way]
        stream.set_display_rotation(degrees, hflip=mirrored, vflip=upended)
        for _ in range(length):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("way", TO_UPRIGHT)
def test_a_film_is_seen_as_players_show_it(tmp_path: Path, way: int) -> None:
    shown = next(frames(write(tmp_path / "film.mp4", way)))[0].pixels()
    upright = scene()
    height, width = shown.shape[:2]
    assert (height, width) == (34, 44)
    cut = [upright[:height, left : left + width] for left in (0, 1)]
    assert min(np.abs(shown.astype(int) - part).mean() for part in cut) < 2
    assert np.abs(shown.astype(int) - cut[0][::-1]).mean() > 20


def test_features_and_digest_know_that_a_film_is_turned(tmp_path: Path) -> None:
    eyes: Any = Eyes()
    plain, turned = write(tmp_path / "plain.mp4", 1), write(tmp_path / "turned.mp4", 6)
    as_before = {"film": digest_file(plain), "every": 1, "feature_space": eyes.digest}
    assert film_features(eyes, plain, every=1, cache=tmp_path).digest == digest_json(as_before)
    lying_down = {**as_before, "film": digest_file(turned)}
    assert film_features(eyes, turned, every=1, cache=tmp_path).digest != digest_json(lying_down)
    assert {image.shape for image in eyes.seen} == {(34, 44, 3)}


def test_an_angle_between_quarter_turns_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TO_UPRIGHT, 1, (30, False, False))
    with pytest.raises(InputError, match=r"film\.mp4: is to be shown at an angle .*quarter turns"):
        next(frames(write(tmp_path / "film.mp4", 1)))


def test_a_film_of_high_dynamic_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"film\.mp4: is of high dynamic range \(HLG\)"):
        next(frames(write(tmp_path / "film.mp4", 1, color_trc=18)))


def test_frames_with_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "film.mp4", 1)
    assert MOST_PIXELS == 25_000_000
    monkeypatch.setattr("almond.pictures.formats.MOST_PIXELS", 34 * 44 - 1)
    with pytest.raises(InputError, match=r"film\.mp4: has 44 x 34 pixels"):
        next(frames(path))


def test_damage_at_random_is_refused_or_leaves_frames(tmp_path: Path) -> None:
    data, rng = write(tmp_path / "film.mp4", 6, length=2).read_bytes(), np.random.default_rng(2)
    path = tmp_path / "damaged.mp4"
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(data, rng))
        try:
            for frame, _ in frames(path):
                assert frame.pixels().dtype == np.uint8
        except InputError:
            continue
