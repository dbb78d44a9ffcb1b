"""Features of image files in the spaces that encoders were fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from almond.digest import digest_file
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.space import FeatureSpace
from almond.pictures.files import LazyImages
from almond.progress import Part, Progress
from almond.typing import FeatureArray


def features_of_files(
    spaces: Sequence[FeatureSpace], paths: Sequence[Path], cache: Path, progress: Progress
) -> FeatureArray:
    """Extract the features (n, D) of images in several spaces, side by side; ``cache`` keeps them."""
    digests = [digest_file(path) for path in paths]
    count = len(spaces)
    parts = [Part(progress, index / count, (index + 1) / count) for index in range(count)]
    columns = [
        extract_cached(space, digests, lambda: LazyImages(paths), cache, part)
        for space, part in zip(spaces, parts, strict=True)
    ]
    return np.concatenate(columns, axis=1)
