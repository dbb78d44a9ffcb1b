"""The features of a subject's runs in every space of a configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from almond.encoding.config.features import FeatureSpec
from almond.encoding.features.run_features import Predictors, Presentation
from almond.encoding.features.specs import PredictorSpec
from almond.errors import InputError
from almond.progress import Part


def extract_predictors(
    spaces: Mapping[str, FeatureSpec], presentation: Presentation
) -> dict[str, Predictors]:
    """Make the features of the runs of one subject in every space.

    :raises InputError: events, stimuli or rows are missing or do not fit the runs.
    """
    predictors = {}
    for number, (name, spec) in enumerate(spaces.items()):
        if not isinstance(spec, PredictorSpec):
            raise InputError(f"features.{name}", f"{spec.kind} makes no predictors", "a registered kind")
        part = Part(presentation.progress, number / len(spaces), (number + 1) / len(spaces))
        predictors[name] = spec.open_predictors(dataclasses.replace(presentation, progress=part))
    return predictors
