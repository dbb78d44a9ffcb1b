"""Image sets with norms, read whole: names, ratings, low-level features and features of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.digest import digest_bytes, digest_file, digest_json
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.validation import ImageSet, ValidationSettings
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.open import open_space
from almond.encoding.features.run_features import Predictors, joined_card
from almond.encoding.features.space import FeatureSpace, card_of_space
from almond.encoding.features.tables import load_table
from almond.errors import InputError
from almond.pictures.files import image_files
from almond.progress import Part, Progress
from almond.stats.correlation import zscore
from almond.stimuli.norms import Norms, image_key, listed, read_norms
from almond.stimuli.nuisance import nuisance_features
from almond.targets.image_features import features_of_files
from almond.typing import Floats


@dataclass(frozen=True, eq=False)
class NormedSet:
    """n images: ratings (n,) as published, ``low_level`` (n, 5) or (n, 0), ``features`` (n, D).

    ``themes`` (n,) are what images share; without a column that states them every image is its own.
    """

    name: str
    images: tuple[str, ...]
    themes: tuple[str, ...]
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


def read_sets(
    config: FitConfig, settings: ValidationSettings, card: FeatureSpaceCard, *, progress: Progress
) -> list[NormedSet]:
    """Read every image set of the settings, with features of the space that the encoders were fitted on.

    :param card: the feature space that the encoders' artifacts name.
    :raises InputError: norms or images that are wrong or missing; features of another space.
    """
    spaces: list[FeatureSpace] = []
    if any(item.features is None for item in settings.sets.values()):
        spaces = _open(config, card)
    count = len(settings.sets)
    return [
        _read(
            name,
            item,
            settings,
            spaces=spaces,
            card=card,
            config=config,
            progress=Part(progress, index / count, (index + 1) / count),
        )
        for index, (name, item) in enumerate(settings.sets.items())
    ]


def _open(config: FitConfig, card: FeatureSpaceCard) -> list[FeatureSpace]:
    """Open the network of each feature space, checked against what the encoders were fitted on."""
    blind = [spec.kind for spec in config.spaces.values() if not spec.is_network]
    if blind or not config.spaces:
        raise InputError(
            "validation.features",
            f"is missing: no network looks at images where features are {blind[0] if blind else 'not named'}",
            "a table of the same features of these images, with a column stim_file",
        )
    spaces = {name: open_space(spec, device=config.device) for name, spec in config.spaces.items()}
    opened = joined_card({name: Predictors(card_of_space(space), ()) for name, space in spaces.items()})
    if opened.digest != card.digest:
        raise InputError(
            "features",
            f"{opened.name} ({opened.digest[:12]}…) is not {card.name} ({card.digest[:12]}…) of the encoders",
            "the networks and weights that the encoders were fitted with",
        )
    return list(spaces.values())


def _read(
    name: str,
    item: ImageSet,
    settings: ValidationSettings,
    *,
    spaces: Sequence[FeatureSpace],
    card: FeatureSpaceCard,
    config: FitConfig,
    progress: Progress,
) -> NormedSet:
    progress.report(0.0, f"{name}: norms")
    paths = image_files(item.images) if item.images is not None else []
    names = [path.name for path in paths] or None
    norms = read_norms(
        item.norms,
        names,
        name=item.column_name,
        valence=item.valence,
        arousal=item.arousal,
        theme=item.theme,
        repeated=item.repeated,
    )
    _check(item, norms)
    low_level = np.empty((len(norms.names), 0))
    if settings.low_level != "none":
        low_level = nuisance_features(paths, settings.low_level, Part(progress, 0.05, 0.5))
    if item.features is not None:
        features = _from_table(item.features, norms.names, card)
    else:
        cache = config.output / "features"
        features = features_of_files(spaces, paths, cache, Part(progress, 0.5, 1.0)).astype(np.float64)
    stated = {"theme_column": item.theme, "themes": len(set(norms.themes))} if item.theme else {}
    source = {
        "norms": item.norms.name,
        "norms_digest": digest_file(item.norms),
        "columns": dict(norms.columns),
        "rows_without_image": norms.unused,
        **stated,
        "images_digest": digest_json([digest_file(path) for path in paths]) if paths else None,
        "features": item.features.name if item.features else card.name,
        "features_digest": digest_bytes(np.ascontiguousarray(features).tobytes()),
    }
    return NormedSet(
        name, norms.names, norms.themes, norms.valence, norms.arousal, low_level, features, source
    )


def _check(item: ImageSet, norms: Norms) -> None:
    if len(norms.names) < 3:
        raise InputError(item.norms, f"rates {len(norms.names)} images", "three or more")
    for kind, values in (("valence", norms.valence), ("arousal", norms.arousal)):
        if np.ptp(values) == 0:
            raise InputError(item.norms, f"{kind} is {values[0]:g} for every image", "ratings that differ")


def _from_table(path: Path, images: Sequence[str], card: FeatureSpaceCard) -> Floats:
    """Select the rows of a table of features made elsewhere by the names of the images."""
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
