"""Predictors of a network for the images that the events of runs name in ``stim_file``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from almond.digest import digest_file, digest_json
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.run_features import Predictors, Presentation
from almond.encoding.features.space import card_of_space
from almond.encoding.features.stimulus_events import lay_events, rows_of_stimuli, stimulus_events
from almond.encoding.features.tables import KEY
from almond.errors import InputError
from almond.files.folders import find_path
from almond.pictures.files import LazyImages

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
        space, digests, lambda: LazyImages(paths), presentation.cache, presentation.progress
    ).astype(np.float64)
    row = {name: index for index, name in enumerate(names)}
    courses = [
        lay_events(
            events,
            rows_of_stimuli(events, row),
            features,
            scan,
            spec.interval,
            remarks=presentation.remarks,
        )
        for events, scan in zip(shown, scans, strict=True)
    ]
    return Predictors(card_of_space(space), tuple(courses), files={"stimuli": digest_json(digests)})


def _stimulus(folder: Path, name: str) -> Path:
    path = find_path(folder / name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(path, "lies outside the folder of stimuli", f"a file below {folder}")
    if not path.is_file():
        raise InputError(path, "stimulus not found", "the files that the events name in stim_file")
    return path
