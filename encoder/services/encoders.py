"""Encoders: the settings of encoding models. Changes are audited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from encoder import choices
from encoder.models import Dataset, Encoder, FeatureSpace, Region
from encoder.services.fit_settings import fit_settings, with_defaults


@transaction.atomic
def create_encoder(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Iterable[Region],
    by: User | None,
    model: str = "pls",
    config: Mapping[str, Any] | None = None,
    more_spaces: Iterable[FeatureSpace] = (),
) -> Encoder:
    """Create an encoder; nothing is fitted yet.

    :param config: settings of the fit, which replace the defaults.
    :param more_spaces: further feature spaces, for banded ridge regression.
    :raises InputError: see ``check_encoder``.
    """
    selected, further = list(regions), list(more_spaces)
    settings = with_defaults(config or {})
    check_encoder(
        name=name,
        dataset=dataset,
        feature_space=feature_space,
        regions=selected,
        model=model,
        config=settings,
        more_spaces=further,
    )
    encoder = Encoder.objects.create(
        name=name, dataset=dataset, feature_space=feature_space, model=model, config=settings
    )
    encoder.regions.set(selected)
    encoder.more_spaces.set(further)
    record(verb="create", subject=encoder, by=by, model=model, config=settings)
    return encoder


def check_encoder(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Sequence[Region],
    model: str,
    config: Mapping[str, Any],
    more_spaces: Sequence[FeatureSpace] = (),
) -> None:
    """Check the settings of an encoder.

    :raises InputError: no regions, regions of another dataset, or settings that cannot be fitted.
    """
    strangers = [region.name for region in regions if region.dataset_id != dataset.pk]
    if strangers:
        raise InputError(
            "regions", f"{', '.join(strangers)} belong to another dataset", f"regions of {dataset}"
        )
    if not regions:
        raise InputError("regions", "none is selected", "one or more")
    if more_spaces and (not choices.takes_several_spaces(model) or feature_space in more_spaces):
        raise InputError(
            "more_spaces",
            "are for banded ridge regression, each once",
            "one space, or banded ridge regression",
        )
    fit_settings(
        name=name,
        dataset=dataset,
        feature_space=feature_space,
        more_spaces=more_spaces,
        regions=regions,
        model=model,
        config=config,
    )
