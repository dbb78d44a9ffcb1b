"""The report of a power analysis, from its JSON values alone: for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.power.figures import AXES, drawn_axes
from almond.power.sentences import effect_text, planned_rows, rate_text
from almond.report.document import Document, KeyNumber, Picture, Section, Table
from almond.report.wording import percent, percent_span

Data = Mapping[str, Any]
LABEL = "simulated"
METHODS = (
    "Whole studies of this design were simulated, each with people, themes and images of its own: its lists "
    "of trials as they will be dealt, people who answer without looking, people who leave and others who "
    "take their places. Each was analysed by the functions that will analyse the study, with its "
    "exclusions, but for those that the first page names as not simulated. "
    "The same studies ran without an effect, on the same random numbers. Intervals are those of Clopper and "
    "Pearson, 95 %."
)


def power_document(data: Data) -> Document:
    """Write the report of a power analysis."""
    return Document(
        title=f"Power of {data['design']['title']}",
        mode=LABEL,
        mode_text="Nobody took part: all numbers are of simulated studies under the assumptions listed.",
        answers=tuple(data["headline"]),
        lead=_lead(data),
        key_numbers=_key_numbers(data),
        sections=(*_curves(data), _level(data), _raters(data), _provenance(data)),
    )


def _lead(data: Data) -> str:
    design, studies = data["design"], data["settings"]["studies"]
    return (
        f"{design['participants']} participants, {design['themes']} themes, {design['trials']} trials each; "
        f"{studies} simulated studies of every design and effect."
    )


def _key_numbers(data: Data) -> tuple[KeyNumber, ...]:
    """Give the planned design's rates: with the smallest effect, and without one."""
    return tuple(
        KeyNumber(
            f"{test}, {effect_text(row['effect']) if row['effect'] else 'no effect'}",
            percent(row["rate"]),
            f"95 % interval {percent_span(row['low'], row['high'])}",
        )
        for test in data["design"]["primary"]
        for row in reversed(planned_rows(data, test)[:2])
    )


def _curves(data: Data) -> tuple[Section, ...]:
    sections = [_curve(data, axis) for axis in AXES if axis in drawn_axes(data)]
    return tuple(sections) or (_table_only(data),)


def _curve(data: Data, axis: str) -> Section:
    other = "themes" if axis == "people" else "people"
    fixed = data["design"]["themes" if other == "themes" else "participants"]
    rows = [row for row in data["rows"] if row[other] == fixed]
    noun, beside = AXES[axis], AXES[other]
    return Section(
        title=f"Number of {noun}",
        paragraphs=(f"With {fixed} {beside}.",),
        figures=(
            Picture(
                axis,
                f"Share of studies in which each test rejects, by number of {noun}, with 95 % intervals. "
                "Hollow: without effect. Dashed: the error level. Marked below: the planned number.",
            ),
        ),
        tables=(_table(rows, axis),),
    )


def _table_only(data: Data) -> Section:
    return Section(title="The planned design", tables=(_table(data["rows"], "people"),))


def _table(rows: list[Data], axis: str) -> Table:
    several = len({row["test"] for row in rows}) > 1
    cells = tuple(
        (
            f"{row[axis]}{' (planned)' if row['planned'] else ''}",
            row["test"],
            effect_text(row["effect"]) if row["effect"] else "none",
            rate_text(row),
            *((rate_text(row["corrected"]),) if several else ()),
            str(row["not_run"]) if row["not_run"] else "",
        )
        for row in sorted(rows, key=lambda row: (row["test"], row[axis], row["effect"]))
    )
    head = (AXES[axis], "test", "effect", "rejects", *(("with Holm",) if several else ()), "could not run")
    return Table(head, cells, text=(1, 2))


def _level(data: Data) -> Section:
    rows = tuple(
        (row["test"], rate_text(row), f"{row['alpha']:g}", "holds" if row["holds"] else "does not hold")
        for row in data["level"]
    )
    return Section(
        title="Does each test hold its level?",
        paragraphs=(
            "A test holds its level unless the whole interval of its rejections without effect lies above "
            "it. A study whose test does not is refused when it is frozen.",
        ),
        tables=(Table(("test", "rejects without effect", "error level", "level"), rows, text=(0, 3)),),
    )


def _raters(data: Data) -> Section:
    cells = []
    for section, values in data["settings"]["raters"].items():
        if isinstance(values, Mapping):
            cells += [(f"{section}.{name}", _written(value)) for name, value in values.items()]
        else:
            cells.append((section, _written(values)))
    table = Table(("assumption", "value"), tuple(cells))
    return Section(title="Raters and images assumed", paragraphs=(METHODS,), tables=(table,))


def _written(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _provenance(data: Data) -> Section:
    settings = data["settings"]
    facts = (
        ("design (SHA-256)", data["design"]["digest"]),
        ("seed", str(settings["seed"])),
        ("lists", str(settings["lists"])),
        ("permutations of each study", str(settings["permutations"])),
        ("almond", data["almond_version"]),
    )
    table = Table(("what", "value"), facts, text=(0, 1), wrapped=(1,))
    return Section(title="Provenance", tables=(table,))
