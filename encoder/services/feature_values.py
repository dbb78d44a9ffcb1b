"""Feature spaces as the rows keep them: checked without loading a network, and held to their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almond.digest import digest_file
from almond.encoding.config.checks import Checks
from almond.encoding.config.features import FeatureSpec, parse_features
from almond.errors import DigestMismatch
from almond.shapes import ShapeError
from encoder.models import FeatureSpace


def read_value(value: Mapping[str, Any]) -> FeatureSpec:
    """The specification in a row or form; ``ShapeError`` names what is wrong by paths like
    ``features.weights``."""
    checks = Checks(Path("/"))
    spec = parse_features(value, "features", checks)
    if spec is None or checks.problems:
        raise ShapeError("feature space", checks.problems)
    return spec


def file_digests(space: FeatureSpace) -> dict[str, str]:
    """Path -> digest of its bytes now, of each file that the features depend on."""
    return {str(path): digest_file(path) for path in read_value(space.value).files()}


def check_unchanged(space: FeatureSpace) -> dict[str, str]:
    """The digests of its files; ``DigestMismatch`` when one is not what it was when first used."""
    found = file_digests(space)
    for path, digest in found.items():
        known = space.file_digests.get(path, digest)
        if known != digest:
            raise DigestMismatch(path, known, digest)
    return found


def in_words(space: FeatureSpace) -> list[tuple[str, str]]:
    """What it was described by: name and value, for its page."""
    rows = [(name.replace("_", " "), _text(value)) for name, value in space.spec.items()]
    return [("table", space.path), *rows] if space.path else rows


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
