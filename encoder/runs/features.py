"""Feature spaces as workers use them: loaded, and held to what they were when first used. Loads torch."""

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
    """The network behind a feature space; ``InputError`` for one that knows only its own rows, and when
    the network is no longer what it was when it was first used."""
    if not space.is_network:
        raise InputError(
            space.name, "is a table and cannot look at new images", "a feature space with a network"
        )
    files = feature_values.check_unchanged(space)
    spec = feature_values.read_value(space.value)
    found = open_space(spec)
    services.note_feature_space(
        space=space, digest=found.digest, dimension=found.dimension, files=files, by=None
    )
    return found


def load_scorer(targets: Sequence[Target]) -> Scorer:
    """A scorer of targets, named by their score names; each is checked against its digest."""
    if not targets:
        raise InputError("targets", "none were given", "one or more")
    return Scorer(
        load_features(targets[0].encoder.feature_space), [load_target(Path(t.path)) for t in targets]
    )


def spaces_of(encoder: Encoder) -> list[FeatureSpace]:
    return [encoder.feature_space, *encoder.more_spaces.order_by("pk")]


def check_spaces(encoder: Encoder) -> dict[int, dict[str, str]]:
    """Before a fit: space's number -> digests of its files, none of them changed since it was first used."""
    found = {}
    for space in spaces_of(encoder):
        if space.kind == FeatureSpace.Kind.TABLE and space.digest:
            _check_table(space)
        found[space.pk] = feature_values.check_unchanged(space)
    return found


def _check_table(space: FeatureSpace) -> None:
    digest = digest_file(Path(space.path))
    if digest != space.digest:
        raise DigestMismatch(space.path, space.digest, digest)


def note_spaces(encoder: Encoder, card: dict[str, Any], files: dict[int, dict[str, str]]) -> None:
    """After a fit: what the artifacts say of the one feature space; of several only their files' digests.

    :raises InputError: the space is not the one that was used before.
    """
    found = FeatureSpaceCard(**card)
    spaces = spaces_of(encoder)
    for space in spaces:
        if space.kind == FeatureSpace.Kind.EVENTS:
            continue  # what its conditions are is up to each dataset
        alone = len(spaces) == 1
        services.note_feature_space(
            space=space,
            digest=found.digest if alone else space.digest,
            dimension=found.dimension if alone else space.dimension,
            files=files[space.pk],
            by=None,
        )
