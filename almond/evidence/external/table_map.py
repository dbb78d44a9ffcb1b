"""What the columns of somebody else's table mean: the map that ``import-ratings`` takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field

from almond.encoding.config.paths import BASE, existing_folder
from almond.errors import InputError
from almond.exchange.publication import Publication, SpdxLicence
from almond.shapes import DifferentTexts, Number, Shape, Text, read

Problem = tuple[str, str]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[
    tuple[Text, ...],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=Text | tuple[Text, ...]),
]
"""A column, or several whose cells are joined by a space."""

Span = tuple[Number, Number]
Folder = Annotated[Path, BeforeValidator(existing_folder, json_schema_input_type=Path)]


class ScaleMap(Shape):
    """One construct: where its values stand, and its scale."""

    column: Text | None = Field(None, description="the column with its values, where each construct has one")
    range: Span | None = Field(None, description="its lowest and its highest possible value, if its own")
    question: Text | None = Field(None, description="what people were asked, word by word")
    low: Text | None = Field(None, description="what stood at the low end of the scale")
    high: Text | None = Field(None, description="what stood at the high end")

    def contradictions(self) -> Iterator[Problem]:
        yield from span_problems(self.range)


class StimulusColumns(Shape):
    """A table with one column per stimulus: from ``first`` to ``last`` in the order of the header."""

    first: Text = Field(description="the first of these columns")
    last: Text = Field(description="the last of them")
    beside: DifferentTexts = Field(
        (), description="columns whose cells are part of the stimulus's name, before that of its column"
    )


class ResponseTime(Shape):
    """Where response times stand."""

    column: Text = Field(description="the column with the time from showing to answer")
    unit: Literal["ms", "s"] = Field(description="its unit")


class SideWords(Shape):
    """How the table writes which of two stimuli was chosen."""

    left: Text = Field(default="left", description="the word for the left, or the first, stimulus")
    right: Text = Field(default="right", description="the word for the right, or the second")


class ChoiceMap(Shape):
    """A table of choices between two stimuli, one trial per row."""

    name: Text = Field(description="what was judged, in a word")
    question: Text | None = Field(None, description="what people were asked, word by word")
    left: Columns = Field(description="the left, or the first, stimulus; several columns are joined")
    right: Columns = Field(description="the right, or the second")
    answer: Text = Field(description="the column with the choice: a word for a side, or the stimulus's name")
    expected: Text = Field(description="the column with the choice that the hypothesis expects, likewise")
    words: SideWords = Field(default_factory=SideWords, description="the words for the sides")


RATINGS_ONLY = (
    "stimulus",
    "stimulus_columns",
    "construct",
    "value",
    "range",
    "constructs",
    "ignore",
    "direction",
)
"""Keys of a map that have no meaning for choices."""


class TableMap(Shape):
    """What a table holds: ratings, one per cell or per row, or choices, one per row."""

    title: Text = Field(description="what the report is called")
    person: Columns = Field(description="who answered; names in the export are new ones")
    stimulus: Columns | None = Field(None, description="what was judged; several columns are joined")
    stimulus_columns: StimulusColumns | None = Field(
        None, description="instead of `stimulus`: one column per stimulus, with the values"
    )
    construct_column: Text | None = Field(
        None, alias="construct", description="the column that says which judgement a row holds"
    )
    value: Text | None = Field(None, description="the column with the values, beside `construct`")
    range: Span | None = Field(None, description="the lowest and the highest possible value of every scale")
    constructs: Mapping[Text, ScaleMap] = Field(
        {}, description="construct -> where it stands, its scale and its question"
    )
    ignore: DifferentTexts = Field((), description="words of the column `construct` whose rows are left out")
    choices: ChoiceMap | None = Field(None, description="instead of all these: choices between two stimuli")
    scene: Columns | None = Field(None, description="what several stimuli are versions of; else each its own")
    theme: Columns | None = Field(None, description="what several scenes have in common; else the scene")
    condition: Text | None = Field(
        None, description="condition or intended target of the stimulus; empty for none"
    )
    direction: Text | None = Field(
        None, description="1 raised, -1 lowered, 0 neither; without it every stimulus with a condition is 1"
    )
    list_column: Text | None = Field(
        None, alias="list", description="number of the list that the person was given, from 0"
    )
    time: Text | None = Field(None, description="when it was answered, ISO 8601; orders a person's trials")
    utc_offset: Text | None = Field(None, description="such as +01:00, for times without their own")
    response_time: ResponseTime | None = Field(None, description="how long the answer took")
    images: Folder | None = Field(None, description="folder of image files, PNG or JPEG, if there are any")
    image: Text | None = Field(
        None, description="the column with the file's name; else the stimulus's name, with or without suffix"
    )
    licence: SpdxLicence | None = Field(None, description="licence of the data, such as CC-BY-4.0")
    authors: DifferentTexts = Field((), description="who is to be cited, each by name")
    citation: Text | None = Field(None, description="how to cite the data, or the paper")
    missing: DifferentTexts = Field((), description="words for a missing cell, beside an empty one and n/a")
    separator: Literal["tab", "semicolon", "comma"] | None = Field(
        None, description="between cells; else a tab in .tsv, elsewhere what the header holds"
    )
    decimal: Literal["point", "comma"] = Field("point", description="the decimal mark of numbers")

    def contradictions(self) -> Iterator[Problem]:
        if self.choices:
            set_keys = {type(self).model_fields[name].alias or name for name in self.model_fields_set}
            for name in RATINGS_ONLY:
                if name in set_keys:
                    yield name, "has no meaning beside choices"
        else:
            if (self.stimulus is None) == (self.stimulus_columns is None):
                yield "stimulus", "one of stimulus and stimulus_columns is needed"
            yield from self._form()
            yield from self._ranges()
        if self.image and self.choices:
            yield "image", "has no meaning beside choices: files have the names of the stimuli"
        if self.direction and not self.condition:
            yield "direction", "has no meaning without condition"
        if self.image and not self.images:
            yield "image", "has no meaning without images, the folder"
        if self.utc_offset and not self.time:
            yield "utc_offset", "has no meaning without time"

    def _form(self) -> Iterator[Problem]:
        """Compare what says where constructs and values stand."""
        matrix = self.stimulus_columns is not None
        if matrix and self.value:
            yield "value", "has no meaning beside stimulus_columns, which hold the values"
        if not matrix and bool(self.construct_column) != bool(self.value):
            yield "value", "construct and value are needed together, or a column for each of constructs"
        with_column = [name for name, scale in self.constructs.items() if scale.column]
        if self.construct_column or matrix:
            for name in with_column:
                yield f"constructs.{name}.column", "has no meaning here: its values stand elsewhere"
        else:
            for name in self.constructs:
                if name not in with_column and not self.value:
                    yield f"constructs.{name}.column", "is missing"
        if not self.construct_column and not self.constructs:
            yield "constructs", "is missing: name a construct, or the column construct"
        if matrix and not self.construct_column and len(self.constructs) > 1:
            yield "constructs", "are several, but no column construct says which a row holds"
        if self.ignore and not self.construct_column:
            yield "ignore", "has no meaning without construct"

    def _ranges(self) -> Iterator[Problem]:
        yield from span_problems(self.range)
        if self.range is None:
            told = "is missing: the lowest and the highest possible value of the scale"
            if not self.constructs:
                yield "range", told
            for name, scale in self.constructs.items():
                if scale.range is None:
                    yield f"constructs.{name}.range", told

    @property
    def publication(self) -> Publication:
        """How the data may be used and are to be cited."""
        return Publication(licence=self.licence, authors=self.authors, citation=self.citation, keywords=())

    def span_of(self, construct: str) -> Span | None:
        """Return the ends of a construct's scale."""
        scale = self.constructs.get(construct)
        return (scale.range if scale else None) or self.range


def span_problems(span: Span | None) -> Iterator[Problem]:
    if span is not None and not span[0] < span[1]:
        yield "range", f"is {span[0]:g} to {span[1]:g}, not from a lower to a higher value"


def read_table_map(path: Path) -> TableMap:
    """Read a map from a YAML file; paths in it start from its folder.

    :raises InputError: the file is missing or no YAML; a ``ShapeError`` with every error of its content.
    """
    try:
        value: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "the map of a table") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not YAML: {error}", "the map of a table") from error
    return read(TableMap, value, source=path, context={BASE: Path(path).parent})
