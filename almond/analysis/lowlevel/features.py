"""The low-level features of the images of an export, within scenes and between the images of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.analysis.questions.base import NotApplicable
from almond.exchange.schema import LOWLEVEL
from almond.stats.classification import centre_scenes
from almond.stats.clustered.components import CovariateComponents, component_count, components_about_zero
from almond.typing import Floats

FLAT = 1e-9
"""A spread below this share of a feature's size counts as none."""


@dataclass(frozen=True, eq=False)
class Covariates:
    """Features ``values`` (n, F) by ``names``, their first components (n, q); rows are images or pairs."""

    names: tuple[str, ...]
    values: Floats
    components: Floats
    explained: float


def feature_table(stimuli: pd.DataFrame) -> pd.DataFrame:
    """Return the features by stimulus, of the images that have all of those that the export holds.

    :raises NotApplicable: the export holds no low-level features.
    """
    names = [name for name in LOWLEVEL if name in stimuli and stimuli[name].notna().any()]
    if not names:
        raise NotApplicable("the export holds no low-level features of the images")
    return stimuli.set_index("stimulus_id")[names].dropna()


def within_scenes(features: pd.DataFrame, scenes: Sequence[str], units: int) -> Covariates:
    """Centre the features of images (rows of ``features``, in the order of ``scenes``) within base scenes.

    :param units: how many themes there are, on which the number of components depends.
    :raises NotApplicable: no feature varies within scenes.
    """
    raw = features.to_numpy(dtype=np.float64)
    return _covariates(tuple(features.columns), centre_scenes(raw, scenes), raw, units)


def between_pair(features: pd.DataFrame, high: Sequence[str], low: Sequence[str], units: int) -> Covariates:
    """Subtract the features of the images ``low`` of pairs from those of their images ``high``.

    :param units: as in :func:`within_scenes`.
    :raises NotApplicable: the images of every pair have the same features.
    """
    raised = features.loc[list(high)].to_numpy(dtype=np.float64)
    lowered = features.loc[list(low)].to_numpy(dtype=np.float64)
    return _covariates(tuple(features.columns), raised - lowered, np.vstack([raised, lowered]), units)


def _covariates(names: tuple[str, ...], values: Floats, raw: Floats, units: int) -> Covariates:
    size = np.maximum(np.abs(raw).max(axis=0), FLAT)
    vary = np.abs(values).max(axis=0) > FLAT * size
    if not vary.any():
        raise NotApplicable("no low-level feature varies within scenes")
    columns = values[:, vary]
    made = leading_components(columns, units)
    chosen = tuple(name for name, own in zip(names, vary, strict=True) if own)
    return Covariates(chosen, columns, made.of(columns), made.explained)


def leading_components(columns: Floats, units: int) -> CovariateComponents:
    """Compute as many components of ``columns`` (n, F) as ``units`` themes allow, and as there are."""
    scaled = columns / np.sqrt((columns**2).mean(axis=0))
    rank = int(np.linalg.matrix_rank(scaled, tol=1e-6 * np.linalg.norm(scaled, 2)))
    return components_about_zero(columns, component_count(units, rank))
