"""Pairs of photographs as a plan holds them: each with every question of its block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from almond.design.pairing import PairedBlock
from almond.design.plan import PlannedPair
from almond.design.trials import TRIAL_KINDS
from almond.errors import InputError
from almond.rng import generator
from almond.shapes import ShapeError, read
from almond.stimuli.photograph_pairs import NormedPhotograph, PhotographPair, pair_photographs, told_of
from generation.models import Stimulus
from studies.models import Block, stimulus_name


def shows_photographs(block: Block) -> bool:
    """Tell whether a block shows photographs: its own, or those of its study."""
    return block.image_set is not None or block.study.matched_set is None


def photograph_pairs(block: Block, kept: Mapping[str, Stimulus]) -> tuple[PlannedPair, ...]:
    """Pair the photographs of a block by its settings, with every question that it asks.

    :param kept: digest -> the row that stands for all photographs with these bytes.
    :raises InputError: settings that are missing or wrong, or photographs that cannot be paired so.
    """
    where = f"block {block.name!r}"
    if block.asked_of != Block.AskedOf.ALL:
        raise InputError(
            where,
            "asks each question of the pairs of its own target, but photographs have no targets",
            "every question asked of all pairs",
        )
    constructs = list(block.constructs.all())
    without = [row.name for row in constructs if not row.choice]
    if without or not constructs:
        raise InputError(
            where,
            f"{', '.join(without)} of it has no question of a pair" if without else "asks nothing",
            "constructs with a question of a pair",
        )
    stand = [kept.get(row.digest, row) for row in photographs_of(block)]
    rows = list({row.pk: row for row in stand}.values())
    paired = paired_rows(block, rows)
    language = block.study.language
    questions = {row.name: row.words_in(language).choice for row in constructs}
    return tuple(
        planned_photographs(block, (rows[pair.high], rows[pair.low]), pair, asked)
        for pair in paired
        for asked in questions.items()
    )


def photographs_of(block: Block) -> Sequence[Stimulus]:
    image_set = block.image_set or block.study.image_set
    return [] if image_set is None else list(image_set.stimuli.order_by("pk"))


def paired_rows(block: Block, rows: Sequence[Stimulus]) -> list[PhotographPair]:
    """Pair photographs by the settings of a block; the study's seed and the block's name decide."""
    where = told_of(block.name)
    if not block.settings.get("photograph_pairs"):
        raise InputError(
            where,
            "nothing says how they are made",
            "pairs by a difference, at random or of a list",
        )
    fields = {"kind": block.kind, "name": block.name, "trials": 1, **block.settings}
    try:
        settings = read(TRIAL_KINDS.load(block.kind).block, fields, source=where)
    except ShapeError as error:
        raise InputError(where, "; ".join(error.problems)) from error
    if not isinstance(settings, PairedBlock):
        raise InputError(where, f"of kind {block.kind!r} has no pairs of photographs", "a block of choices")
    photographs = [NormedPhotograph(row.name, row.norms) for row in rows]
    return pair_photographs(photographs, settings, generator(block.study.seed, "pairs", block.name))


def planned_photographs(
    block: Block, rows: tuple[Stimulus, Stimulus], pair: PhotographPair, asked: tuple[str, str]
) -> PlannedPair:
    """Return a pair as the plan holds it, the higher photograph first.

    :param asked: name of a construct, and its question of a pair.
    """
    high, low = rows
    fields = {
        "id": f"{block.name}-{high.pk}-{low.pk}-{asked[0]}",
        "base_scene": high.base_scene,
        "other_scene": low.base_scene if low.base_scene != high.base_scene else None,
        "theme": pair.theme,
        "by": pair.by,
        "construct": asked[0],
        "question": asked[1],
        "high": stimulus_name(high.pk),
        "low": stimulus_name(low.pk),
    }
    return read(PlannedPair, fields, source=f"pair of {high} and {low}")
