"""Contrasts between subregions: the published ones, those of a configuration, or each against the rest."""

from __future__ import annotations

from collections.abc import Sequence

from almond.encoding.config.evaluation import EvaluationSettings

PUBLISHED = ("LB", "CM", "SF", "AStr")
"""The subregions that the published contrasts are about."""

PUBLISHED_CONTRASTS: dict[str, dict[str, float]] = {
    "LB vs others": {"LB": 1.0, "CM": -1 / 3, "SF": -1 / 3, "AStr": -1 / 3},
    "CM vs SF and AStr": {"CM": 1.0, "SF": -0.5, "AStr": -0.5},
    "SF vs AStr": {"SF": 1.0, "AStr": -1.0},
}
"""The orthogonal codes of the published script: CM is compared with what LB's contrast leaves."""


def contrast_weights(settings: EvaluationSettings, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the contrasts to test, with a weight for every one of the subregions ``names``."""
    contrasts = settings.contrasts
    if contrasts is None:
        contrasts = PUBLISHED_CONTRASTS if set(names) == set(PUBLISHED) else _each_against_the_rest(names)
    return {
        name: {region: float(weights.get(region, 0.0)) for region in names}
        for name, weights in contrasts.items()
    }


def _each_against_the_rest(names: Sequence[str]) -> dict[str, dict[str, float]]:
    if len(names) < 3:
        return {f"{names[0]} vs {names[1]}": {names[0]: 1.0, names[1]: -1.0}} if len(names) == 2 else {}
    share = -1.0 / (len(names) - 1)
    return {
        f"{region} vs others": {name: 1.0 if name == region else share for name in names} for region in names
    }
