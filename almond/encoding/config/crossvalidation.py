"""How a model is tested: folds, noise control, noise ceiling and permutations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from almond.encoding.config.section import ConfigSection, Count, CountOrZero, NotNegative
from almond.encoding.models.folds import KINDS
from almond.shapes import OneOf, Text, Whole, shown


class NullControl(ConfigSection):
    """Noise features that are fitted in place of the real ones."""

    features: Count = 300
    """how many"""


NULL_FEATURES = NullControl().features


def _noise_features(value: Any, info: ValidationInfo) -> int:
    if isinstance(value, bool):
        return NULL_FEATURES if value else 0
    if isinstance(value, Mapping):
        return NullControl.model_validate(value, context=info.context).features
    raise ValueError(f"is {shown(value)}, not false or a mapping such as {{features: 300}}")


def _rising(window: tuple[float, float]) -> tuple[float, float]:
    if not window[0] < window[1]:
        raise ValueError(f"is [{window[0]:g}, {window[1]:g}], not two rising numbers of seconds")
    return window


class RepeatSettings(ConfigSection):
    """Stimuli that were shown more than once, for the noise ceiling."""

    by: Text
    """a column of the events whose equal values are the same stimulus, such as `stim_file`, or `runs`: all
    runs of a subject show the same and are compared volume by volume"""
    window: Annotated[tuple[NotNegative, NotNegative], AfterValidator(_rising)] = (4.0, 8.0)
    """seconds after an onset whose mean is the response to it"""


class CrossValidationSettings(ConfigSection):
    """Cross-validation and its controls."""

    crossvalidation: Annotated[str, OneOf(KINDS)] = "blocks"
    """`blocks`: contiguous, with a gap; `runs`: one run out; `random`: single volumes, as published (warns,
    see below)"""
    folds: Annotated[Whole, Field(ge=2)] = 5
    """number of blocks or random folds"""
    gap: NotNegative = 10.0
    """seconds: training volumes nearer to a test block are left out"""
    null_control: Annotated[
        int, BeforeValidator(_noise_features, json_schema_input_type=bool | NullControl)
    ] = Field(default=True, validate_default=True)
    """noise in place of the features; `false` for none"""
    repeats: RepeatSettings | None = None
    """noise ceiling, such as `{by: stim_file}`; none unless given"""
    permutations: CountOrZero = 0
    """by block, of the whole cross-validation, such as `1000`"""
    seed: CountOrZero = 0
    """of random folds, noise and permutations"""
