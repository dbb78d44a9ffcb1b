"""What a region of interest is made of, as a configuration says it: values only, no image is opened.

``docs/regions.md`` describes the forms. ``almond.encoding.regions.resolve`` turns a specification into
voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
    WrapValidator,
    model_validator,
)

from almond.described import DescribedShape
from almond.encoding.config.paths import NIFTI, file_or_pattern_of
from almond.encoding.config.section import stored_value
from almond.files.folders import find_path
from almond.shapes import (
    Contradictions,
    Flag,
    Number,
    Text,
    joined,
    read_within,
    suggestion,
    unknown_setting,
)

TABLES = (".txt", ".tsv", ".csv", ".xml", ".lut")
SUBJECT = "{subject}"
DEEPEST = 16

NAMES = "regions"
"""Key of the validation context: names of regions that unions and differences may refer to."""

DEPTH = "depth"
"""Key of the validation context: the level of nesting."""


Nifti = Annotated[Path, file_or_pattern_of(NIFTI, SUBJECT)]
LabelTable = Annotated[Path, file_or_pattern_of(TABLES, SUBJECT)]


class RegionSpec(DescribedShape):
    """One region: what all forms of it have in common.

    Read as ``RegionSpec``, the path of a mask, or a mapping with the key of one form, becomes that form.
    Inside another region a text that is the name of a region means that one.
    """

    kind: ClassVar[str] = ""
    stored_as: ClassVar[str] = "path"
    """What digests and results call the key of its form."""

    side: Literal["left", "right"] | None = None
    """voxels with x < 0 mm, or x > 0 mm"""
    resample: Flag = True
    """whether a file on another grid is brought onto the BOLD's"""
    space: Text | None = None
    """the space it is in, where its file's name is wrong"""

    @model_validator(mode="wrap")
    @classmethod
    def _read_form(cls, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
        if isinstance(value, RegionSpec):
            return handler(value)
        if cls is not RegionSpec:
            return handler({key: item for key, item in value.items() if item is not None or key == cls.kind})
        context = dict(info.context or {})
        depth = context.get(DEPTH, 0)
        if isinstance(value, str | Path):
            return _of_text(value, context, inside=depth > 0)
        if depth > DEEPEST:
            raise ValueError(f"is nested deeper than {DEEPEST} levels")
        if not isinstance(value, Mapping):
            raise ValueError("is neither a mask file nor a mapping such as {atlas: file, labels: [1]}")
        return read_within(_form_of(value), value, context={**context, DEPTH: depth + 1})

    @property
    def parts(self) -> tuple[RegionSpec, ...]:
        """The regions that this one is made of."""
        return ()

    def paths(self) -> dict[str, Path]:
        """Map the keys of its stored form to its own files."""
        return {self._stored_key(name): value for name, value in self if isinstance(value, Path)}

    def files(self) -> tuple[Path, ...]:
        """List the files that it is read from, in order, each once; not those of regions referred to."""
        below = (file for part in self.parts for file in part.files())
        return tuple(dict.fromkeys([*self.paths().values(), *below]))

    def references(self) -> Iterator[str]:
        """Yield the names of other regions that this one is made of."""
        for part in self.parts:
            yield from part.references()

    def to_json(self) -> dict[str, Any]:
        """Write what was set as plain JSON values; files by their names, without this machine's folders."""
        values = {"kind": self.kind} | {self._stored_key(name): stored_value(value) for name, value in self}
        return {key: value for key, value in values.items() if value is not None and value is not True}

    def _stored_key(self, name: str) -> str:
        return self.stored_as if name == self.kind else name

    def for_subject(self, subject: str) -> RegionSpec:
        """Fill ``{subject}`` in its paths in."""

        def filled(value: Any) -> Any:
            if isinstance(value, Path):
                return find_path(Path(str(value).replace(SUBJECT, subject)))
            if isinstance(value, tuple):
                return tuple(filled(item) for item in value)
            return value.for_subject(subject) if isinstance(value, RegionSpec) else value

        return self.model_copy(update={name: filled(getattr(self, name)) for name in type(self).model_fields})

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe ``RegionSpec`` as a path or name, or as one of its forms."""
        if cls is not RegionSpec:
            return handler(core_schema)
        forms = [handler(form.__pydantic_core_schema__) for form in FORMS.values()]
        return {"oneOf": [{"type": "string"}, *forms]}


class MaskSpec(RegionSpec):
    """The voxels of a file with its one value beside 0 and NaN."""

    kind = "mask"
    mask: Nifti
    """a 3-D NIfTI file, or one per {subject}"""


def _labels(value: Any) -> Any:
    labels = value if isinstance(value, list | tuple) else [value]
    numbers = [label for label in labels if type(label) is int and label != 0]
    names = [label for label in labels if isinstance(label, str) and label.strip()]
    if not labels or len(numbers) + len(names) != len(labels):
        raise ValueError("is not a list of label numbers (not 0) or names")
    return tuple(labels)


class AtlasSpec(RegionSpec):
    """The voxels of an atlas whose value is one of the labels: numbers, or names from a label table."""

    kind = "atlas"
    atlas: Nifti
    """a 3-D NIfTI file of whole numbers, one per area"""
    labels: Annotated[tuple[int | str, ...], BeforeValidator(_labels)] = Field(
        default=None, validate_default=True
    )
    """numbers or names of areas"""
    table: LabelTable | None = None
    """the label table that holds the names"""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        if self.table is None and any(isinstance(label, str) for label in self.labels):
            yield "table", "is missing: labels by name need the atlas' label table"


class MapSpec(RegionSpec):
    """Values of a map above or below a threshold, strictly; both must hold where both are set."""

    kind = "map"
    map: Nifti
    """a 3-D NIfTI file of numbers"""
    above: Number | None = None
    """voxels with larger values"""
    below: Number | None = None
    """voxels with smaller values"""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        if self.above is None and self.below is None:
            yield "", "is a map without a threshold; give above or below"


def _read_part(value: Any, info: ValidationInfo) -> RegionSpec:
    return read_within(RegionSpec, value, context=info.context)


# A text or mapping in the JSON Schema, which would have no end: a form may hold itself.
_Part = Annotated[Any, PlainValidator(_read_part, json_schema_input_type=str | dict[str, Any])]


def _at_least(least: int) -> BeforeValidator:
    def read_list(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) < least:
            raise ValueError(f"is not a list of {least} or more regions")
        return value

    return BeforeValidator(read_list)


class CombinedSpec(RegionSpec):
    """Several regions as one."""

    stored_as = "parts"

    @property
    def parts(self) -> tuple[RegionSpec, ...]:
        """The regions that it combines."""
        parts: tuple[RegionSpec, ...] = getattr(self, self.kind)
        return parts


class UnionSpec(CombinedSpec):
    """Voxels that are in any of several regions."""

    kind = "union"
    union: Annotated[tuple[_Part, ...], _at_least(1)]
    """names, masks or specifications"""


class DifferenceSpec(CombinedSpec):
    """Voxels that are in the first of several regions and in none of the others."""

    kind = "difference"
    difference: Annotated[tuple[_Part, ...], _at_least(2)]
    """then what is taken away"""


class ReferenceSpec(RegionSpec):
    """Another region of the same configuration, by its name."""

    kind = "region"
    stored_as = "reference"
    region: Text

    def references(self) -> Iterator[str]:
        yield self.region


FORMS: Mapping[str, type[RegionSpec]] = {
    form.kind: form for form in (MaskSpec, AtlasSpec, MapSpec, UnionSpec, DifferenceSpec)
}
"""Key of a mapping -> the form that it makes of it."""


def _form_of(value: Mapping[Any, Any]) -> type[RegionSpec]:
    """Find the one form whose key a mapping has."""
    forms = [form for key, form in FORMS.items() if key in value]
    if len(forms) == 1:
        return forms[0]
    known = region_keys()
    unknown = [(str(key), unknown_setting(key, known)) for key in value if key not in known]
    raise Contradictions([*unknown, ("", f"needs exactly one of {', '.join(FORMS)}")])


def region_keys() -> tuple[str, ...]:
    """List the keys of all forms: those that tell them apart, their own, and those of every form."""
    keys = [key for form in FORMS.values() for key in form.model_fields]
    return tuple(dict.fromkeys([*FORMS, *keys]))


def _of_text(value: str | Path, context: dict[str, Any], *, inside: bool) -> RegionSpec:
    """Read a text as the path of a mask or, inside another region, as the name of one."""
    names = context.get(NAMES, ())
    if inside and value in names:
        return ReferenceSpec(region=str(value))
    if inside and not str(value).lower().endswith(NIFTI):
        hint = suggestion(str(value), names)
        raise ValueError(f"{value} is neither the name of a region nor a NIfTI file; {hint}")
    mask: TypeAdapter[Path] = TypeAdapter(Nifti)
    return MaskSpec(mask=mask.validate_python(value, context=context))


def circles(specs: Mapping[str, RegionSpec]) -> list[list[str]]:
    """List each way in which a region refers to itself: the names along it, the first again at the end."""
    closed: list[list[str]] = []

    def follow(name: str, trail: list[str]) -> None:
        if name in trail:
            circle = trail[trail.index(name) :]
            if circle[0] == min(circle) and [*circle, name] not in closed:
                closed.append([*circle, name])
            return
        for other in specs[name].references() if name in specs else ():
            follow(other, [*trail, name])

    for name in specs:
        follow(name, [])
    return sorted(closed)


def read_regions(value: Any, context: Mapping[str, Any] | None) -> dict[str, RegionSpec]:
    """Read a mapping of names to regions.

    :raises Contradictions: with what is wrong in each.
    """
    if not isinstance(value, Mapping) or not value:
        raise ValueError("is not a mapping of region names to mask files or specifications")
    inside = {**(context or {}), NAMES: [str(name) for name in value]}
    specs: dict[str, RegionSpec] = {}
    problems: list[tuple[str, str]] = []
    for name, item in value.items():
        try:
            specs[str(name)] = read_within(RegionSpec, item, context=inside)
        except Contradictions as error:
            problems += [(joined(str(name), path), problem) for path, problem in error.problems]
    problems += [(circle[0], f"is made of itself: {' -> '.join(circle)}") for circle in circles(specs)]
    if problems:
        raise Contradictions(problems)
    return specs


def _regions(value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Mapping[str, RegionSpec]:
    return read_regions(value, info.context)


Regions = Annotated[Mapping[str, RegionSpec], WrapValidator(_regions)]
"""Name -> region; a region that is made of itself is refused."""

RegionForm = Annotated[RegionSpec, PlainValidator(_read_part, json_schema_input_type=str | dict[str, Any])]
"""A mask file or a form of a region; regions of the configuration may be named inside it."""
