"""Image sets with norms, read whole: names, ratings, low-level features and features of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.digest import digest_bytes, digest_file, digest_json
from almond.encoding.artifact import FeatureSpaceCard
from almond.encoding.config import FitConfig
from almond.encoding.features import FeatureSpace, extract_cached, load_table, open_space
from almond.encoding.settings_validation import ImageSet, ValidationSettings
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.stats.normed.group import Floats, zscore
from almond.stimuli import lowlevel, lowlevel_paper
from almond.stimuli.images import ImageArray, read_image
from almond.stimuli.norms import IMAGE_SUFFIXES, Norms, image_key, listed, read_norms

LOW_LEVEL = ("median_red", "median_green", "median_blue", "power_high", "power_low")
"""The low-level features of the regression, in its order."""


@dataclass(frozen=True, eq=False)
class NormedSet:
    """n images: ratings (n,) as published, ``low_level`` (n, 5) or (n, 0), ``features`` (n, D)."""

    name: str
    images: tuple[str, ...]
    valence: Floats
    arousal: Floats
    low_level: Floats
    features: Floats
    source: dict[str, Any]

    @property
    def z_valence(self) -> Floats:
        return zscore(self.valence)

    @property
    def z_arousal(self) -> Floats:
        return zscore(self.arousal)


class _Pictures:
    """Images read when they are asked for, so that few are in memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return read_image(self.paths[index])


def read_sets(
    config: FitConfig, settings: ValidationSettings, card: FeatureSpaceCard, *, progress: Progress
) -> list[NormedSet]:
    """Every image set of the settings, with features of the space that the encoders were fitted on.

    :param card: the feature space that the encoders' artifacts name.
    :raises InputError: norms or images that are wrong or missing; features of another space.
    """
    space = None
    if any(item.features is None for item in settings.sets.values()):
        space = _open(config, card)
    count = len(settings.sets)
    return [
        _read(item, settings, space, card, config, Part(progress, index / count, (index + 1) / count))
        for index, item in enumerate(settings.sets.values())
    ]


def _open(config: FitConfig, card: FeatureSpaceCard) -> FeatureSpace:
    if config.features.kind in ("table", "events"):
        raise InputError(
            "validation.features",
            f"is missing: encoders of the kind {config.features.kind} know no network to look at images",
            "a table of the same features of these images, with a column stim_file",
        )
    space = open_space(config.features)
    if space.digest != card.digest:
        raise InputError(
            "features",
            f"{space.name} ({space.digest[:12]}…) is not the space of the encoders ({card.digest[:12]}…)",
            "the network and the weights that the encoders were fitted with",
        )
    return space


def _read(
    item: ImageSet,
    settings: ValidationSettings,
    space: FeatureSpace | None,
    card: FeatureSpaceCard,
    config: FitConfig,
    progress: Progress,
) -> NormedSet:
    progress.report(0.0, f"{item.name}: norms")
    paths = _pictures(item.images) if item.images is not None else []
    names = [path.name for path in paths] or None
    norms = read_norms(
        item.norms,
        names,
        name=item.column_name,
        valence=item.valence,
        arousal=item.arousal,
        repeated=item.repeated,
    )
    _check(item, norms)
    low_level = np.empty((len(norms.names), 0))
    if settings.low_level != "none":
        low_level = _low_level(paths, settings.low_level, Part(progress, 0.05, 0.5))
    if item.features is not None:
        features = _from_table(item.features, norms.names, card)
    elif space is not None:
        digests = [digest_file(path) for path in paths]
        cache = config.output / "features"
        part = Part(progress, 0.5, 1.0)
        pictures: Any = _Pictures(paths)
        features = extract_cached(space, digests, lambda: pictures, cache, part).astype(np.float64)
    source = {
        "norms": item.norms.name,
        "norms_digest": digest_file(item.norms),
        "columns": dict(norms.columns),
        "rows_without_image": norms.unused,
        "images_digest": digest_json([digest_file(path) for path in paths]) if paths else None,
        "features": item.features.name if item.features else card.name,
        "features_digest": digest_bytes(np.ascontiguousarray(features).tobytes()),
    }
    return NormedSet(item.name, norms.names, norms.valence, norms.arousal, low_level, features, source)


def _pictures(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES
    )
    if not found:
        raise InputError(folder, "holds no image", ", ".join(IMAGE_SUFFIXES))
    return found


def _check(item: ImageSet, norms: Norms) -> None:
    if len(norms.names) < 3:
        raise InputError(item.norms, f"rates {len(norms.names)} images", "three or more")
    for kind, values in (("valence", norms.valence), ("arousal", norms.arousal)):
        if np.ptp(values) == 0:
            raise InputError(item.norms, f"{kind} is {values[0]:g} for every image", "ratings that differ")


def _low_level(paths: Sequence[Path], kind: str, progress: Progress) -> Floats:
    rows = []
    for index, path in enumerate(paths):
        progress.report(index / len(paths), f"low-level features of {path.name}")
        rows.append(low_level_of(read_image(path), kind))
    return np.array(rows)


def low_level_of(image: ImageArray, kind: str) -> list[float]:
    """The five low-level features of an image (H, W, 3) uint8, ``sound`` or as in the ``paper``."""
    measure = lowlevel_paper.measure if kind == "paper" else lowlevel.measure
    values = measure(image)
    return [values[name] for name in LOW_LEVEL]


def _from_table(path: Path, images: Sequence[str], card: FeatureSpaceCard) -> Floats:
    """Rows of a table of features made elsewhere, by the names of the images."""
    table = load_table(path)
    if table.values.shape[1] != card.dimension:
        raise InputError(
            path, f"has {table.values.shape[1]} features", f"{card.dimension}, as {card.name} has"
        )
    if table.keys is None:
        raise InputError(path, "does not say which image each row is of", "a column stim_file")
    rows = {image_key(key): index for index, key in enumerate(table.keys)}
    missing = [f"no row for {name!r}" for name in images if image_key(name) not in rows]
    if missing:
        raise InputError(path, listed(missing), "a row per image")
    return np.asarray(table.values[[rows[image_key(name)] for name in images]], np.float64)
