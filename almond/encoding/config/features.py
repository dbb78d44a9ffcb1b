"""What a configuration says about features: the registry of feature kinds and the types that read them.

Each kind is one module with one line in ``FEATURE_KINDS``; ``docs/features.md`` describes every key. Nothing
is opened here: ``almond.encoding.features.open`` and ``extract`` do that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    model_validator,
)

from almond.described import DescribedShape
from almond.encoding.config.paths import ExistingFile
from almond.registry import Registry
from almond.shapes import (
    Contradictions,
    Number,
    located_problems,
    read_within,
    shown,
    unknown_setting,
)

TABLES = (".csv", ".tsv", ".npy", ".npz", ".mat", ".parquet")
WEIGHTS = (".pt", ".pth", ".safetensors")
MEANS = (".npy", ".mat")
FIELDS = ("{subject}", "{run}")
"""Fields of the paths of files that there are per subject or run."""

FILMS = (".mp4", ".mkv", ".mov", ".avi", ".m4v", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")

WeightsFile = Annotated[Path, ExistingFile(WEIGHTS)]
MeanFile = Annotated[Path, ExistingFile(MEANS)]
FilmFile = Annotated[Path, ExistingFile((*FILMS, *(ending.upper() for ending in FILMS)))]
FeatureTable = Annotated[Path, ExistingFile(TABLES)]

_KINDS = "almond.encoding.features.kinds"

FEATURE_KINDS: Registry[type[FeatureSpec]] = Registry(
    "feature kind",
    {
        "world": (f"{_KINDS}.world:WorldSpec", "the network that ships with Almond (fc7)"),
        "table": (f"{_KINDS}.table:TableSpec", "a table of precomputed features"),
        "events": (f"{_KINDS}.events:EventsSpec", "conditions of the events"),
        "emonet": (f"{_KINDS}.emonet:EmonetSpec", "EmoNet, from its weights file"),
        "timm": (f"{_KINDS}.timm:TimmSpec", "a timm network"),
        "open_clip": (f"{_KINDS}.open_clip:OpenClipSpec", "an open_clip image encoder (CLIP)"),
        "transformers": (f"{_KINDS}.transformers:TransformersSpec", "a transformers vision model"),
        "torch": (f"{_KINDS}.torch:TorchSpec", "any PyTorch module"),
    },
)
"""Kind -> its specification. A further kind is one module and one line."""


class FeatureSpec(DescribedShape):
    """Where predictors come from: what every kind of feature has in common.

    Read as ``FeatureSpec``, a mapping with a ``kind``, or the name of a kind alone, becomes the specification
    of that kind. Paths are absolute; relative ones start from ``BASE`` of the validation context.
    """

    is_network: ClassVar[bool] = False
    """Whether it turns images, or the frames of a film, into numbers."""

    kind: str
    interval: Annotated[Number, Field(gt=0)] | None = None
    """seconds from row to row of a table, or of the grid on which events are laid"""

    @model_validator(mode="wrap")
    @classmethod
    def _read_kind(cls, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
        if isinstance(value, FeatureSpec):
            return handler(value)
        mapping = {"kind": value} if isinstance(value, str) else value
        if not isinstance(mapping, Mapping):
            raise ValueError(f"is missing; give a kind ({', '.join(FEATURE_KINDS.names())})")
        if cls is FeatureSpec:
            return read_within(_class_of(mapping), mapping, context=info.context)
        problems = list(cls._foreign_keys(mapping))
        own = {key: item for key, item in mapping.items() if key in cls.model_fields and item is not None}
        try:
            spec = handler(own)
        except ValidationError as error:
            problems += cls._described(located_problems(error, cls, own))
        if problems:
            raise Contradictions(problems)
        return spec

    @classmethod
    def _foreign_keys(cls, mapping: Mapping[Any, Any]) -> Iterable[tuple[str, str]]:
        """Yield the keys that this kind does not take; those of other kinds may stand there as null."""
        known = every_feature_key()
        for key, item in mapping.items():
            if key not in known:
                yield str(key), unknown_setting(key, known)
            elif key not in cls.model_fields and item is not None:
                yield str(key), f"has no meaning for the kind {mapping.get('kind')}"

    @classmethod
    def _described(cls, problems: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
        """Say of a missing key what belongs there."""
        for path, problem in problems:
            field = cls.model_fields.get(path)
            hint = f"; {field.description}" if field and field.description else ""
            yield path, problem + hint if problem == "is missing" else problem

    def to_json(self) -> dict[str, Any]:
        """Write what differs from the defaults as plain JSON values, which this class reads again."""
        fields = type(self).model_fields
        return {name: _plain(value) for name, value in self if value != fields[name].default}

    def settings(self) -> dict[str, Any]:
        """Write everything that the numbers depend on, without this machine's folders.

        ``path``, ``interval`` and ``conditions`` stand there for every kind: stored fits are found by them.
        """
        stored: dict[str, Any] = {"path": "", "interval": None, "conditions": []}
        names = {name: path.name for name, path in self._paths().items()}
        return {**stored, **self.to_json(), **names}

    def files(self) -> tuple[Path, ...]:
        """List the files that the features depend on; a path with ``{subject}`` or ``{run}`` is none yet."""
        paths = self._paths()
        ordered = [paths[name] for name in ("path", "video", "weights", "mean") if name in paths]
        others = [path for path in paths.values() if path not in ordered]
        return tuple(path for path in [*ordered, *others] if not any(field in str(path) for field in FIELDS))

    def _paths(self) -> dict[str, Path]:
        return {name: value for name, value in self if isinstance(value, Path)}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe ``FeatureSpec`` as one of the registered kinds, or the name of one."""
        if cls is not FeatureSpec:
            return handler(core_schema)
        kinds = [handler(kind.__pydantic_core_schema__) for kind in FEATURE_KINDS.entries().values()]
        return {"oneOf": [{"enum": list(FEATURE_KINDS.names())}, *kinds]}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _class_of(mapping: Mapping[Any, Any]) -> type[FeatureSpec]:
    names = FEATURE_KINDS.names()
    kind = mapping.get("kind")
    if isinstance(kind, str) and kind in names:
        return FEATURE_KINDS.load(kind)
    near = get_close_matches(str(kind), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    known = every_feature_key()
    unknown = [(str(key), unknown_setting(key, known)) for key in mapping if key not in known]
    raise Contradictions([*unknown, ("kind", f"is {shown(kind)}, not one of {', '.join(names)}{hint}")])


def feature_keys(kind: str) -> tuple[str, ...]:
    """List the keys that have a meaning for a kind, beside ``kind`` and ``interval``."""
    fields = FEATURE_KINDS.load(kind).model_fields
    return tuple(name for name in fields if name not in FeatureSpec.model_fields)


def every_feature_key() -> tuple[str, ...]:
    """List the keys of all kinds, ``kind`` first."""
    keys = [*FeatureSpec.model_fields, *(key for kind in FEATURE_KINDS.names() for key in feature_keys(kind))]
    return tuple(dict.fromkeys(keys))


def network_kinds() -> tuple[str, ...]:
    """List the kinds that turn images, or the frames of a film, into numbers."""
    return tuple(name for name, spec in FEATURE_KINDS.entries().items() if spec.is_network)


def _is_set(value: Any) -> bool:
    """Tell a mapping of several spaces from one: it has no key of a specification, nor one near ``kind``."""
    if not isinstance(value, Mapping) or not value:
        return False
    keys = every_feature_key()
    return not any(key in keys or get_close_matches(str(key), ["kind"], cutoff=0.75) for key in value)


def _named(value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Mapping[str, FeatureSpec]:
    """Read one space (named by its kind) or a mapping of several, as banded ridge takes them."""
    if isinstance(value, FeatureSpec) or not _is_set(value):
        spec = read_within(FeatureSpec, value, context=info.context)
        return {spec.kind: spec}
    spaces: Mapping[str, FeatureSpec] = handler({str(name): item for name, item in value.items()})
    return spaces


class _OneOrSeveral:
    """The JSON Schema of ``FeatureSpaces``: one specification, or several by name."""

    @staticmethod
    def __get_pydantic_json_schema__(core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = handler(core_schema)
        return {"anyOf": [several["additionalProperties"], several]}


FeatureSpaces = Annotated[Mapping[str, FeatureSpec], WrapValidator(_named), _OneOrSeveral]
"""Name -> specification, from the name of a kind, one mapping, or a mapping of several named spaces."""


EVERY = 5
