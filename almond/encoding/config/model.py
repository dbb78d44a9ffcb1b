"""What is fitted and how it is judged, as a configuration says it. Light: no numbers are read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.encoding.config.checks import Checks
from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.preparation import (
    ORDERS,
    RESPONSES,
    parse_censor,
    parse_confounds,
    parse_delays,
    parse_high_pass,
)
from almond.encoding.models import folds as crossval

DETREND = ("linear", "none")
TARGETS = ("voxels", "mean")
BACKENDS = ("numpy", "torch")
DEVICES = ("cpu", "cuda")
PRECISIONS = ("float64", "float32")
COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16, 20)
PENALTIES = tuple(10.0**power for power in range(-3, 4))
NULL_FEATURES = 300

_PAPER: Mapping[str, Any] = {
    "detrend": "none",
    "standardise": False,
    "hrf": "spm",
    "model": "pls",
    "components": 20,
    "crossvalidation": "random",
    "folds": 5,
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper-amygdala": {**_PAPER, "order": "paper-amygdala"},
    "paper-subregions": {**_PAPER, "order": "paper-subregions"},
}
"""Settings of the published analysis of a film; any key given beside a preset overrides it."""


@dataclass(frozen=True)
class Repeats:
    """What was shown more than once, for the noise ceiling.

    ``by`` names a column of the events whose equal values are the same stimulus (such as ``stim_file``), or
    is ``runs`` when all runs of a subject show the same. ``window``: seconds from a presentation's onset over
    which the response to it is averaged; without a meaning for runs, which are compared volume by volume.
    """

    by: str
    window: tuple[float, float] = (4.0, 8.0)

    def to_json(self) -> dict[str, Any]:
        return {"by": self.by, "window": list(self.window)}


def with_preset(mapping: Mapping[str, Any], checks: Checks) -> dict[str, Any]:
    """The settings of the preset beneath those that are given."""
    name = mapping.get("preset")
    if name is None:
        return dict(mapping)
    chosen = checks.choice(name, "preset", tuple(PRESETS))
    return {**(PRESETS[chosen] if chosen else {}), **mapping}


def parse_model(mapping: Mapping[str, Any], spaces: int, checks: Checks) -> dict[str, Any]:
    """Models, what they choose from and what computes them; ``spaces`` is the number of feature spaces."""
    given = mapping.get("model", "pls")
    models = [given] if isinstance(given, str) else given
    if not isinstance(models, list) or not models:
        checks.add("model", f"is not {', '.join(ENCODING_MODELS.names())} or a list of them")
        models = []
    names = [checks.choice(name, "model", ENCODING_MODELS.names()) for name in models]
    for name in names:
        if name and spaces == 1 and ENCODING_MODELS.load(name).needs_several_spaces:
            checks.add(
                "model", f"{name} needs several feature spaces; give features as a mapping name -> space"
            )
    backend, device = (_chosen(mapping, key, of, checks) for key, of in _ENGINE)
    if device == "cuda" and backend != "torch":
        checks.add("device", "is cuda, which needs backend: torch")
    return {
        "models": tuple(dict.fromkeys(name for name in names if name)) or None,
        "components": checks.numbers(mapping.get("components"), "components", whole=True),
        "penalties": checks.numbers(mapping.get("penalties"), "penalties", whole=False),
        "target": _chosen(mapping, "target", TARGETS, checks),
        "precision": _chosen(mapping, "precision", PRECISIONS, checks),
        "backend": backend,
        "device": device,
    }


_ENGINE = (("backend", BACKENDS), ("device", DEVICES))


def parse_preparation(mapping: Mapping[str, Any], checks: Checks) -> dict[str, Any]:
    """What is done to BOLD and predictors before they meet."""
    found: dict[str, Any] = {
        "detrend": _chosen(mapping, "detrend", DETREND, checks),
        "standardise": _truth(mapping, "standardise", checks),
        "confounds": parse_confounds(mapping.get("confounds"), checks),
        "high_pass": parse_high_pass(mapping.get("high_pass"), checks),
        "censor": parse_censor(mapping.get("censor"), checks),
        "order": _chosen(mapping, "order", ORDERS, checks),
        "hrf": _chosen(mapping, "hrf", RESPONSES, checks),
        "delays": parse_delays(mapping.get("delays"), checks),
    }
    _check_response(mapping, found, checks)
    return found


def _check_response(mapping: Mapping[str, Any], found: Mapping[str, Any], checks: Checks) -> None:
    hrf, order = found["hrf"] or "spm", found["order"] or "sound"
    if hrf == "fir" and mapping.get("delays") is None:
        checks.add("delays", "is missing; hrf: fir needs delays in seconds, such as [2, 4, 6, 8]")
    if hrf != "fir" and mapping.get("delays") is not None:
        checks.add("delays", f"has no meaning for hrf: {hrf}")
    if order != "sound" and hrf != "spm":
        checks.add("hrf", f"is {hrf}, but order: {order} is defined for spm only")


def parse_judging(mapping: Mapping[str, Any], checks: Checks) -> dict[str, Any]:
    """Folds, controls, noise ceiling and permutations."""
    return {
        "crossvalidation": _chosen(mapping, "crossvalidation", crossval.KINDS, checks),
        "folds": checks.whole(mapping.get("folds"), "folds", least=2),
        "gap": checks.number(mapping.get("gap"), "gap", least=0),
        "seed": checks.whole(mapping.get("seed"), "seed", least=0),
        "permutations": checks.whole(mapping.get("permutations"), "permutations", least=0),
        "null_control": _null_control(mapping.get("null_control"), checks),
        "repeats": _repeats(mapping.get("repeats"), checks),
    }


def _null_control(value: Any, checks: Checks) -> int | None:
    """The number of noise features; 0 for none."""
    if value is None or value is True:
        return None
    if value is False:
        return 0
    if not isinstance(value, Mapping):
        checks.add("null_control", f"is {value!r}, not false or a mapping such as {{features: 300}}")
        return None
    checks.known(value, "null_control", ("features",))
    return checks.whole(value.get("features"), "null_control.features", least=1)


def _repeats(value: Any, checks: Checks) -> Repeats | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        checks.add("repeats", f"is {value!r}, not a mapping such as {{by: stim_file}}")
        return None
    checks.known(value, "repeats", ("by", "window"))
    by = checks.text(value, "by", "repeats", required=True)
    window = value.get("window")
    if window is None:
        return Repeats(by) if by else None
    pair = list(window) if isinstance(window, list | tuple) else []
    numbers = [checks.number(item, "repeats.window", least=0) for item in pair]
    if len(numbers) != 2 or None in numbers or not numbers[0] < numbers[1]:  # type: ignore[operator]
        checks.add("repeats.window", f"is {window!r}, not two rising numbers of seconds")
        return None
    return Repeats(by, (float(pair[0]), float(pair[1]))) if by else None


def _chosen(mapping: Mapping[str, Any], name: str, options: Sequence[str], checks: Checks) -> str | None:
    return checks.choice(mapping[name], name, options) if name in mapping else None


def _truth(mapping: Mapping[str, Any], name: str, checks: Checks) -> bool | None:
    value = mapping.get(name)
    if value is None or isinstance(value, bool):
        return value
    checks.add(name, f"is {value!r}, not true or false")
    return None
