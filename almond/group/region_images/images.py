"""Read images made for regions of subjects: their table, features and low-level features.

The table is a CSV or TSV with a row per image: ``image`` (file below the folder of images), ``region`` and
``subject`` for which it was made, and ``scene`` where several images share a base scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.config.evaluation import StimuliSettings
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.features.open import open_space
from almond.encoding.features.tables import load_table
from almond.errors import InputError
from almond.pictures.reading import read_image
from almond.progress import Part, Progress
from almond.stimuli.nuisance import NUISANCE, nuisance_features
from almond.tables import read_table
from almond.targets.image_features import features_of_files
from almond.typing import Floats

PIXELS = 64
"""Side to which images are shrunk before their pixels are compared."""


@dataclass(frozen=True)
class TargetedImages:
    """n images: their names, targets, features (n, D), nuisance (n, K) and pixels (n, P) or None.

    ``space`` is the digest of the feature space, empty for a table of features made elsewhere.
    """

    images: tuple[str, ...]
    regions: tuple[str, ...]
    subjects: tuple[str, ...]
    scenes: tuple[str, ...] | None
    features: Floats
    nuisance: Floats
    nuisance_names: tuple[str, ...]
    pixels: Floats | None
    space: str


def read_images(config: FitConfig, settings: StimuliSettings, progress: Progress) -> TargetedImages:
    """Read everything about the images that does not depend on a model.

    :raises InputError: a table without the columns, files that are missing, features of other images.
    """
    table = read_image_table(settings.table)
    names = table["image"]
    paths = _paths(settings, names)
    features, space = _features(config, settings, names, paths, Part(progress, 0.0, 0.8))
    nuisance = nuisance_features(paths or (), settings.low_level, Part(progress, 0.8, 1.0))
    return TargetedImages(
        images=names,
        regions=table["region"],
        subjects=tuple(name.removeprefix("sub-") for name in table["subject"]),
        scenes=table.get("scene"),
        features=features,
        nuisance=nuisance,
        nuisance_names=NUISANCE if nuisance.size else (),
        pixels=None if paths is None else np.stack([_shrunk(path) for path in paths]),
        space=space,
    )


def read_image_table(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the columns of text; ``InputError`` for one that is missing, an empty cell, or an image twice."""
    table = read_table(path, nameless=True)
    columns = {name: table.column(name).texts() for name in ("image", "region", "subject")}
    if "scene" in table:
        columns["scene"] = table.column("scene").texts()
    images = columns["image"]
    if not images:
        raise InputError(path, "has no rows", "a row per image")
    if len(set(images)) < len(images):
        doubled = next(name for name in images if images.count(name) > 1)
        raise InputError(path, f"names {doubled} twice", "each image once")
    return columns


def _paths(settings: StimuliSettings, names: Sequence[str]) -> list[Path] | None:
    if settings.images is None:
        return None
    paths = [settings.images / name for name in names]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(settings.table, f"names {missing[0].name}{more}", f"files in {settings.images}")
    return paths


def _features(
    config: FitConfig,
    settings: StimuliSettings,
    names: Sequence[str],
    paths: Sequence[Path] | None,
    progress: Progress,
) -> tuple[Floats, str]:
    if settings.features is not None:
        return _from_table(settings.features, names), ""
    if paths is None:
        raise InputError("evaluation.stimuli", "gives neither images nor their features", "one of them")
    spaces = [open_space(spec, device=config.device) for spec in config.spaces.values()]
    whole = features_of_files(spaces, paths, config.output / "features", progress)
    return whole.astype(np.float64), spaces[0].digest if len(spaces) == 1 else ""


def _from_table(path: Path, names: Sequence[str]) -> Floats:
    """Select rows by the names of the images; a table without names has them in the order of the images."""
    table = load_table(path, expected_rows=len(names))
    if table.keys is None:
        return table.values
    row_of = {key: row for row, key in enumerate(table.keys)}
    missing = [name for name in names if name not in row_of]
    if missing:
        raise InputError(path, f"has no features of {missing[0]}", "a row for every image")
    return np.asarray(table.values[[row_of[name] for name in names]], np.float64)


def _shrunk(path: Path) -> Floats:
    small = Image.fromarray(read_image(path)).resize((PIXELS, PIXELS), Image.Resampling.BOX)
    return np.asarray(small, np.float64).ravel()


def check_feature_space(images: TargetedImages, artifact: EncoderArtifact) -> None:
    """Raise ``InputError`` unless an encoder takes the images' features."""
    card = artifact.feature_space
    if images.features.shape[1] != card.dimension or (images.space and images.space != card.digest):
        raise InputError(
            f"encoder of {artifact.region} of sub-{artifact.subject}",
            f"takes {card.dimension} features of {card.name} ({card.digest[:12]}…)",
            f"the {images.features.shape[1]} features of the images",
        )
