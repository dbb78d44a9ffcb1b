"""What a region of interest is made of, as a configuration says it: values only, no image is opened.

``docs/regions.md`` describes the forms. ``almond.encoding.regions.resolve`` turns a specification into
voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

from almond.encoding.config.checks import Checks
from almond.encoding.config.paths import BASE
from almond.shapes import Contradictions

NIFTI = (".nii", ".nii.gz")
TABLES = (".txt", ".tsv", ".csv", ".xml", ".lut")
KINDS = ("mask", "atlas", "map", "union", "difference")
SIDES = ("left", "right")
COMMON = ("side", "resample", "space")
SUBJECT = "{subject}"
DEEPEST = 16

NAMES = "regions"
"""Key of the validation context: names of regions that unions and differences may refer to."""


@dataclass(frozen=True)
class RegionSpec:
    """One region. ``kind`` says which of the other fields count.

    ``mask``: every voxel of ``path`` that is not 0. ``atlas``: the voxels whose value is one of ``labels``
    (numbers, or names from ``table``). ``map``: values of ``path`` above or below a threshold, strictly.
    ``union``: in any of ``parts``. ``difference``: in the first of ``parts`` and in none of the others.
    ``region``: another region of the same configuration, called ``reference``.
    """

    kind: str
    path: Path | None = None
    labels: tuple[int | str, ...] = ()
    table: Path | None = None
    above: float | None = None
    below: float | None = None
    parts: tuple[RegionSpec, ...] = ()
    reference: str = ""
    side: str | None = None
    resample: bool = True
    space: str | None = None

    def files(self) -> tuple[Path, ...]:
        """Every file that the region is read from, in order, each once; not those of regions referred to."""
        own = [path for path in (self.path, self.table) if path is not None]
        return tuple(dict.fromkeys([*own, *(file for part in self.parts for file in part.files())]))

    def references(self) -> Iterator[str]:
        """Names of other regions that this one is made of."""
        if self.kind == "region":
            yield self.reference
        for part in self.parts:
            yield from part.references()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values of what was set; files by their names, without this machine's folders."""
        found: dict[str, Any] = {"kind": self.kind}
        for name in ("path", "table"):
            if (file := getattr(self, name)) is not None:
                found[name] = file.name
        for name in ("above", "below", "side", "space"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        if self.labels:
            found["labels"] = list(self.labels)
        if self.parts:
            found["parts"] = [part.to_json() for part in self.parts]
        if self.reference:
            found["reference"] = self.reference
        if not self.resample:
            found["resample"] = False
        return found

    def for_subject(self, subject: str) -> RegionSpec:
        """With ``{subject}`` in its paths filled in."""

        def filled(path: Path | None) -> Path | None:
            return None if path is None else Path(str(path).replace(SUBJECT, subject))

        parts = tuple(part.for_subject(subject) for part in self.parts)
        return replace(self, path=filled(self.path), table=filled(self.table), parts=parts)


def parse_regions(value: Any, checks: Checks, path: str = "regions") -> dict[str, RegionSpec]:
    """The mapping of names to regions; also finds regions that are made of themselves."""
    if not isinstance(value, Mapping) or not value:
        checks.add(path, "is not a mapping of region names to mask files or specifications")
        return {}
    names = [str(name) for name in value]
    found = {}
    for name, item in value.items():
        spec = parse_region(item, f"{path}.{name}", checks, names)
        if spec is not None:
            found[str(name)] = spec
    for circle in circles(found):
        checks.add(f"{path}.{circle[0]}", f"is made of itself: {' -> '.join(circle)}")
    return found


def circles(specs: Mapping[str, RegionSpec]) -> list[list[str]]:
    """Each way in which a region refers to itself, as the names along it, the first repeated at the end."""
    found: list[list[str]] = []

    def follow(name: str, trail: list[str]) -> None:
        if name in trail:
            circle = trail[trail.index(name) :]
            if circle[0] == min(circle) and [*circle, name] not in found:
                found.append([*circle, name])
            return
        for other in specs[name].references() if name in specs else ():
            follow(other, [*trail, name])

    for name in specs:
        follow(name, [])
    return sorted(found)


def parse_region(
    value: Any, path: str, checks: Checks, names: Sequence[str], depth: int = 0
) -> RegionSpec | None:
    """One region: a mask file, the name of another region (inside union and difference), or a mapping.

    Problems are added to ``checks`` with dotted paths; None when it cannot be understood.
    """
    if isinstance(value, str | Path):
        return _named(str(value), path, checks, names, depth)
    if depth > DEEPEST:
        checks.add(path, f"is nested deeper than {DEEPEST} levels")
        return None
    if not isinstance(value, Mapping):
        checks.add(path, "is neither a mask file nor a mapping such as {atlas: file, labels: [1]}")
        return None
    given = [kind for kind in KINDS if kind in value]
    if len(given) != 1:
        checks.known(value, path, (*KINDS, "labels", "table", "above", "below", *COMMON))
        checks.add(path, f"needs exactly one of {', '.join(KINDS)}")
        return None
    before = len(checks.problems)
    common = _common(value, path, checks)
    if given[0] in ("union", "difference"):
        found = _combined(given[0], value, path, checks, names, depth, common)
    else:
        found = _from_file(given[0], value, path, checks, common)
    return found if len(checks.problems) == before else None


def _named(value: str, path: str, checks: Checks, names: Sequence[str], depth: int) -> RegionSpec | None:
    """Inside another region a text that is the name of one means that one; otherwise it is a file."""
    if depth > 0 and value in names:
        return RegionSpec("region", reference=value)
    if depth > 0 and not value.endswith(NIFTI):
        near = get_close_matches(value, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
        checks.add(path, f"{value} is neither the name of a region nor a NIfTI file; {hint}")
        return None
    file = _file(value, path, checks, NIFTI)
    return None if file is None else RegionSpec("mask", file)


def _common(value: Mapping[str, Any], path: str, checks: Checks) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if value.get("side") is not None:
        found["side"] = checks.choice(value["side"], f"{path}.side", SIDES)
    if value.get("resample") is not None:
        found["resample"] = value["resample"]
        if not isinstance(value["resample"], bool):
            checks.add(f"{path}.resample", f"is {value['resample']!r}, not true or false")
    if value.get("space") is not None:
        found["space"] = checks.text(value, "space", path)
    return found


def _combined(
    kind: str,
    value: Mapping[str, Any],
    path: str,
    checks: Checks,
    names: Sequence[str],
    depth: int,
    common: dict[str, Any],
) -> RegionSpec | None:
    checks.known(value, path, (kind, *COMMON))
    items, least = value[kind], 1 if kind == "union" else 2
    if not isinstance(items, list | tuple) or len(items) < least:
        checks.add(f"{path}.{kind}", f"is not a list of {least} or more regions")
        return None
    parts = [
        parse_region(item, f"{path}.{kind}[{index}]", checks, names, depth + 1)
        for index, item in enumerate(items)
    ]
    known = tuple(part for part in parts if part is not None)
    return RegionSpec(kind, parts=known, **common) if len(known) == len(parts) else None


def _from_file(
    kind: str, value: Mapping[str, Any], path: str, checks: Checks, common: dict[str, Any]
) -> RegionSpec:
    own = {"mask": (), "atlas": ("labels", "table"), "map": ("above", "below")}[kind]
    checks.known(value, path, (kind, *own, *COMMON))
    file = _file(value[kind], f"{path}.{kind}", checks, NIFTI)
    extra: dict[str, Any] = {}
    if kind == "atlas":
        extra["labels"] = _labels(value.get("labels"), f"{path}.labels", checks)
        if value.get("table") is not None:
            extra["table"] = _file(value["table"], f"{path}.table", checks, TABLES)
        elif any(isinstance(label, str) for label in extra["labels"]):
            checks.add(f"{path}.table", "is missing: labels by name need the atlas' label table")
    if kind == "map":
        extra = {name: checks.number(value.get(name), f"{path}.{name}") for name in own}
        if value.get("above") is None and value.get("below") is None:
            checks.add(path, "is a map without a threshold; give above or below")
    return RegionSpec(kind, file, **extra, **common)


def _labels(value: Any, path: str, checks: Checks) -> tuple[int | str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    found: list[int | str] = []
    for item in items:
        whole = isinstance(item, int) and not isinstance(item, bool) and item != 0
        if whole or (isinstance(item, str) and item.strip()):
            found.append(item)
    if value is None or not items or len(found) != len(items):
        checks.add(path, "is not a list of label numbers (not 0) or names")
    return tuple(found)


def _file(value: Any, path: str, checks: Checks, suffixes: Sequence[str]) -> Path | None:
    """A file that exists; one whose path holds ``{subject}`` is looked for when the subject is known."""
    if isinstance(value, str) and SUBJECT in value:
        if not value.endswith(tuple(suffixes)):
            checks.add(path, f"{value} does not end in {' or '.join(suffixes)}")
            return None
        return checks.base / value
    return checks.file(value, path, suffixes)


def _regions(value: Any, info: ValidationInfo) -> Mapping[str, RegionSpec]:
    checks = Checks((info.context or {})[BASE])
    regions = parse_regions(value, checks)
    _refuse(checks, "regions")
    return regions


def _region(value: Any, info: ValidationInfo) -> RegionSpec | None:
    context = info.context or {}
    checks = Checks(context[BASE])
    region = parse_region(value, "region", checks, context.get(NAMES, ()))
    _refuse(checks, "region")
    return region


def _refuse(checks: Checks, path: str) -> None:
    if checks.problems:
        lines = (line.removeprefix(path).removeprefix(".").partition(": ") for line in checks.problems)
        raise Contradictions([(below, problem) for below, _, problem in lines])


Regions = Annotated[
    Mapping[str, RegionSpec], PlainValidator(_regions, json_schema_input_type=dict[str, str | dict[str, Any]])
]
"""A mapping of names to mask files or forms of regions."""

RegionForm = Annotated[RegionSpec, PlainValidator(_region, json_schema_input_type=str | dict[str, Any])]
"""A mask file or a form of a region; regions of the configuration may be named inside it."""
