"""Who is analysed: completion and right images first, then the plan's exclusion rules in its order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from almond.design.exclusions.base import BlindTables, CannotApply, ExclusionRule

ARRIVALS = ("arrived", "refused", "consented", "withdrew")


@dataclass(frozen=True)
class AppliedRule:
    """A planned rule on a study's finished participants, each judged by their own rows.

    :param words: its sentence in the plan.
    :param caught: participant -> why, with the number; also of those whom an earlier rule leaves out.
    :param unjudged: participants of whom the export holds nothing to judge by: they stay in.
    :param problem: why it could not be applied at all; empty where it was.
    :param planned: whether the plan names it; what it does is a deviation otherwise.
    """

    name: str
    words: str
    caught: Mapping[str, str] = field(default_factory=dict)
    unjudged: tuple[str, ...] = ()
    problem: str = ""
    planned: bool = True


@dataclass(frozen=True)
class Excluded:
    """A participant left out by a planned rule, the first that caught them, and why."""

    participant_id: str
    rule: str
    why: str


@dataclass(frozen=True)
class FlowStep:
    """A step of the flow of participants: ``left`` remain after ``out`` were left out, and why."""

    step: str
    left: int
    out: int = 0
    why: str = ""


def apply_rules(rules: Sequence[ExclusionRule], tables: BlindTables) -> tuple[AppliedRule, ...]:
    """Judge every participant of ``tables`` by every rule, in the plan's order."""
    return tuple(_apply(rule, tables) for rule in rules)


NOT_PLANNED = "excluded by hand, not planned"
"""The name of the step that the plan does not have: who was excluded by hand otherwise than it says."""


def not_planned(applied: Sequence[AppliedRule], tables: BlindTables) -> tuple[AppliedRule, ...]:
    """Return a step for those excluded by hand whom no rule ``by_hand`` of the plan covers, if there are."""
    people = tables.participants
    if "excluded" not in people:
        return ()
    covered = {person for rule in applied if rule.name == "by_hand" for person in rule.caught}
    out = people[people["excluded"] == 1]
    caught = {
        str(person): f"{why}{'' if blind == 1 else ' (after answers could be seen)'}"
        for person, why, blind in zip(
            out["participant_id"], out["excluded_reason"], out["excluded_blind"], strict=True
        )
        if str(person) not in covered
    }
    words = "Not a rule of the plan: participants whom an experimenter excluded by hand."
    return (AppliedRule(NOT_PLANNED, words, caught, planned=False),) if caught else ()


def _apply(rule: ExclusionRule, tables: BlindTables) -> AppliedRule:
    try:
        judged = rule.judge(tables)
    except CannotApply as reason:
        return AppliedRule(rule.kind, rule.words(), problem=f"the export lacks {reason}")
    people = tables.people
    caught = {person: judged.caught[person] for person in people if person in judged.caught}
    return AppliedRule(rule.kind, rule.words(), caught, judged.unjudged)


def first_caught(applied: Sequence[AppliedRule], *, omit: Collection[str] = ()) -> tuple[Excluded, ...]:
    """List whom the rules leave out, by the first that catches them, in the order of the rules.

    :param omit: names of rules that are not applied.
    """
    excluded: dict[str, Excluded] = {}
    for rule in applied:
        if rule.name not in omit:
            for person, why in rule.caught.items():
                excluded.setdefault(person, Excluded(person, rule.name, why))
    return tuple(excluded.values())


def arrivals_of(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Return how many people arrived, were refused, consented and withdrew, as a site counted them.

    Empty for an export that does not say it. Who withdrew may be in no table.
    """
    told = dict(manifest.get("about") or {}).get("flow")
    if not isinstance(told, Mapping):
        return {}
    counts = {**told, "refused": sum(dict(told.get("refused") or {}).values())}
    return {name: int(counts[name]) for name in ARRIVALS if name in counts}


def flow_of(
    people: pd.DataFrame,
    others: int,
    finished: int,
    applied: Sequence[AppliedRule],
    excluded: Sequence[Excluded],
) -> tuple[FlowStep, ...]:
    """Count the participants from step to step, down to those who are analysed.

    :param people: rows of participants.csv of the kind that is analysed. :param others: how many rows are of
        another kind. :param finished: how many of ``people`` completed every trial.
    """
    steps = [FlowStep("joined", len(people) + others)]
    if others:
        steps.append(FlowStep("kind", len(people), others, "previews and simulated participants"))
    steps.append(FlowStep("completed", finished, len(people) - finished, "did not complete every trial"))
    gone: set[str] = set()
    for rule in applied:
        out = {row.participant_id for row in excluded if row.rule == rule.name}
        gone |= out
        steps.append(FlowStep(rule.name, steps[-1].left - len(out), len(out), _why(rule, gone)))
    return (*steps, FlowStep("analysed", steps[-1].left))


def _why(rule: AppliedRule, gone: Collection[str]) -> str:
    if rule.problem:
        return f"not applied: {rule.problem}"
    unjudged = set(rule.unjudged) - set(gone)
    return f"{len(unjudged)} could not be judged" if unjudged else ""
