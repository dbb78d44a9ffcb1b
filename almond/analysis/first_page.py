"""What the first page of a study's report says beside its answers: question, verdicts, sample, deviations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from almond.analysis import external
from almond.analysis.questions.base import answered, load_questions
from almond.analysis.sentences import sample_sentence
from almond.report.document import Fact
from almond.report.wording import p_text

Data = Mapping[str, Any]
NONE = "None from the plan."


def first_page_facts(data: Data) -> tuple[Fact, ...]:
    """List the facts that a reader looks for first; those of a plan only where there is one."""
    return tuple(Fact(name, texts) for name, texts in _facts(data) if texts)


def _facts(data: Data) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "Question", _questions(data)
    yield "Verdicts", tuple(_verdict(row) for row in data["verdicts"])
    yield "Sample", (sample_sentence(data),)
    yield "Matching", tuple(filter(None, (data["sample"].get("matching"),)))
    yield "Deviations", _deviations(data)


def _questions(data: Data) -> tuple[str, ...]:
    """Return what the primary tests ask; of external data, which have no plan, what could be answered."""
    primary = data["planned"]["primary"]
    asked = [question for question in load_questions() if question.p is not None]
    if external.external_facts(data):
        rows = [question for question, _ in answered(data)]
        return tuple(row.title for row in [row for row in rows if row.p is not None] or rows)
    return tuple(question.title for question in asked if question.name in primary)


def _verdict(row: Mapping[str, Any]) -> str:
    p = "" if row["p_corrected"] is None else f" ({p_text(row['p_corrected'])})"
    claim = str(row["text"]).rstrip(".")
    return f"{row['name']} {row['verdict']}{p}: {claim}."


def _deviations(data: Data) -> tuple[str, ...]:
    """List what was done otherwise than planned, and how often the plan was amended."""
    if external.external_facts(data):
        return (external.DEVIATIONS,)
    rows = tuple(_deviation(row) for row in data["deviations"])
    count = len(data.get("amendments", ()))
    amended = (f"Amendments of the plan: {count}.",) if count else ()
    return (*(rows or (NONE,)), *amended)


def _deviation(row: Mapping[str, Any]) -> str:
    if row["kind"] == "exclusions" and row["planned"] == "applied":
        return f"Exclusions: the rule “{row['what']}” was planned and not applied: {row['done']}."
    if row["kind"] == "exclusions":
        return f"Exclusions: {row['what']}: {row['done']}."
    return f"{row['kind'].capitalize()}: {row['what']} planned {row['planned']}, done {row['done']}."
