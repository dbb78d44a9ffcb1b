"""A study's rows as the plan of the library, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from almond.analysis.registration.plan_changes import text_of
from almond.design.matching import PlannedMatching
from almond.design.plan import PlannedPair, PlannedStimulus, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.words import ENGLISH
from almond.design.words.shown import BlockWords, kind_words, words_before
from almond.errors import InputError
from almond.shapes import ShapeError, read
from generation.models import Stimulus
from studies import texts
from studies.constructs import language_choices
from studies.models import Block, Construct, Study
from studies.services.obstacles import Collected, NotReady
from studies.services.photographs import shows_photographs
from studies.services.preregistering import preregistration_of
from studies.services.sources import drawn_stimuli, pairs_of_blocks, planned_stimulus, shown_images, shows

PAIRED = "photograph_choices"
"""The test of choices between photographs."""


@dataclass(frozen=True)
class Shown:
    """What a study shows: its images, and the pairs of every block of pairs by the block's name."""

    images: Sequence[Stimulus]
    stimuli: tuple[PlannedStimulus, ...]
    pairs_of_block: Mapping[str, tuple[PlannedPair, ...]]

    @property
    def pairs(self) -> tuple[PlannedPair, ...]:
        """Return the pairs of all blocks, each with its question once."""
        every = [pair for pairs in self.pairs_of_block.values() for pair in pairs]
        return tuple({pair.id: pair for pair in every}.values())


def build_plan(study: Study) -> StudyPlan:
    """Make the plan that freezing the study now would seal.

    :raises NotReady: with everything in its way.
    """
    found = Collected()
    blocks = list(study.blocks.prefetch_related("constructs").select_related("image_set").order_by("order"))
    images = found.of(lambda: shown_images(study, blocks)) or []
    if not blocks:
        lacks = InputError(f"study {study.title!r}", "has no blocks", "a rating block or a choice block")
        found.problems.append(lacks)
    themes = {row.base_scene: row.theme for row in reversed(images)}
    stimuli = found.of(lambda: tuple(planned_stimulus(row, themes[row.base_scene]) for row in images))
    pairs = found.of(lambda: pairs_of_blocks(study, blocks, images))
    matching = found.of(lambda: matching_of(study))
    found.problems += untranslated(study, constructs_of(blocks))
    if found.problems:
        raise NotReady(study, found.problems)
    return whole_plan(study, blocks, Shown(images, stimuli or (), pairs or {}), matching or {})


def whole_plan(study: Study, blocks: Sequence[Block], shown: Shown, matching: Mapping[str, Any]) -> StudyPlan:
    """Join the parts of a plan; raises ``NotReady`` with whatever contradicts itself in them."""
    constructs = constructs_of(blocks)
    compared = compared_constructs(blocks, shown.pairs)
    planned = planned_blocks(study, blocks, shown)
    language = study.language
    tests = primary_tests(study, blocks, compared)
    fields = {
        "title": study.title,
        "seed": study.seed,
        "language": language,
        "participants": study.participants_planned,
        "constructs": [planned_construct(row, language, compared) for row in constructs],
        "blocks": planned,
        "stimuli": shown.stimuli,
        "pairs": shown.pairs,
        "analysis": {
            "permutations": study.permutations,
            "primary": tests,
            "exclusions": [row.to_json() for row in study.exclusions.order_by("order", "pk")],
        },
        "arms": [{"name": row.name, "weight": row.weight} for row in study.arms.all()],
        "block_order": None if study.block_order == study.BlockOrder.FIXED else study.block_order,
        **matching,
        "preregistration": preregistration_of(
            study, planned, constructs, tests, (shown.stimuli, shown.pairs)
        ),
    }
    try:
        plan = read(StudyPlan, fields, source=f"study plan {study.title!r}")
    except ShapeError as error:
        parts = [line.partition(": ") for line in error.problems]
        raise NotReady(study, [InputError(path, problem) for path, _, problem in parts]) from error
    return plan.model_copy(update={"words": words_of(plan, blocks)})


def matching_of(study: Study) -> dict[str, Any]:
    """Return the plan's part about the matching of the pairs; empty for natural images.

    :raises InputError: a set that is not matched, and no written reason why it is shown.
    """
    matched_set = study.matched_set
    if matched_set is None:
        return {}
    reason = study.unmatched_reason.strip()
    if not matched_set.matched and not reason:
        missed = f" for {', '.join(matched_set.missed)}" if matched_set.missed else ""
        raise InputError(
            f"matched set {matched_set.name!r}",
            f"is not matched{missed}",
            "a set that keeps both yardsticks, or the reason in “reason for an unmatched set”",
        )
    difference, effect = matched_set.worst
    part = PlannedMatching(
        name=matched_set.name,
        matched=bool(matched_set.matched),
        tolerance=matched_set.tolerance,
        d_z=matched_set.paired,
        worst_difference=difference,
        worst_d_z=effect,
        held=tuple(matched_set.held),
        missed=tuple(matched_set.missed),
        reason=None if matched_set.matched else reason,
    )
    return {"matching": part}


def constructs_of(blocks: Sequence[Block]) -> list[Construct]:
    """Return every construct of the blocks once, by name."""
    constructs = {row.name: row for block in blocks for row in block.constructs.all()}
    return [constructs[name] for name in sorted(constructs)]


def compared_constructs(blocks: Sequence[Block], pairs: Sequence[PlannedPair]) -> frozenset[str]:
    """Name the constructs with a target of their own that are asked of its pairs and of others'."""
    crossed = [
        block
        for block in blocks
        if shows(block) == "pairs" and block.asked_of == Block.AskedOf.ALL and not shows_photographs(block)
    ]
    targets = {pair.target for pair in pairs if pair.target is not None}
    asked = {row.name: row.target for block in crossed for row in block.constructs.all()}
    return frozenset(name for name, target in asked.items() if target in targets and len(targets) > 1)


def planned_construct(row: Construct, language: str, compared: frozenset[str]) -> dict[str, str]:
    words = row.words_in(language)
    shown = {"name": row.name, "question": words.question, "low": words.low, "high": words.high}
    return {**shown, "target": row.target} if row.name in compared else shown


def words_of(plan: StudyPlan, blocks: Sequence[Block]) -> tuple[BlockWords, ...]:
    """Return what participants read before each block, in the plan's language."""
    written = {row.name: row.instructions for row in blocks}
    return tuple(words_before(block, plan.language, written[block.name]) for block in plan.blocks)


def untranslated(study: Study, constructs: Sequence[Construct]) -> list[InputError]:
    """List what participants would read in another language than the study's."""
    found = Collected()
    for row in constructs:
        found.of(partial(row.words_in, study.language))
    for kind in sorted({block.kind for block in study.blocks.all()}):
        found.of(partial(kind_words, kind, study.language))
    labels = dict(language_choices())
    label = labels.get(study.language, study.language)
    for block in study.blocks.order_by("order"):
        own = TRIAL_KINDS.load(block.kind).language_of(block.settings)
        if own not in (None, study.language):
            problem = f"asks an instrument in {labels.get(str(own), own)}"
            found.problems.append(InputError(f"block {block.name!r}", problem, f"one in {label}"))
    for block in study.blocks.order_by("order") if study.language != ENGLISH else ():
        for name in usual_settings(block):
            problem = f"its {name} {'are' if name.endswith('s') else 'is'} the usual text in English"
            found.problems.append(InputError(f"block {block.name!r}", problem, f"words in {label}"))
    for field in texts.USUAL:
        language = texts.language_of_usual(field, getattr(study, field))
        if language not in (None, study.language):
            problem = f"is the usual text in {labels[str(language)]}"
            found.problems.append(InputError(field, problem, f"one in {label}"))
    return found.problems


def usual_settings(block: Block) -> list[str]:
    """Name the settings of a block that participants read and that nobody has written."""
    kind = TRIAL_KINDS.load(block.kind)
    usual = {name: kind.block.model_fields[name].default for name in kind.usual_texts}
    return [name for name, text in usual.items() if text_of(block.settings.get(name, text)) == text_of(text)]


def planned_blocks(study: Study, blocks: Sequence[Block], shown: Shown) -> list[dict[str, Any]]:
    """Return the fields of every block.

    :raises NotReady: blocks that depend on others which the study does not have.
    """
    found = Collected()
    rows = {block.name: block for block in blocks}
    planned = [found.of(partial(planned_block, block, rows, shown)) for block in blocks]
    if found.problems:
        raise NotReady(study, found.problems)
    return [fields for fields in planned if fields is not None]


def block_fields(block: Block) -> dict[str, Any]:
    """Return what a block's own row says of it, but for its number of trials."""
    return {
        "kind": block.kind,
        "name": block.name,
        "constructs": sorted(row.name for row in block.constructs.all()),
        "repeats": block.repeats,
        "arms": block.arm_names,
        "most_of_scene": block.most_of_scene,
        **block.settings,
    }


def planned_block(block: Block, rows: Mapping[str, Block], shown: Shown) -> dict[str, Any]:
    """Return a block's fields; one without a number of trials has as many as is usual for its kind.

    :param rows: all blocks of the study by name.
    """
    kind = TRIAL_KINDS.load(block.kind)
    fields = dict(
        kind.completed(block_fields(block), {name: block_fields(row) for name, row in rows.items()})
    )
    drafted = kind.block.model_construct(**{**fields, "trials": 1})
    own = drawn_by(rows[kind.drawn_as(fields)], shown)
    if {item.id for item in kind.items(drafted, shown.stimuli, shown.pairs)} != set(own):
        fields["draws_on"] = own
        drafted = kind.block.model_construct(**{**fields, "trials": 1})
    if block.trials is not None:
        return {**fields, "trials": block.trials}
    return {**fields, "trials": kind.usual_trials(drafted, shown.stimuli, shown.pairs) + block.repeats}


def drawn_by(block: Block, shown: Shown) -> tuple[str, ...]:
    """Return the names of the images or pairs that a block draws on."""
    if shows(block) == "pairs":
        return tuple(pair.id for pair in shown.pairs_of_block[block.name])
    return drawn_stimuli(block, shown.images) if shows(block) == "stimuli" else ()


def primary_tests(study: Study, blocks: Sequence[Block], compared: frozenset[str]) -> tuple[str, ...]:
    """Name the confirmatory tests that such a study allows; blocks of photographs alone have none here."""
    if study.matched_set is None:
        shown = {shows(block) for block in blocks}
        of_photographs = [name for name, show in (("natural", "stimuli"), (PAIRED, "pairs")) if show in shown]
        return tuple(of_photographs) or ("natural",)
    used = {block.kind for block in blocks if block.image_set is None}
    questions = [kind.question for name, kind in TRIAL_KINDS.entries().items() if name in used]
    questions += ["choice_specificity"] if compared else []
    return tuple(dict.fromkeys(question for question in questions if question is not None))
