"""The sections ``shared`` and ``flow`` of a configuration. Light: no numbers are read here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from almond.encoding.config.checks import Checks

SPACES = ("features", "film")
PRIORS = ("learned", "even")
EVALUATIONS = ("block", "folds")


@dataclass(frozen=True)
class SharedSettings:
    """``shared``: one space of ``dimensions`` time courses for all subjects, and a ridge map to each.

    ``space``: ``features`` finds the space in what the training subjects' features predict, whatever they
    saw; ``film`` in what their voxels share, for subjects who saw the same film volume by volume.
    ``prior``: ``learned`` expects of a subject's map what the others' showed (dimensions that mattered to
    them are shrunk less), ``even`` treats all dimensions alike.
    ``new_subjects`` take no part in the space; ``volumes`` is how many of their volumes may be used for their
    map (all unless told). ``penalties`` in units of the mean eigenvalue of X'X (those of the configuration
    unless told).
    """

    dimensions: int = 16
    new_subjects: tuple[str, ...] = ()
    volumes: int | None = None
    penalties: tuple[float, ...] | None = None
    space: str = "features"
    prior: str = "learned"

    def to_json(self) -> dict[str, Any]:
        return _plain(self)


@dataclass(frozen=True)
class FlowSettings:
    """``flow``: a linear convolutional anchor for all subjects, refined into samples by flow matching.

    ``kernel`` and ``lead`` in seconds: a volume sees the features from ``kernel - lead`` before to ``lead``
    after it. ``width`` is the number of the anchor's shared time courses, ``hidden`` the width of the network
    of velocities. ``epochs`` is the most passes of the anchor, ``flow_epochs`` of the second stage, each
    stopped after ``patience`` epochs without gain on the inner block. ``decay`` is the weight decay of the
    anchor in units of the mean squared error. ``evaluate``: ``block`` holds out one contiguous block and
    keeps the model that never saw it; ``folds`` trains once per fold and once more on everything.
    """

    epochs: int = 300
    flow_epochs: int = 200
    patience: int = 30
    width: int = 32
    hidden: int = 16
    kernel: float = 20.0
    lead: float = 0.0
    lr: float = 3e-3
    flow_lr: float = 1e-3
    decay: float = 0.1
    batch: int = 256
    samples: int = 32
    steps: int = 25
    evaluate: str = "block"
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        return _plain(self)


def parse_shared(value: Any, checks: Checks, path: str = "shared") -> SharedSettings | None:
    """The section's settings, the defaults when it is absent; None when it is no mapping (a problem)."""
    if not _is_section(value, checks, path, SharedSettings):
        return None
    found = value or {}
    given: dict[str, Any] = {
        "dimensions": checks.whole(found.get("dimensions"), f"{path}.dimensions", least=1),
        "new_subjects": checks.texts(found.get("new_subjects") or None, f"{path}.new_subjects"),
        "volumes": checks.whole(found.get("volumes"), f"{path}.volumes", least=20),
        "penalties": checks.numbers(found.get("penalties"), f"{path}.penalties", whole=False),
        "space": _choice(found, "space", path, SPACES, checks),
        "prior": _choice(found, "prior", path, PRIORS, checks),
    }
    if given["volumes"] is not None and given["new_subjects"] is None:
        checks.add(f"{path}.volumes", "limits the data of new subjects, but new_subjects names none")
    return SharedSettings(**{key: item for key, item in given.items() if item is not None})


def parse_flow(value: Any, checks: Checks, path: str = "flow") -> FlowSettings | None:
    """The section's settings, the defaults when it is absent; None when it is no mapping (a problem)."""
    if not _is_section(value, checks, path, FlowSettings):
        return None
    found = value or {}
    given: dict[str, Any] = {
        name: checks.whole(found.get(name), f"{path}.{name}", least=least)
        for name, least in WHOLE_NUMBERS.items()
    }
    given |= {
        name: checks.number(found.get(name), f"{path}.{name}", above=0)
        for name in ("kernel", "lr", "flow_lr")
    }
    given |= {name: checks.number(found.get(name), f"{path}.{name}", least=0) for name in ("lead", "decay")}
    given["evaluate"] = _choice(found, "evaluate", path, EVALUATIONS, checks)
    settings = FlowSettings(**{key: item for key, item in given.items() if item is not None})
    if settings.lead > settings.kernel:
        checks.add(f"{path}.lead", f"is {settings.lead:g} s, longer than the kernel ({settings.kernel:g} s)")
    return settings


WHOLE_NUMBERS = {
    "epochs": 1,
    "flow_epochs": 1,
    "patience": 1,
    "width": 1,
    "hidden": 1,
    "batch": 1,
    "samples": 2,
    "steps": 1,
    "seed": 0,
}
"""The least of each."""


def _is_section(value: Any, checks: Checks, path: str, kind: type[Any]) -> bool:
    names = tuple(field.name for field in dataclasses.fields(kind))
    if value is None:
        return True
    if not isinstance(value, Mapping):
        checks.add(path, f"is not a mapping with {', '.join(names)}")
        return False
    checks.known(value, path, names)
    return True


def _choice(
    found: Mapping[str, Any], key: str, path: str, options: tuple[str, ...], checks: Checks
) -> str | None:
    return checks.choice(found[key], f"{path}.{key}", options) if found.get(key) is not None else None


def _plain(settings: SharedSettings | FlowSettings) -> dict[str, Any]:
    found = dataclasses.asdict(settings)
    return {key: list(item) if isinstance(item, tuple) else item for key, item in found.items()}
