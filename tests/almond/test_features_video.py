"""Small real films, encoded here, whose pixels say which frame they are."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from torch import nn

from almond.encoding.features.film import film_features, frames
from almond.encoding.features.networks.image_preprocessing import Preprocessing
from almond.encoding.features.networks.torch_layer import TorchSpace
from almond.errors import Cancelled, InputError
from almond.rng import generator

HEIGHT, WIDTH, BITS = 48, 96, 8


def numbered(index):
    """A frame whose ``BITS`` vertical bars are white or black by the binary digits of its number."""
    bars = [(index >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bars, np.uint8) * 255, WIDTH // BITS)
    return np.broadcast_to(row[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def number_of(image):
    means = image.reshape(HEIGHT, BITS, WIDTH // BITS, 3).mean((0, 2, 3))
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 127)


def write_film(path, n_frames, *, codec="libx264", stamps=None, rate=24, images=numbered, options=None):
    """A film of numbered frames; ``stamps`` are presentation times in units of 1/(100 rate) seconds."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 100 * rate)
        for index in range(n_frames):
            frame = av.VideoFrame.from_ndarray(images(index), format="rgb24")
            frame.pts = 100 * index if stamps is None else stamps[index]
            frame.time_base = Fraction(1, 100 * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


class Bars(nn.Module):
    """The mean of each bar: a network that reads the number of a frame."""

    def forward(self, images):
        return nn.functional.adaptive_avg_pool2d(images, (1, BITS)).mean(1).flatten(1)


class Counted(TorchSpace):
    """Counts the images that it computes, and fails when it is told to."""

    def __init__(self, fails_after=None):
        network = Bars()
        super().__init__("bars", network, network, Preprocessing(64, "bilinear"), layer="bars")
        self.computed, self.largest, self.fails_after = 0, 0, fails_after

    def extract(self, images):
        if self.fails_after is not None and self.computed >= self.fails_after:
            raise KeyboardInterrupt
        self.computed += len(images)
        self.largest = max(self.largest, len(images))
        return super().extract(images)


def numbers(values):
    return [sum(1 << bit for bit, mean in enumerate(row) if mean > 0.5) for row in values]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", 203)


@pytest.mark.parametrize(("codec", "name"), [("libx264", "x.mp4"), ("mpeg4", "x.mkv"), ("mpeg4", "x.mp4")])
def test_every_fifth_frame_from_the_first(tmp_path, codec, name):
    path = write_film(tmp_path / name, 43, codec=codec)
    found = film_features(Counted(), path, every=5, cache=tmp_path / "cache")
    assert numbers(found.values) == list(range(0, 43, 5))
    assert found.values.dtype == np.float32
    assert found.n_frames == 43
    assert found.interval == pytest.approx(5 / 24, rel=2e-3)  # .mkv counts in milliseconds
    np.testing.assert_allclose(found.times, np.arange(0, 43, 5) / 24, atol=1.1e-3)
    assert not found.variable_rate


def test_frames_are_the_ones_that_were_written(film):
    seen = [(frame.index, number_of(frame.pixels()), frame.seconds) for frame, _ in frames(film)]
    assert [number for _, number, _ in seen] == list(range(203))
    np.testing.assert_allclose([seconds for _, _, seconds in seen], np.arange(203) / 24, atol=1e-9)
    assert {expected for _, expected in frames(film)} == {203}


def test_times_come_from_the_film_when_its_rate_varies(tmp_path):
    rng_steps = np.where(np.arange(60) < 30, 100, 200)
    stamps = np.concatenate([[0], np.cumsum(rng_steps)[:-1]])
    path = write_film(tmp_path / "x.mkv", 60, stamps=[int(stamp) for stamp in stamps])
    found = film_features(Counted(), path, every=4, cache=tmp_path)
    assert found.variable_rate
    np.testing.assert_allclose(found.times, stamps[::4] / 2400, atol=1.1e-3)
    even = found.regular()
    assert not even.variable_rate
    np.testing.assert_allclose(np.diff(even.times), found.interval)
    last_shown = [int(np.flatnonzero(found.times <= time + 1e-9)[-1]) for time in even.times]
    np.testing.assert_array_equal(even.values, found.values[last_shown])


def test_a_film_that_starts_late_starts_at_0(tmp_path):
    path = write_film(tmp_path / "x.mkv", 20, stamps=[2400 + 100 * index for index in range(20)])
    found = film_features(Counted(), path, every=5, cache=tmp_path)
    assert found.times[0] == 0
    np.testing.assert_allclose(found.times, np.arange(0, 20, 5) / 24, atol=1.1e-3)


def test_a_film_is_computed_once_per_space_and_every(film, tmp_path):
    space = Counted()
    first = film_features(space, film, every=5, cache=tmp_path)
    again = film_features(space, film, every=5, cache=tmp_path)
    assert space.computed == 41
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(again.times, first.times)
    assert (again.interval, again.n_frames, again.digest) == (first.interval, first.n_frames, first.digest)
    assert film_features(space, film, every=7, cache=tmp_path).digest != first.digest
    assert space.computed == 41 + 29
    (whole,) = tmp_path.glob(f"film-{first.digest}.npz")
    whole.write_bytes(whole.read_bytes()[:200])  # a damaged cache is only a cache
    np.testing.assert_array_equal(film_features(space, film, every=5, cache=tmp_path).values, first.values)
    assert not list(tmp_path.glob("*.partial"))


def test_a_killed_extraction_goes_on_where_it_stopped(film, tmp_path, monkeypatch):
    monkeypatch.setattr("almond.encoding.features.film.BATCH", 4)
    killed = Counted(fails_after=20)
    with pytest.raises(KeyboardInterrupt):
        film_features(killed, film, every=2, cache=tmp_path)
    assert killed.computed == 20
    (partial,) = tmp_path.glob("*.partial")
    parts = sorted(partial.iterdir())
    assert len(parts) == 5
    parts[-1].write_bytes(parts[-1].read_bytes()[:100])  # killed while its disk was full
    resumed = Counted()
    found = film_features(resumed, film, every=2, cache=tmp_path)
    assert numbers(found.values) == list(range(0, 203, 2))
    assert resumed.computed == 102 - 16
    assert resumed.largest == 4


KILLED = """
import os, signal, sys
from pathlib import Path
from almond.encoding.features import film as video
from tests.almond.test_features_video import Counted

class Killed(Counted):
    def extract(self, images):
        if self.computed >= 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().extract(images)

video.BATCH = 4
video.film_features(Killed(), Path(sys.argv[1]), every=2, cache=Path(sys.argv[2]))
"""


def test_a_process_that_is_killed_loses_nothing_that_was_written(film, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, film, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    resumed = Counted()
    found = film_features(resumed, film, every=2, cache=tmp_path)
    assert numbers(found.values) == list(range(0, 203, 2))
    assert resumed.computed == 102 - 12


def test_cancelling_keeps_what_is_done_and_progress_rises(film, tmp_path, monkeypatch):
    monkeypatch.setattr("almond.encoding.features.film.BATCH", 8)

    class Stop:
        seen: list[float] = []

        def report(self, fraction, message=""):
            self.seen.append(fraction)
            if fraction > 0.6:
                raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        film_features(Counted(), film, every=1, cache=tmp_path, progress=Stop())
    assert Stop.seen == sorted(Stop.seen)
    resumed = Counted()
    found = film_features(resumed, film, every=1, cache=tmp_path)
    assert numbers(found.values) == [index % 256 for index in range(203)]
    assert resumed.computed < 203 - 100


def test_few_frames_are_in_memory_at_once(film, tmp_path, monkeypatch):
    monkeypatch.setattr("almond.encoding.features.film.BATCH_BYTES", 3 * HEIGHT * WIDTH * 3)
    space = Counted()
    film_features(space, film, every=5, cache=tmp_path)
    assert space.largest == 3


def test_what_is_no_film_is_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(InputError, match=r"text\.mp4: cannot be read"):
        film_features(Counted(), tmp_path / "text.mp4", cache=tmp_path)
    with pytest.raises(InputError, match=r"absent\.mp4: file not found"):
        film_features(Counted(), tmp_path / "absent.mp4", cache=tmp_path)
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match=r"sound\.mkv: has no pictures"):
        film_features(Counted(), tmp_path / "sound.mkv", cache=tmp_path)


def noise(index):
    return generator(index, "noise").integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_a_film_that_breaks_off_or_is_damaged_is_an_error(tmp_path):
    path = write_film(tmp_path / "x.mp4", 120, images=noise, options={"movflags": "faststart"})
    data = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.mp4: (ends after|cannot be read after|frame)"):
        film_features(Counted(), tmp_path / "cut.mp4", cache=tmp_path)
    middle = len(data) // 2
    (tmp_path / "damaged.mp4").write_bytes(
        data[:middle] + bytes(len(data) // 8) + data[middle + len(data) // 8 :]
    )
    with pytest.raises(InputError, match=r"damaged\.mp4: (ends after|cannot be read after|frame)"):
        film_features(Counted(), tmp_path / "damaged.mp4", cache=tmp_path)
    assert not list(tmp_path.glob("film-*.npz"))


def test_a_film_that_counts_no_frames_breaks_off_by_its_length(tmp_path):
    path = write_film(tmp_path / "x.mkv", 120, images=noise)
    data = path.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.mkv: (ends after .* of 5\.0 s|cannot be read after|frame)"):
        film_features(Counted(), tmp_path / "cut.mkv", cache=tmp_path)


def test_the_network_of_a_film_and_of_images_agree(film, tmp_path):
    space = Counted()
    images = [frame.pixels() for frame, _ in frames(film) if frame.index % 5 == 0]
    with torch.no_grad():
        expected = space.extract(images)
    np.testing.assert_array_equal(film_features(space, film, cache=tmp_path).values, expected)
