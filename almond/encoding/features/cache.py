"""Features kept per image: what a network gave for an image once is not computed again.

The cache is a folder of packs ``<space>-<images>.npz``, each written whole or not at all, with the digests of
some images and their features. A pack that cannot be read is not there; its images are computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_json
from almond.errors import InputError
from almond.files.arrays import read_npz
from almond.files.writing import npz_bytes, write_atomically
from almond.finite import not_finite, require_finite
from almond.pictures.reading import READER
from almond.progress import Progress, Silent
from almond.typing import FeatureArray, ImageArray

BATCH = 32
"""Images per pack: so many are in memory at once, and a stopped extraction loses no more."""


class Extractor(Protocol):
    """The part of a feature space that the cache needs."""

    @property
    def digest(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def extract(self, images: Sequence[ImageArray]) -> FeatureArray:
        """Compute the features (n, D) float32 of images."""


def extract_cached(
    space: Extractor,
    digests: Sequence[str],
    load: Callable[[], Sequence[ImageArray]],
    cache: Path,
    progress: Progress | None = None,
) -> FeatureArray:
    """Compute the features (n, D) of images, or read them from the folder ``cache``, which keeps them.

    The key of an image is its digest (of its bytes or pixels) with that of the space, so that adding an image
    computes one image. ``load`` is called only when something is missing, and only the missing images are
    taken from what it gives; a sequence that reads each image when it is asked for therefore holds few of
    them in memory.

    :raises Cancelled: ``progress`` asked to stop; what was computed before is kept.
    :raises InputError: a feature is not finite; nothing of its pack is kept.
    """
    known = _read_packs(cache, space, set(digests))
    missing = [index for digest, index in _first_indices(digests).items() if digest not in known]
    images = load() if missing else []
    for start in range(0, len(missing), BATCH):
        (progress or Silent()).report(start / len(missing), f"features of {len(missing)} images")
        batch = missing[start : start + BATCH]
        names = [digests[index] for index in batch]
        features = space.extract([images[index] for index in batch])
        labels = [f"image {index + 1}" for index in batch]
        require_finite(features, "features", axes=(labels, "feature"))
        _write_pack(cache, space, names, features)
        known |= dict(zip(names, features, strict=True))
    if not digests:
        return np.empty((0, space.dimension), np.float32)
    return np.stack([known[digest] for digest in digests])


def _first_indices(digests: Sequence[str]) -> dict[str, int]:
    indices: dict[str, int] = {}
    for index, digest in enumerate(digests):
        indices.setdefault(digest, index)
    return indices


def _prefix(space: Extractor) -> str:
    return digest_json({"feature_space": space.digest, "reader": READER})[:24]


def _read_packs(cache: Path, space: Extractor, wanted: set[str]) -> dict[str, NDArray[np.float32]]:
    known: dict[str, NDArray[np.float32]] = {}
    for path in sorted(cache.glob(f"{_prefix(space)}-*.npz")):
        if wanted <= known.keys():
            break
        known |= {name: row for name, row in _read_pack(path, space.dimension).items() if name in wanted}
    return known


def _read_pack(path: Path, dimension: int) -> dict[str, NDArray[np.float32]]:
    try:
        stored = read_npz(path)
    except InputError:
        return {}  # a damaged cache is only a cache
    if not stored.keys() >= {"digests", "values"}:
        return {}
    names, values = stored["digests"].tolist(), stored["values"]
    right = values.shape == (len(names), dimension) and values.dtype == np.float32
    if not right or not_finite(values):
        return {}
    return dict(zip(map(str, names), values, strict=True))


def _write_pack(cache: Path, space: Extractor, names: Sequence[str], values: FeatureArray) -> None:
    path = cache / f"{_prefix(space)}-{digest_json(list(names))[:24]}.npz"
    write_atomically(path, npz_bytes({"digests": np.array(names), "values": values}))
