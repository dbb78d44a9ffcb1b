"""Feature spaces in workers: loaded, and compared with their first use. Loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from almond.digest import digest_file
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.open import open_space
from almond.encoding.features.space import FeatureSpace as Features
from almond.errors import DigestMismatch, InputError
from almond.targets.scorer import Scorer
from almond.targets.target import load_target
from encoder import services
from encoder.models import Encoder, FeatureSpace, Target
from encoder.services import feature_values


def load_features(space: FeatureSpace) -> Features:
    """Load the network of a feature space.

    :raises InputError: no network, or one that has changed since its first use.
    """
    if not space.is_network:
        raise InputError(
            space.name, "cannot compute features of new images", "a feature space with a network"
        )
    files = feature_values.check_unchanged(space)
    spec = feature_values.read_value(space.value)
    features = open_space(spec)
    services.note_feature_space(
        space=space, digest=features.digest, dimension=features.dimension, files=files, by=None
    )
    return features


def load_scorer(targets: Sequence[Target]) -> Scorer:
    """Load a scorer of targets by their score names; each is checked against its digest."""
    if not targets:
        raise InputError("targets", "there are none", "one or more")
    return Scorer(
        load_features(targets[0].encoder.feature_space), [load_target(Path(t.path)) for t in targets]
    )


def spaces_of(encoder: Encoder) -> list[FeatureSpace]:
    """List all feature spaces of an encoder, the first one first."""
    return [encoder.feature_space, *encoder.more_spaces.order_by("pk")]


def check_spaces(encoder: Encoder) -> dict[int, dict[str, str]]:
    """Check before a fit that no file of the feature spaces has changed since its first use.

    Returns the row number of each space -> path -> digest.
    """
    digests = {}
    for space in spaces_of(encoder):
        if space.is_table and space.digest:
            _check_table(space)
        digests[space.pk] = feature_values.check_unchanged(space)
    return digests


def _check_table(space: FeatureSpace) -> None:
    digest = digest_file(Path(space.path))
    if digest != space.digest:
        raise DigestMismatch(space.path, space.digest, digest)


def note_spaces(encoder: Encoder, card: dict[str, Any], files: dict[int, dict[str, str]]) -> None:
    """Note the feature spaces after a fit: of one its digest and dimension, of several their files' digests.

    :raises InputError: the space differs from the one that was used before.
    """
    noted = FeatureSpaceCard(**card)
    spaces = spaces_of(encoder)
    for space in spaces:
        if space.kind == "events":
            continue  # each dataset has conditions of its own
        alone = len(spaces) == 1
        services.note_feature_space(
            space=space,
            digest=noted.digest if alone else space.digest,
            dimension=noted.dimension if alone else space.dimension,
            files=files[space.pk],
            by=None,
        )
