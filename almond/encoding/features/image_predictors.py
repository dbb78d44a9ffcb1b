"""Predictors of a network for the images that the events of runs name in ``stim_file``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from almond.digest import digest_file, digest_json
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.run_features import Predictors, Presentation
from almond.encoding.features.space import card_of_space
from almond.encoding.features.stimulus_events import lay_events, rows_of_stimuli, stimulus_events
from almond.encoding.features.tables import KEY
from almond.errors import InputError
from almond.folders import find_path
from almond.typing import ImageArray

if TYPE_CHECKING:
    from almond.encoding.features.specs import NetworkSpec


def predictors_of_images(spec: NetworkSpec, presentation: Presentation) -> Predictors:
    """Lay what a network gives for each image along the runs.

    :raises InputError: events without stimuli, files that are missing or no images.
    """
    scans = presentation.scans
    shown = [stimulus_events(scan.run) for scan in scans]
    names = sorted({name for events in shown for name in events[KEY]})
    paths = [_stimulus(presentation.stimuli, name) for name in names]
    space = spec.open_space(device=presentation.device)
    digests = [digest_file(path) for path in paths]
    features = extract_cached(
        space, digests, lambda: _ImageFiles(paths), presentation.cache, presentation.progress
    ).astype(np.float64)
    row = {name: index for index, name in enumerate(names)}
    courses = [
        lay_events(events, rows_of_stimuli(events, row), features, scan, spec.interval)
        for events, scan in zip(shown, scans, strict=True)
    ]
    return Predictors(card_of_space(space), tuple(courses), files={"stimuli": digest_json(digests)})


class _ImageFiles(Sequence[ImageArray]):
    """Image files that are read when they are asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return read_rgb(self.paths[index])


def _stimulus(folder: Path, name: str) -> Path:
    path = find_path(folder / name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(path, "lies outside the folder of stimuli", f"a file below {folder}")
    if not path.is_file():
        raise InputError(path, "stimulus not found", "the files that the events name in stim_file")
    return path


def read_rgb(path: Path) -> ImageArray:
    """Read an image file as (H, W, 3) uint8.

    :raises InputError: it is no image.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(path, f"is not an image ({error})", "a PNG or JPEG file") from error
