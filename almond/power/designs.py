"""A plan with other numbers of participants and themes: the points of a power curve.

With fewer themes a random part of the plan's is kept, the same in every analysis of one seed, and a smaller
part lies in the larger ones. With more themes the plan's are taken again, as new themes with images, scenes
and pairs of the same make. A block that shows everything that there is shows everything in every design; one
that shows a part shows as many trials as planned, or all where there are fewer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set
from typing import Any

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan, plain
from almond.design.trials import TRIAL_KINDS
from almond.digest import digest_bytes
from almond.errors import InputError
from almond.rng import generator


def design_at(plan: StudyPlan, *, people: int, themes: int, seed: int) -> StudyPlan:
    """Return the plan with so many participants and themes, 1 or more of each."""
    values = plan.to_json() | {"participants": people}
    values.pop("preregistration", None)  # its looks are of the planned number of participants
    if themes != len(plan.themes):
        values |= _with_themes(plan, themes, seed)
    return StudyPlan.from_json(values)


def _with_themes(plan: StudyPlan, themes: int, seed: int) -> dict[str, Any]:
    """Return the parts of a plan that change with the number of themes."""
    turns = list(enumerate(_themes_in_turn(plan, themes, seed)))
    total = len(plan.themes)
    stimuli = tuple(
        _stimulus_again(row, place // total)
        for place, theme in turns
        for row in plan.stimuli
        if plan.theme_of_scene[row.base_scene] == theme
    )
    present = {(theme, place // total) for place, theme in turns}
    pairs = tuple(
        _pair_again(row, place // total)
        for place, theme in turns
        for row in plan.pairs
        if plan.theme_of_scene[row.base_scene] == theme
        and (plan.theme_of_scene[row.scenes[-1]], place // total) in present
    )
    blocks = [_block(plan, block, stimuli, pairs) for block in plan.blocks]
    return {"stimuli": plain(stimuli), "pairs": plain(pairs), "blocks": blocks}


def _themes_in_turn(plan: StudyPlan, count: int, seed: int) -> Sequence[str]:
    drawn = [str(theme) for theme in generator(seed, "power", "themes").permutation(list(plan.themes))]
    partners: dict[str, list[str]] = {}
    for pair in plan.pairs:
        first, second = (plan.theme_of_scene[pair.scenes[place]] for place in (0, -1))
        partners.setdefault(first, []).append(second)
        partners.setdefault(second, []).append(first)
    # Photographs of a pair stay together, else few pairs were left where there are fewer themes.
    order = dict.fromkeys(name for theme in drawn for name in (theme, *partners.get(theme, ())))
    themes = list(order)
    return [themes[place % len(themes)] for place in range(count)]


def _again(text: str, copy: int) -> str:
    return f"{text} ({copy + 1})" if text and copy else text


def _stimulus_again(row: PlannedStimulus, copy: int) -> PlannedStimulus:
    if not copy:
        return row
    names = {"id": _again(row.id, copy), "base_scene": _again(row.base_scene, copy)}
    told = {"prompt": _again(row.prompt, copy), "theme": row.theme and _again(row.theme, copy)}
    return row.model_copy(update={**names, **told, "sha256": digest_bytes(names["id"].encode())})


def _pair_again(row: PlannedPair, copy: int) -> PlannedPair:
    fields = ("id", "base_scene", "other_scene", "theme", "high", "low")
    again = {name: value and _again(value, copy) for name in fields for value in [getattr(row, name)]}
    return row.model_copy(update=again)


def _copies_of(name: str, ids: Set[str]) -> Iterator[str]:
    """Yield a name and those of its copies, as far as they are there."""
    return itertools.takewhile(ids.__contains__, (_again(name, copy) for copy in itertools.count()))


def _block(
    plan: StudyPlan,
    block: PlannedBlock,
    stimuli: Sequence[PlannedStimulus],
    pairs: Sequence[PlannedPair],
) -> dict[str, Any]:
    """Fit a block to other stimuli and pairs, which may be further copies of those that it draws on.

    :raises InputError: none of them is left.
    """
    ids = {row.id for row in stimuli} | {row.id for row in pairs}
    if block.draws_on:
        own = [name for drawn in block.draws_on for name in _copies_of(drawn, ids)]
        if not own:
            raise InputError(f"block {block.name!r}", "has no image in so few themes", "more themes")
        block = block.model_copy(update={"draws_on": tuple(own)})
    kind = TRIAL_KINDS.load(block.kind)
    there = kind.most_trials(block, stimuli, pairs)
    whole = block.distinct == kind.most_trials(block, plan.stimuli, plan.pairs)
    distinct = there if whole else min(block.distinct, there)
    repeats = min(block.repeats, distinct)
    return {**plain(block), "trials": distinct + repeats, "repeats": repeats}
