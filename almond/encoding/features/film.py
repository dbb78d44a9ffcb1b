"""Features of every n-th frame of a film, read frame by frame and kept as they come.

Times are those that the film itself gives (presentation time stamps), with 0 at its first frame. Neither the
frames nor a killed extraction's work are ever held only in memory: each batch is written when it is done.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_file, digest_json
from almond.encoding.config.features import EVERY
from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.files.arrays import read_npz
from almond.files.writing import npz_bytes, open_atomically, write_atomically
from almond.pictures.formats import MOST_PIXELS, check_size
from almond.pictures.turns import UPRIGHT, Turn, turn_of_frame
from almond.progress import Progress, Silent
from almond.typing import FeatureArray, ImageArray

BATCH = 32
BATCH_BYTES = 64 << 20
"""Frames are computed by so many at once, or fewer where they are larger than this together."""

BEAT = 50
"""Frames between two reports, each of which is a chance to stop."""

HIGH_RANGE = {16: "PQ", 18: "HLG"}
"""Transfer functions of high dynamic range: without tone mapping such frames look washed out."""

SHORT_SHARE, SHORT_FRAMES = 0.01, 10
SHORT_LENGTH, SHORT_SECONDS = 0.05, 1.0
"""A film may lack so much of the frames, or the length, that it announces before it counts as broken off."""


@dataclass(frozen=True)
class FilmFeatures:
    """Features (n, D) of the frames 0, ``every``, 2 ``every``, ... of a film.

    ``times`` (n,) in seconds from the first frame; ``interval`` is ``every`` mean distances of frames.
    ``n_frames`` counts all frames of the film. ``variable_rate`` says that some frame lies more than half a
    frame from where a constant rate would put it; ``regular`` then gives rows at even times. ``digest`` names
    film, every and space.
    """

    values: FeatureArray
    interval: float
    n_frames: int
    times: NDArray[np.float64]
    every: int
    variable_rate: bool
    digest: str

    def regular(self) -> FilmFeatures:
        """Hold rows at the times 0, interval, 2 interval, ...: at each the row that was last shown."""
        even = np.arange(len(self.times), dtype=np.float64) * np.float64(self.interval)
        shown = np.searchsorted(self.times, even + 1e-9 * self.interval, side="right") - 1
        return replace(self, values=self.values[shown], times=even, variable_rate=False)


@dataclass(frozen=True)
class _Frame:
    index: int
    seconds: float
    picture: Any
    turn: Turn

    def pixels(self) -> ImageArray:
        """Decode the frame (H, W, 3) uint8 as players show it, save that its pixels are taken as square."""
        return self.turn.apply(np.asarray(self.picture.to_ndarray(format="rgb24"), np.uint8))


def film_features(
    space: FeatureSpace,
    path: Path,
    *,
    every: int = EVERY,
    cache: Path,
    progress: Progress | None = None,
) -> FilmFeatures:
    """Compute features of every ``every``-th frame of a film, starting at the first.

    The folder ``cache`` keeps the result under the digest of film, ``every`` and space. What a stopped or
    killed extraction computed is there too: the next one decodes the film again but computes only the rest.

    :raises InputError: no film, no pictures in it, damaged or broken off, without time stamps.
    :raises Cancelled: ``progress`` asked to stop.
    """
    if not path.is_file():
        raise InputError(path, "file not found", "a film")
    if every < 1:
        raise InputError("every", f"is {every}", "a whole number of at least 1")
    described = {"film": digest_file(path), "every": every, "feature_space": space.digest}
    turn = next(frames(path))[0].turn
    key = digest_json({**described, "turn": turn.to_json()} if turn != UPRIGHT else described)
    done = cache / f"film-{key}.npz"
    features = _read_done(done, space.dimension, every, key)
    if features is None:
        partial = cache / f"film-{key}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        features = _extract(space, path, every, partial, key=key, progress=progress or Silent())
        _write_done(done, features)
        shutil.rmtree(partial, ignore_errors=True)  # another process may be removing it as well
    return features


def _extract(
    space: FeatureSpace, path: Path, every: int, partial: Path, *, key: str, progress: Progress
) -> FilmFeatures:
    parts = _read_parts(partial, space.dimension)
    rows = sum(len(part) for part in parts)
    seconds: list[float] = []
    waiting: list[ImageArray] = []
    for frame, expected in frames(path):
        seconds.append(frame.seconds)
        if frame.index % BEAT == 0:
            share = min(frame.index / expected, 1.0) if expected else 0.0
            progress.report(share, f"{path.name}: {frame.seconds:.0f} s of film")
        if frame.index % every or frame.index // every < rows:
            continue
        waiting.append(frame.pixels())
        if len(waiting) >= _batch(waiting[0]):
            parts.append(_compute(space, waiting, partial, rows))
            rows += len(waiting)
            waiting = []
    if waiting:
        parts.append(_compute(space, waiting, partial, rows))
    values = np.concatenate(parts)
    progress.report(1.0, f"{path.name}: {len(values)} frames")
    return _found(values, np.array(seconds), every, key, path)


def _batch(image: ImageArray) -> int:
    return max(1, min(BATCH, BATCH_BYTES // image.nbytes))


def _compute(space: FeatureSpace, images: list[ImageArray], partial: Path, start: int) -> FeatureArray:
    values = space.extract(images)
    write_atomically(partial / f"part-{start:08d}.npz", npz_bytes({"values": values}))
    return values


def _found(
    values: FeatureArray, seconds: NDArray[np.float64], every: int, key: str, path: Path
) -> FilmFeatures:
    if len(values) != len(range(0, len(seconds), every)):
        raise InputError(path, "gave other frames than before", "a film that is not being written")
    step = float(seconds[-1] / (len(seconds) - 1))
    variable = bool(np.abs(seconds - step * np.arange(len(seconds))).max() > step / 2)
    return FilmFeatures(values, step * every, len(seconds), seconds[::every], every, variable, key)


def frames(path: Path) -> Iterator[tuple[_Frame, int]]:
    """Yield the pictures of a film in the order of showing, with how many the film announces (0: unknown).

    :raises InputError: naming the film and the place in it.
    """
    count, first, last = 0, 0.0, -1.0
    promise = _Promise(0, 0.0, 0)
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise InputError(path, "has no pictures", "a film")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise InputError(
                    path, "is coded in a way that is not known here", "a film such as H.264 in .mp4"
                )
            stream.thread_type = "AUTO"
            check_size(stream.codec_context.width, stream.codec_context.height, str(path))
            stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            promise = _announced(container, stream)
            for picture in container.decode(stream):
                seconds = _time(picture, count, path)
                first = seconds if count == 0 else first
                if seconds - first <= last:
                    raise InputError(path, f"goes back in time at frame {count}", "rising time stamps")
                last = seconds - first
                yield _Frame(count, last, picture, turn_of_frame(picture, path)), promise.about
                count += 1
    except av.FFmpegError as error:
        place = f"after {count} frames " if count else ""
        raise InputError(path, f"cannot be read {place}({error})", "a film that plays to its end") from error
    if count < 2:
        raise InputError(path, f"has {count} frames", "a film")
    if count < promise.frames * (1 - SHORT_SHARE) - SHORT_FRAMES:
        raise InputError(
            path, f"ends after {count} of {promise.frames} frames", "a film that plays to its end"
        )
    if first + last < promise.seconds * (1 - SHORT_LENGTH) - SHORT_SECONDS:
        problem = f"ends after {first + last:.1f} of {promise.seconds:.1f} s ({count} frames)"
        raise InputError(path, problem, "a film that plays to its end")


@dataclass(frozen=True)
class _Promise:
    """What a film says about itself: its frames where it counts them, else when it ends; 0 is unknown."""

    frames: int
    seconds: float
    about: int
    """The frames that are to be expected, for progress."""


def _announced(container: Any, stream: Any) -> _Promise:
    if stream.frames:
        return _Promise(int(stream.frames), 0.0, int(stream.frames))
    if stream.duration is not None:
        length = float(stream.duration * stream.time_base)
    else:
        length = (container.duration or 0) / av.time_base  # of the longest stream, which may be sound
    return _Promise(0, length, int(length * float(stream.average_rate or 0)))


def _time(picture: Any, index: int, path: Path) -> float:
    if picture.is_corrupt:
        raise InputError(path, f"frame {index} is damaged", "a film that plays to its end")
    if picture.color_trc in HIGH_RANGE:
        raise InputError(
            path, f"is of high dynamic range ({HIGH_RANGE[picture.color_trc]})", "a film converted to SDR"
        )
    if picture.time is None:
        raise InputError(path, f"frame {index} has no time stamp", "a film with time stamps, such as .mp4")
    return float(picture.time)


def _read_parts(partial: Path, dimension: int) -> list[FeatureArray]:
    """Read what an earlier extraction left, up to the first gap."""
    parts: list[FeatureArray] = []
    rows = 0
    for path in sorted(partial.glob("part-*.npz")):
        stored = _read_arrays(path, "values")
        if (
            stored is None
            or path.name != f"part-{rows:08d}.npz"
            or stored["values"].shape[1:] != (dimension,)
        ):
            break
        parts.append(stored["values"])
        rows += len(stored["values"])
    return parts


def _read_done(path: Path, dimension: int, every: int, key: str) -> FilmFeatures | None:
    names = ("values", "times", "interval", "n_frames", "variable_rate")
    stored = _read_arrays(path, *names)
    if stored is None or stored["values"].shape != (len(stored["times"]), dimension):
        return None
    return FilmFeatures(
        stored["values"],
        float(stored["interval"]),
        int(stored["n_frames"]),
        stored["times"],
        every,
        bool(stored["variable_rate"]),
        key,
    )


def _read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]] | None:
    if not path.is_file():
        return None
    try:
        stored = read_npz(path)
    except InputError:
        return None  # a damaged cache is only a cache
    return stored if stored.keys() >= set(names) else None


def _write_done(path: Path, features: FilmFeatures) -> None:
    """Write straight to disk, for the features of a film are hundreds of megabytes, then rename."""
    with open_atomically(path) as stream:
        np.savez(
            stream,
            allow_pickle=False,
            values=features.values,
            times=features.times,
            interval=np.array(features.interval),
            n_frames=np.array(features.n_frames),
            variable_rate=np.array(features.variable_rate),
        )
