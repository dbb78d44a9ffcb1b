"""Shapes: every error at once, by its dotted path, in plain words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator, Field, WrapValidator

from almond.shapes import (
    DifferentTexts,
    Digest,
    Flag,
    Number,
    Shape,
    ShapeError,
    Text,
    Whole,
    keys_of,
    read,
    read_within,
)


class Disc(Shape):
    kind: Literal["disc"]
    radius: Annotated[Number, Field(gt=0)]


class Box(Shape):
    kind: Literal["box"]
    sides: tuple[Number, Number]


class Scene(Shape):
    name: Text
    count: Annotated[Whole, Field(ge=1)] = 1
    low: Number = 0.0
    high: Number = 1.0
    lit: Flag = False
    sha256: Digest | None = None
    labels: DifferentTexts = ()
    form: Annotated[Disc | Box, Field(discriminator="kind")] | None = None
    parts: tuple[Disc, ...] = ()
    named: dict[str, Disc] = Field(default_factory=dict)

    def contradictions(self) -> Iterable[tuple[str, str]]:
        if self.low > self.high:
            yield "low", f"is {self.low:g}, above high"


def problems(**values: object) -> list[str]:
    with pytest.raises(ShapeError) as error:
        read(Scene, {"name": "a", **values}, source="scene.yaml")
    assert str(error.value).startswith("scene.yaml: ")
    return list(error.value.problems)


def test_right_values_are_read_and_frozen() -> None:
    scene = read(Scene, {"name": "a", "count": 3, "parts": [{"kind": "disc", "radius": 1}]}, source="x")
    assert scene.parts == (Disc(kind="disc", radius=1.0),)
    with pytest.raises(ValueError, match="frozen"):
        scene.name = "b"  # type: ignore[misc]


def test_every_error_is_named_at_once() -> None:
    found = problems(count=0, high="1", parts=[{"kind": "disc"}], labels=["a", "a"])
    assert found == [
        "count: is 0, not a number of at least 1",
        "high: is '1', not a number",
        "labels: is ['a', 'a'], not a list of different texts",
        "parts[0].radius: is missing",
    ]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"nmae": 1}, "nmae: unknown setting; did you mean name?"),
        (
            {"form": {"kind": "disc", "radius": 1, "radios": 2}},
            "form.radios: unknown setting; did you mean radius?",
        ),
        (
            {"named": {"x": {"kind": "disc", "radius": 1, "sides": 2}}},
            "named.x.sides: unknown setting; known are kind, radius",
        ),
        ({"form": {"kind": "ball"}}, "form: is {'kind': 'ball'}, not one of disc, box"),
        ({"form": {"kind": "box", "sides": [1, float("nan")]}}, "form.sides[1]: is nan, not a finite number"),
        ({"named": {"x": {"kind": "disc", "radius": 0}}}, "named.x.radius: is 0, not a number above 0"),
        ({"count": True}, "count: is True, not a whole number"),
        ({"count": 2.0}, "count: is 2.0, not a whole number"),
        ({"lit": "yes"}, "lit: is 'yes', not true or false"),
        ({"name": " "}, "name: is empty"),
        ({"name": 3}, "name: is 3, not text; write it in quotes"),
        ({"sha256": "0"}, "sha256: is '0', not a SHA-256 digest of 64 hexadecimal digits"),
        ({"low": 2}, "low: is 2, above high"),
        ({"parts": 3}, "parts: is 3, not a list"),
        ({"parts": [3]}, "parts[0]: is 3, not a mapping"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(values: dict[str, object], line: str) -> None:
    assert problems(**values) == [line]


class Outer(Shape):
    """A part that a validator reads keeps the places of its errors."""

    part: Annotated[Any, BeforeValidator(lambda value: read_within(Inner, value))]


class Inner(Shape):
    names: tuple[Text, ...]
    size: Whole = 1


def test_a_part_that_a_validator_reads_reports_all_its_errors_below_it() -> None:
    assert read(Outer, {"part": {"names": ["a"]}}, source="x").part == Inner(names=("a",))
    with pytest.raises(ShapeError) as raised:
        read(Outer, {"part": {"names": ["a", 3], "sise": 2}}, source="x")
    assert raised.value.problems == (
        "part.names[1]: is 3, not text; write it in quotes",
        "part.sise: unknown setting; did you mean size?",
    )


class Band(Shape):
    low: Number = 0.0
    high: Number = 1.0
    width: Annotated[Number, Field(alias="breadth")] = 1.0
    names: Annotated[tuple[Text, ...], BeforeValidator(lambda value: [value])] = ()
    disc: Annotated[
        float,
        WrapValidator(lambda value, handler: Disc.model_validate(value).radius, json_schema_input_type=Disc),
    ] = 0.0

    def contradictions(self) -> Iterable[tuple[str, str]]:
        if self.low > self.high:
            yield "low", "is above high"
        if "high" not in self.model_fields_set:
            yield "high", "is missing"


class Bands(Shape):
    bands: tuple[Band, ...]


def test_fields_that_are_right_are_compared_beside_those_that_are_wrong() -> None:
    with pytest.raises(ShapeError) as error:
        read(Bands, {"bands": [{"low": 2, "high": 1, "width": 3}, {"high": "x", "low": 0}]}, source="x")
    assert error.value.problems == (
        "bands[0].width: unknown setting; known are low, high, breadth, names, disc",
        "bands[0].low: is above high",
        "bands[1].high: is 'x', not a number",
    )


def test_keys_are_aliases_and_those_of_shapes_that_become_something_else() -> None:
    assert keys_of(Band) == ["low", "high", "breadth", "names", "disc"]
    with pytest.raises(ShapeError) as error:
        read(Band, {"high": 1, "disc": {"kind": "disc", "radius": 1, "radios": 2}, "names": 3}, source="x")
    assert error.value.problems == (
        "names: is 3, not text; write it in quotes",
        "disc.radios: unknown setting; did you mean radius?",
    )
