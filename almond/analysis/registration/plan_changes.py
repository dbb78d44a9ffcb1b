"""What is different between two plans, in words: a new version of a study beside the one before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.design.plan import StudyPlan

SINGLE = {
    "title": "title",
    "seed": "seed",
    "language": "language",
    "participants": "participants",
    "analysis.permutations": "permutations",
    "analysis.alpha": "error level",
    "analysis.primary": "primary tests",
}
"""Values of a plan that are shown as they are, and what they are called."""

NAMED = {
    "constructs": ("construct", "name"),
    "blocks": ("block", "name"),
    "words": ("words before block", "block"),
    "analysis.exclusions": ("exclusion rule", "kind"),
    "preregistration.hypotheses": ("hypothesis", "name"),
}
"""Lists of a plan whose members have names: what a member is called, and the key of its name."""

COUNTED = {"stimuli": "image", "pairs": "pair"}
"""Lists that are too long to be shown member by member."""

APART = {"hypotheses"}
"""Parts of the preregistration that are compared as lists."""


@dataclass(frozen=True)
class PlanChange:
    """One difference: what it is about, and the words before and after it; empty where it was not there."""

    what: str
    before: str
    after: str


def plan_changes(before: StudyPlan, after: StudyPlan) -> list[PlanChange]:
    """List what differs between two plans, in the order of a plan's parts.

    Images and pairs are counted, the members of other lists are compared by name, field by field. The list is
    empty exactly where the plans have one digest.
    """
    old, new = before.to_json(), after.to_json()
    changes = [*_single(old, new), *_named(old, new), *_ordered(old, new)]
    changes += [*_counted(old, new), *_texts(old, new, "preregistration"), *_texts(old, new, "matching")]
    if not changes and before.digest != after.digest:
        changes.append(PlanChange("format of the plan", before.format, after.format))
    return changes


def text_of(value: object) -> str:
    """Write a value of a plan for people; nothing is an empty text."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text_of(part)}" for name, part in value.items() if part not in (None, ""))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(text_of(part) for part in value)
    return str(value)


def _at(plan: Mapping[str, Any], path: str) -> Any:
    value: Any = plan
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _single(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PlanChange]:
    for path, words in SINGLE.items():
        yield from _differing(words, _at(old, path), _at(new, path))


def _differing(what: str, before: object, after: object) -> Iterator[PlanChange]:
    if before != after:
        yield PlanChange(what, text_of(before), text_of(after))


def _members(plan: Mapping[str, Any], path: str, key: str) -> dict[str, Mapping[str, Any]]:
    return {str(member[key]): member for member in _at(plan, path) or ()}


def _named(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PlanChange]:
    for path, (word, key) in NAMED.items():
        were, are = _members(old, path, key), _members(new, path, key)
        for name in dict.fromkeys([*were, *are]):
            what = f"{word} “{name}”"
            if name not in are:
                yield PlanChange(what, text_of(_without(were[name], key)), "")
            elif name not in were:
                yield PlanChange(what, "", text_of(_without(are[name], key)))
            else:
                for field in dict.fromkeys([*were[name], *are[name]]):
                    words = field.replace("_", " ")
                    yield from _differing(f"{what}, {words}", were[name].get(field), are[name].get(field))


def _without(member: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in member.items() if name != key}


def _ordered(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PlanChange]:
    """Yield lists whose members are the same in another order, where the order counts."""
    for path, (word, key) in NAMED.items():
        were, are = list(_members(old, path, key)), list(_members(new, path, key))
        if were != are and sorted(were) == sorted(are):
            yield PlanChange(f"order of the {word}s", ", ".join(were), ", ".join(are))


def _counted(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PlanChange]:
    for path, word in COUNTED.items():
        were, are = _members(old, path, "id"), _members(new, path, "id")
        if list(were.values()) == list(are.values()):
            continue
        gone, came = were.keys() - are.keys(), are.keys() - were.keys()
        other = sum(were[name] != are[name] for name in were.keys() & are.keys())
        found = [(len(gone), "fewer"), (len(came), "new"), (other, "changed")]
        said = ", ".join(f"{count} {words}" for count, words in found if count) or "in another order"
        yield PlanChange(f"{word}s", str(len(were)), f"{len(are)}: {said}")


def _texts(old: Mapping[str, Any], new: Mapping[str, Any], part: str) -> Iterator[PlanChange]:
    were, are = old.get(part) or {}, new.get(part) or {}
    for name in dict.fromkeys([*were, *are]):
        if name not in APART:
            words = f"{part}: {name.replace('_', ' ')}"
            yield from _differing(words, were.get(name), are.get(name))
