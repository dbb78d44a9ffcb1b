"""Results in plain words. Everything here reads the JSON values of an analysis, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.analysis import external
from almond.analysis.questions.base import answered
from almond.report.wording import p_text


def headline(data: Mapping[str, Any]) -> list[str]:
    """Say what the analysis is unless it is confirmatory; then answer the questions, most important first.

    Verdicts on hypotheses stand before the answers. Gives the reasons where no question could be answered.
    """
    if external.external_facts(data):
        return answer_sentences(data)
    verdicts = [verdict_sentence(row) for row in data["verdicts"]]
    return [*_label(data), *verdicts, *_answers(data)]


def answer_sentences(data: Mapping[str, Any]) -> list[str]:
    """Say the headline without the verdicts, for pages that list these by themselves.

    Of the questions only those that the plan calls primary, where it has any: others head their sections.
    """
    if not external.external_facts(data):
        return [*_label(data), *(_said(data, only_primary=True) or _answers(data))]
    tested = any(question.p is not None for question, _ in answered(data))
    return [external.FIRST_LINE, *_said(data), external.TERMS if tested else external.NOTHING_TO_TEST]


def _label(data: Mapping[str, Any]) -> list[str]:
    return [] if data["mode"] == "confirmatory" else [mode_sentence(data)]


def _answers(data: Mapping[str, Any]) -> list[str]:
    return _said(data) or ["No test of the question could be run: " + _reasons(data)]


def _said(data: Mapping[str, Any], *, only_primary: bool = False) -> list[str]:
    primary, alpha = data["planned"]["primary"], data["settings"]["alpha"]
    rows = [(question, result) for question, result in answered(data)]
    rows.sort(key=lambda row: row[0].name not in primary)
    return [
        text
        for question, result in rows
        if question.name in primary or not only_primary
        if (text := question.headline(result, alpha))
    ]


def verdict_sentence(row: Mapping[str, Any]) -> str:
    """Say what became of a hypothesis."""
    p = "" if row["p_corrected"] is None else f", {p_text(row['p_corrected'])}"
    claim = str(row["text"]).rstrip(".")
    return f"{row['name']} is {row['verdict']} ({row['why']}{p}): {claim}."


def _reasons(data: Mapping[str, Any]) -> str:
    primary = data["planned"]["primary"]
    rows = [row for row in data["not_run"] if row["analysis"] in primary] or data["not_run"]
    reasons = ((row["analysis"], row["reason"]) for row in rows)
    return "; ".join(f"{name}: {reason.removeprefix(f'{name}: ')}" for name, reason in reasons) + "."


def sample_sentence(data: Mapping[str, Any]) -> str:
    """Describe the sample."""
    sample = data["sample"]
    who = "simulated participants" if sample.get("kind") == "robot" else "participants"
    if external.external_facts(data):
        given = (f"{sample[what]} {what}" for what in ("ratings", "choices") if sample[what])
        people = f"{sample['analysed']} participants"
        return f"{', '.join((people, external.stimuli_text(sample), *given))}."
    return (
        f"{sample['analysed']} {who} analysed of {sample['joined']} who joined "
        f"({sample['planned']} planned); {sample['scenes']} base scenes, {sample['stimuli']} stimuli, "
        f"{sample['ratings']} ratings, {sample['choices']} choices."
    )


def mode_sentence(data: Mapping[str, Any]) -> str:
    """Say what the analysis is called, and every reason why it is not confirmatory."""
    if data["mode"] == "confirmatory":
        named = ", ".join(data["planned"]["primary"])
        return f"Confirmatory: run as the frozen plan says. Primary tests: {named}. Others are exploratory."
    return f"{data['mode'].capitalize()}: {'; '.join(data['reasons'])}."


def title_of(data: Mapping[str, Any]) -> str:
    """Return the study's title, marked where its answers are simulated."""
    title = str(data["study"]["title"])
    return f"{title} (simulated)" if data["mode"] == "simulated" else title


def exclusion_sentences(data: Mapping[str, Any]) -> list[str]:
    """List how many each rule left out; the report says those of the plan in its own words."""
    planned = {row["rule"] for row in data["sample"]["rules"]}
    return [
        f"Rule “{row['rule']}”: {row['count']} of {row['of']} {row['what']} left out."
        for row in data["sample"]["exclusions"]
        if row["rule"] not in planned
    ]
