"""The report of a study, from the JSON values of its analysis: for HTML and Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from almond.analysis.equivalence import equivalence_section
from almond.analysis.external import BEYOND_TABLES, external_facts, external_section, stimuli_text
from almond.analysis.first_page import first_page_facts
from almond.analysis.questions.base import answered
from almond.analysis.registration.amendments import amendments_section
from almond.analysis.screening.flow_document import flow_figures, rules_in_words, with_flow
from almond.analysis.sentences import (
    answer_sentences,
    exclusion_sentences,
    mode_sentence,
    title_of,
)
from almond.analysis.vocabulary import vocabulary_of
from almond.report.document import Document, KeyNumber, Section, Table
from almond.report.figures_style import style
from almond.report.wording import decimal, p_cell

Data = Mapping[str, Any]


def study_document(data: Data) -> Document:
    """Write the report of an analysis."""
    return Document(
        title=title_of(data),
        mode=data["mode"],
        # Any other label stands with its reasons before the answers.
        mode_text=mode_sentence(data) if data["mode"] == "confirmatory" else "",
        answers=tuple(answer_sentences(data)),
        lead="",
        key_numbers=_key_numbers(data),
        facts=first_page_facts(data),
        footer=f"{title_of(data)} · {data['mode']} · {_identity(data)}",
        sections=(
            *_verdicts(data),
            *([] if external_facts(data) else [amendments_section(data)]),
            *_answers(data),
            *equivalence_section(data["equivalence"]),
            *_origin(data),
            with_flow(_participants(data), data),
            _methods(data),
            _provenance(data),
        ),
    )


def _identity(data: Data) -> str:
    """Name what a report belongs to: its plan, or the export that has none."""
    study = data["study"]
    if external_facts(data):
        return f"export {study['manifest_sha256'][:12]}"
    return f"plan {study['plan_digest'][:12]}"


def draw_study(data: Data) -> dict[str, Figure]:
    """Draw every figure that the results allow, by name."""
    with style():
        figures = {
            name: figure
            for question, result in answered(data)
            for name, figure in question.figures(result).items()
        }
        return figures | flow_figures(data)


def _answers(data: Data) -> list[Section]:
    """Write the section of every question; what is not on the first page heads its section."""
    first = set(answer_sentences(data))
    sections = []
    for question, result in sorted(answered(data), key=lambda pair: pair[0].order):
        section = question.section(question.title, result)
        said = question.headline(result, data["settings"]["alpha"])
        if section is not None and said and said not in first:
            section = dataclasses.replace(section, paragraphs=(said, *section.paragraphs))
        if section is not None:
            sections.append(section)
    return sections


def _origin(data: Data) -> list[Section]:
    facts = external_facts(data)
    return [external_section(facts)] if facts else []


def _verdicts(data: Data) -> tuple[Section, ...]:
    """Write the table of the hypotheses, where the plan has any."""
    rows = tuple(
        (
            row["name"],
            row["verdict"],
            row["text"],
            p_cell(row["p"], absent=""),
            p_cell(row["p_corrected"], absent=""),
            row["criterion"],
        )
        for row in data["verdicts"]
    )
    if not rows:
        return ()
    head = ("hypothesis", "verdict", "claim", "p", "p corrected", "criterion")
    table = Table(head, rows, text=(0, 1, 2, 5), wrapped=(2, 5))
    return (Section(title="Hypotheses and verdicts", tables=(table,)),)


def _key_numbers(data: Data) -> tuple[KeyNumber, ...]:
    """Give the main number of each question on the first page, and those of the sample."""
    asked = [row for row in answered(data) if row[0].name in data["planned"]["primary"]]
    numbers = [question.key_number(result) for question, result in asked or answered(data)]
    sample = data["sample"]
    made = tuple(number for number in numbers if number is not None)
    people = str(sample["analysed"])
    if external_facts(data):
        stimuli, _, grouped = stimuli_text(sample).partition(" stimuli")
        return (
            *made,
            KeyNumber("participants", people, "in the table"),
            KeyNumber("stimuli", stimuli, grouped.strip()),
        )
    return (
        *made,
        KeyNumber("participants", people, f"of {sample['joined']} who joined"),
        KeyNumber("base scenes", str(sample["scenes"]), f"{sample['stimuli']} stimuli"),
    )


def _participants(data: Data) -> Section:
    rows = tuple(
        (
            row["construct"],
            str(row["ratings"]),
            decimal(row["mean"], 1),
            decimal(row["sd"], 1),
            "not told" if row["median_rt_ms"] is None else f"{row['median_rt_ms'] / 1000:.1f} s",
        )
        for row in data["sample"]["ratings_summary"]
    )
    sample = data["sample"]
    status = ", ".join(f"{size} {name}" for name, size in data["sample"]["status"].items())
    head = ("construct", "ratings", "mean", "SD", "median time")
    return Section(
        title="Participants and exclusions",
        paragraphs=(
            f"{sample['joined']} participants are in the table; all are analysed."
            + (" Means and SD are of ratings carried to 0 to 100." if rows else "")
            if external_facts(data)
            else f"{sample['joined']} joined ({status or 'nobody'}); {sample['analysed']} are analysed.",
        ),
        items=tuple(exclusion_sentences(data)),
        tables=(Table(head, rows),) if rows else (),
    )


def _methods(data: Data) -> Section:
    tests = tuple(
        (
            row["test"],
            p_cell(row["p"]),
            "" if row["p_holm_primary"] is None else p_cell(row["p_holm_primary"]),
            "primary" if row["primary"] else "secondary",
            row["status"],
        )
        for row in data["tests"]
    )
    hidden = BEYOND_TABLES if external_facts(data) else ()
    absent = tuple(
        f"{row['analysis'].capitalize()} did not run: {row['reason']}."
        for row in data["not_run"]
        if row["analysis"] not in hidden
    )
    methods = (question.methods(data["settings"]) for question, _ in answered(data))
    head = ("test", "p", "p Holm over primary", "in the plan", "status")
    return Section(
        title="Methods, and what did not run",
        paragraphs=(
            *([vocabulary_of(data).preparation] if data["sample"]["ratings"] else []),
            *rules_in_words(data),
            *_themes_in_words(data),
            *methods,
        ),
        tables=(Table(head, tests, text=(0, 3, 4)),) if tests else (),
        items=absent,
    )


def _themes_in_words(data: Data) -> tuple[str, ...]:
    """Say which themes were derived; nothing where the plan states all of them."""
    remark = data["sample"].get("theme_remark")
    return (f"Themes are what base scenes share that show the same content. {remark}",) if remark else ()


def _provenance(data: Data) -> Section:
    study, planned, used = data["study"], data["planned"], data["settings"]
    described = external_facts(data) is not None
    facts = (
        ("description, no plan" if described else "plan", study["plan_digest"]),
        ("export (SHA-256 of manifest.json)", study["manifest_sha256"]),
        ("files checked", str(study["files"])),
        ("exported", f"{study['created']} by almond {study['exported_by']}"),
        *(
            (name, f"{used[key]}" + ("" if described else f" (planned {planned[key]})"))
            for name, key in (("permutations", "permutations"), ("seed", "seed"), ("error level", "alpha"))
        ),
        *(() if described else (("primary tests", ", ".join(planned["primary"]) or "none"),)),
        ("software", ", ".join(f"{name} {version}" for name, version in data["software"].items())),
    )
    return Section(
        title="Provenance",
        paragraphs=(
            "Everything above was computed from the export alone; every file in it was checked against its "
            "digest first. The command “python -m almond analyse EXPORT” repeats it.",
        ),
        tables=(Table(("what", "value"), facts, text=(0, 1), wrapped=(1,)),),
    )
