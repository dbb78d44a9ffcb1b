"""What a configuration says about features: checked plain values, no file read and no network loaded.

``docs/features.md`` describes every key. ``almond.encoding.features.space.open_space`` makes a space
of a spec.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

from almond.encoding.config.checks import Checks
from almond.encoding.config.paths import BASE
from almond.shapes import Contradictions

NETWORK_KINDS = ("world", "emonet", "timm", "open_clip", "transformers", "torch")
"""Kinds that turn images, or the frames of a film, into numbers."""

KINDS = ("world", "table", "events", "emonet", "timm", "open_clip", "transformers", "torch")
TABLES = (".csv", ".tsv", ".npy", ".npz", ".mat", ".parquet")
WEIGHTS = (".pt", ".pth", ".safetensors")
MEANS = (".npy", ".mat")
FILMS = (".mp4", ".mkv", ".mov", ".avi", ".m4v", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")
ROWS = ("time", "features")
POOLS = ("flatten", "mean", "first")
FILTERS = ("bicubic", "bilinear")
EMONET_LAYERS = ("fc6", "fc7", "fc8")
RANGES = (1, 255)
OWN = "own"
"""In place of a file of weights: the ones that the factory itself puts into the network."""

EVERY = 5

_FILM = ("video", "every")
_LAYER = ("layer", "pool")
MEANINGFUL: Mapping[str, tuple[str, ...]] = {
    "world": _FILM,
    "table": ("path", "variable", "rows"),
    "events": ("conditions",),
    "emonet": ("weights", "layer", "mean", "scale", *_FILM),
    "timm": ("model", "pretrained", "weights", *_LAYER, *_FILM),
    "open_clip": ("model", "pretrained", "weights", *_LAYER, *_FILM),
    "transformers": ("path", *_LAYER, *_FILM),
    "torch": ("model", "weights", "resize", "filter", "range", "mean", "std", "scale", *_LAYER, *_FILM),
}
"""The keys that have a meaning for a kind, beside ``kind`` and ``interval``."""


@dataclass(frozen=True)
class FeatureSpec:
    """Where predictors come from. Paths are absolute texts, empty where there is none.

    ``world``: the shipped network on the images that the events name in ``stim_file``. ``table``: numbers
    from a file, which has a row per stimulus (with a column ``stim_file``), or a row per ``interval`` seconds
    (per volume unless told), of each run after the other, or of one run when the path holds ``{subject}`` or
    ``{run}``. ``events``: one column per condition (``trial_type``) that is 1 while the condition lasts.
    ``emonet``, ``timm``, ``open_clip``, ``transformers``, ``torch``: a network's ``layer`` on the same images
    as ``world``, or on every ``every``-th frame of the film ``video``.

    Pixels become ``((range * pixel / 255) - mean) / std * scale``; ``mean`` is three numbers or a file with
    a mean image.
    """

    kind: str
    path: str = ""
    interval: float | None = None
    conditions: tuple[str, ...] = ()
    video: str = ""
    every: int = EVERY
    weights: str = ""
    layer: str = ""
    pool: str = "flatten"
    model: str = ""
    pretrained: str = ""
    variable: str = ""
    rows: str | None = None
    mean: tuple[float, ...] | str | None = None
    std: tuple[float, ...] | None = None
    scale: float = 1.0
    range: int = 1
    resize: int | None = None
    filter: str = "bicubic"

    @property
    def is_network(self) -> bool:
        return self.kind in NETWORK_KINDS

    @property
    def from_film(self) -> bool:
        return bool(self.video)

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON values that ``parse_features`` reads back."""
        found: dict[str, Any] = {"kind": self.kind}
        for entry in dataclasses.fields(self)[1:]:
            value = getattr(self, entry.name)
            if value != entry.default:
                found[entry.name] = list(value) if isinstance(value, tuple) else value
        return found

    def settings(self) -> dict[str, Any]:
        """Everything that the numbers depend on, without this machine's folders."""
        old = {"path": self.path, "interval": self.interval, "conditions": list(self.conditions)}
        found = {**old, **self.to_json()}
        for name in ("path", "video", "weights", "mean"):
            if isinstance(found.get(name), str):
                found[name] = Path(found[name]).name
        return found

    def files(self) -> tuple[Path, ...]:
        """The files that the features depend on; a path with ``{subject}`` or ``{run}`` is none yet."""
        mean = self.mean if isinstance(self.mean, str) else ""
        given = (self.path, self.video, self.weights, mean)
        return tuple(Path(text) for text in given if text and text != OWN and not _is_pattern(text))


def parse_features(value: Any, path: str, checks: Checks) -> FeatureSpec | None:
    """One spec from a kind or a mapping; problems go to ``checks`` under the dotted ``path``."""
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        checks.add(path, f"is missing; give a kind ({', '.join(KINDS)})")
        return None
    checks.known(value, path, tuple(entry.name for entry in dataclasses.fields(FeatureSpec)))
    kind = checks.choice(value.get("kind"), f"{path}.kind", KINDS)
    found = _Reader(value, path, checks, kind or "").read()
    if kind is None:
        return None
    for key, given in value.items():
        if given is not None and key in found and key not in ("interval", *MEANINGFUL[kind]):
            checks.add(f"{path}.{key}", f"has no meaning for the kind {kind}")
    return FeatureSpec(kind, **{key: given for key, given in found.items() if given is not None})


def parse_feature_set(value: Any, path: str, checks: Checks) -> dict[str, FeatureSpec] | None:
    """Name -> spec, for one space (named by its kind) or a mapping of several, as banded ridge takes them."""
    if not _is_set(value):
        one = parse_features(value, path, checks)
        return None if one is None else {one.kind: one}
    found = {str(name): parse_features(item, f"{path}.{name}", checks) for name, item in value.items()}
    return {name: spec for name, spec in found.items() if spec is not None} or None


def _is_set(value: Any) -> bool:
    """A mapping is a set unless it has a key of a spec, or one that was meant to be ``kind``."""
    if not isinstance(value, Mapping) or not value:
        return False
    keys = {entry.name for entry in dataclasses.fields(FeatureSpec)}
    return not any(key in keys or get_close_matches(str(key), ["kind"], cutoff=0.75) for key in value)


def _is_pattern(text: str) -> bool:
    return "{subject}" in text or "{run}" in text


class _Reader:
    """Reads the keys of one mapping; each method gives the value, or None when it is absent or wrong."""

    def __init__(self, value: Mapping[str, Any], path: str, checks: Checks, kind: str) -> None:
        self.value, self.path, self.checks, self.kind = value, path, checks, kind

    def read(self) -> dict[str, Any]:
        get, checks = self.value.get, self.checks
        found: dict[str, Any] = {
            "interval": checks.number(get("interval"), self._at("interval"), above=0),
            "conditions": checks.texts(get("conditions"), self._at("conditions")),
            "path": self._path(),
            "video": self._file("video", (*FILMS, *(suffix.upper() for suffix in FILMS))),
            "every": checks.whole(get("every"), self._at("every"), least=1),
            "weights": self._weights(),
            "layer": self._layer(),
            "model": self._model(),
            "mean": self._mean(),
            "std": self._three("std", above=0),
            "scale": checks.number(get("scale"), self._at("scale"), above=0),
            "range": self._choice("range", RANGES),
            "resize": self._resize(),
            "pretrained": checks.text(self.value, "pretrained", self.path),
            "variable": checks.text(self.value, "variable", self.path),
            "pool": self._choice("pool", POOLS),
            "filter": self._choice("filter", FILTERS),
            "rows": self._choice("rows", ROWS),
        }
        self._film(found)
        return found

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}"

    def _choice(self, key: str, options: Sequence[Any]) -> Any:
        value = self.value.get(key)
        if value is None:
            return None
        if value in options and not isinstance(value, bool):
            return value
        self.checks.add(self._at(key), f"is {value!r}, not one of {', '.join(map(str, options))}")
        return None

    def _file(self, key: str, suffixes: Sequence[str]) -> str | None:
        given = self.value.get(key)
        found = None if given is None else self.checks.file(given, self._at(key), suffixes)
        return None if found is None else str(found)

    def _path(self) -> str | None:
        given = self.value.get("path")
        if self.kind == "transformers":
            folder = self.checks.folder(given, self._at("path"))
            return None if folder is None else str(folder)
        if self.kind != "table":
            return "" if given is not None else None
        if isinstance(given, str) and _is_pattern(given):
            if not given.endswith(TABLES):
                self.checks.add(self._at("path"), f"{given} does not end in {', '.join(TABLES)}")
            return str(self.checks.base / given)
        return str(self.checks.file(given, self._at("path"), TABLES) or "")

    def _weights(self) -> str | None:
        given = self.value.get("weights")
        if given == OWN and self.kind == "torch":
            return OWN
        if given is None and self.kind == "torch":
            self.checks.add(self._at("weights"), f"is missing; give a file, or {OWN} for the factory's")
        if given is None and self.kind in ("timm", "open_clip") and self.value.get("pretrained") is None:
            self.checks.add(
                self._at("weights"), "is missing; give a file, or the tag of weights as pretrained"
            )
        if given is not None and self.value.get("pretrained") is not None:
            self.checks.add(self._at("weights"), "is given together with pretrained; give one of them")
        return self._file("weights", WEIGHTS)

    def _layer(self) -> str | None:
        found = self.checks.text(self.value, "layer", self.path, required=self.kind == "torch")
        if found and self.kind == "emonet":
            return self.checks.choice(found, self._at("layer"), EMONET_LAYERS)
        return found

    def _model(self) -> str | None:
        needed = self.kind in ("timm", "open_clip", "torch")
        found = self.checks.text(self.value, "model", self.path, required=needed)
        if found and self.kind == "torch" and not all(part.strip() for part in _two(found)):
            self.checks.add(self._at("model"), f"is {found!r}, not package.module:factory")
        return found

    def _mean(self) -> tuple[float, ...] | str | None:
        given = self.value.get("mean")
        return self._file("mean", MEANS) if isinstance(given, str | Path) else self._three("mean")

    def _three(self, key: str, *, above: float | None = None) -> tuple[float, ...] | None:
        given = self.value.get(key)
        if given is None:
            return None
        if not isinstance(given, list | tuple) or len(given) != 3:
            self.checks.add(self._at(key), f"is {given!r}, not three numbers (red, green, blue)")
            return None
        limit = {} if above is None else {"above": above}
        found = [self.checks.number(item, self._at(key), **limit) for item in given]
        return tuple(item for item in found if item is not None) if None not in found else None

    def _resize(self) -> int | None:
        found = self.checks.whole(self.value.get("resize"), self._at("resize"), least=1)
        if self.kind == "torch" and self.value.get("resize") is None:
            self.checks.add(self._at("resize"), "is missing; give the side in pixels that the network takes")
        return found

    def _film(self, found: Mapping[str, Any]) -> None:
        if self.value.get("video") is None:
            if found["every"] is not None and "every" in MEANINGFUL.get(self.kind, ()):
                self.checks.add(self._at("every"), "has no meaning without video")
        elif found["interval"] is not None and self.kind in NETWORK_KINDS:
            self.checks.add(self._at("interval"), "has no meaning with video, whose frames carry their times")


def _two(text: str) -> tuple[str, str]:
    module, _, factory = text.partition(":")
    return module, factory


def _feature_spaces(value: Any, info: ValidationInfo) -> Mapping[str, FeatureSpec]:
    checks = Checks((info.context or {})[BASE])
    spaces = parse_feature_set(value, "features", checks)
    if checks.problems or spaces is None:
        lines = (line.removeprefix("features").removeprefix(".").partition(": ") for line in checks.problems)
        raise Contradictions([(path, problem) for path, _, problem in lines])
    return spaces


FeatureSpaces = Annotated[
    Mapping[str, FeatureSpec],
    PlainValidator(_feature_spaces, json_schema_input_type=str | dict[str, Any]),
]
"""A feature space, or a mapping of names to feature spaces."""
