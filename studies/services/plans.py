"""A study's rows as the plan of the library, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from almond.analysis.registration.plan_changes import text_of
from almond.design.matching import PlannedMatching
from almond.design.plan import PlannedPair, PlannedStimulus, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.words import ENGLISH
from almond.design.words.shown import BlockWords, kind_words, words_before
from almond.errors import InputError
from almond.shapes import ShapeError, read
from generation.models import MatchedPair, Stimulus
from studies import texts
from studies.constructs import language_choices
from studies.models import Block, Construct, Study, stimulus_name
from studies.services.preregistering import preregistration_of

Made = TypeVar("Made")


class NotReady(InputError):
    """A study that cannot be frozen yet; ``problems`` holds an error for everything in its way."""

    def __init__(self, study: Study, problems: Sequence[InputError]) -> None:
        self.problems = tuple({str(problem): problem for problem in problems}.values())
        said = "; ".join(map(str, self.problems))
        super().__init__(f"study {study.title!r}", f"cannot be frozen yet: {said}")


class Collected:
    """Errors of several steps, gathered so that all are said at once."""

    def __init__(self) -> None:
        self.problems: list[InputError] = []

    def of(self, make: Callable[[], Made]) -> Made | None:
        """Return what a step makes; None when it fails, and its error is kept."""
        try:
            return make()
        except NotReady as error:
            self.problems += error.problems
        except InputError as error:
            self.problems.append(error)
        return None


def build_plan(study: Study) -> StudyPlan:
    """Make the plan that freezing the study now would seal.

    :raises NotReady: with everything in its way.
    """
    found = Collected()
    images = found.of(lambda: distinct_images(study)) or []
    blocks = list(study.blocks.prefetch_related("constructs").order_by("order"))
    if not blocks:
        lacks = InputError(f"study {study.title!r}", "has no blocks", "a rating block or a choice block")
        found.problems.append(lacks)
    themes = {row.base_scene: row.theme for row in reversed(images)}
    stimuli = found.of(lambda: tuple(planned_stimulus(row, themes[row.base_scene]) for row in images))
    pairs = found.of(lambda: planned_pairs(study, blocks))
    matching = found.of(lambda: matching_of(study))
    found.problems += untranslated(study, constructs_of(blocks))
    if found.problems:
        raise NotReady(study, found.problems)
    return whole_plan(study, blocks, stimuli or (), pairs or (), matching or {})


def whole_plan(
    study: Study,
    blocks: Sequence[Block],
    stimuli: tuple[PlannedStimulus, ...],
    pairs: tuple[PlannedPair, ...],
    matching: Mapping[str, Any],
) -> StudyPlan:
    """Join the parts of a plan; raises ``NotReady`` with whatever contradicts itself in them."""
    constructs = constructs_of(blocks)
    planned = planned_blocks(study, blocks, stimuli, pairs)
    language = study.language
    tests = primary_tests(study, blocks)
    fields = {
        "title": study.title,
        "seed": study.seed,
        "language": language,
        "participants": study.participants_planned,
        "constructs": [planned_construct(row, language) for row in constructs],
        "blocks": planned,
        "stimuli": stimuli,
        "pairs": pairs,
        "analysis": {
            "permutations": study.permutations,
            "primary": tests,
            "exclusions": [row.to_json() for row in study.exclusions.order_by("order", "pk")],
        },
        **matching,
        "preregistration": preregistration_of(study, planned, constructs, tests, (stimuli, pairs)),
    }
    try:
        plan = read(StudyPlan, fields, source=f"study plan {study.title!r}")
    except ShapeError as error:
        parts = [line.partition(": ") for line in error.problems]
        raise NotReady(study, [InputError(path, problem) for path, _, problem in parts]) from error
    return plan.model_copy(update={"words": words_of(plan, blocks)})


def distinct_images(study: Study) -> list[Stimulus]:
    """Return the images to show, by row number; of natural images with the same bytes, the first.

    ``InputError`` when there are none, or when a matched set could still change.
    """
    where = f"study {study.title!r}"
    if study.matched_set is None and study.image_set is None:
        raise InputError(where, "has no stimuli", "a matched set or an image set")
    if study.matched_set is not None and not study.matched_set.is_frozen:
        raise InputError(
            f"matched set {study.matched_set.name!r}", "is still a draft", "a frozen one: freeze it first"
        )
    images = list(study.images())
    if not images:
        source = study.matched_set or study.image_set
        raise InputError(where, f"has no stimuli: {source} holds no images", "a set with images in it")
    if study.image_set is not None:
        images = list({row.digest: row for row in reversed(images)}.values())[::-1]
    missing = [row for row in images if not row.path.is_file()]
    if missing:
        raise InputError(
            f"image {missing[0]}", f"its file {missing[0].path} is gone", "the file as it was made"
        )
    return images


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


def planned_construct(row: Construct, language: str) -> dict[str, str]:
    words = row.words_in(language)
    return {"name": row.name, "question": words.question, "low": words.low, "high": words.high}


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
    label = dict(language_choices()).get(study.language, study.language)
    for block in study.blocks.order_by("order") if study.language != ENGLISH else ():
        for name in usual_settings(block):
            problem = f"its {name} {'are' if name.endswith('s') else 'is'} the usual text in English"
            found.problems.append(InputError(f"block {block.name!r}", problem, f"words in {label}"))
    for field in texts.USUAL:
        language = texts.language_of_usual(field, getattr(study, field))
        if language not in (None, study.language):
            problem = f"is the usual text in {dict(language_choices())[str(language)]}"
            found.problems.append(InputError(field, problem, f"one in {label}"))
    return found.problems


def usual_settings(block: Block) -> list[str]:
    """Name the settings of a block that participants read and that nobody has written."""
    kind = TRIAL_KINDS.load(block.kind)
    usual = {name: kind.block.model_fields[name].default for name in kind.usual_texts}
    return [name for name, text in usual.items() if text_of(block.settings.get(name, text)) == text_of(text)]


def planned_stimulus(row: Stimulus, theme: str) -> PlannedStimulus:
    fields = {
        "id": stimulus_name(row.pk),
        "sha256": row.digest,
        "base_scene": row.base_scene,
        "theme": theme,
        "prompt": row.prompt,
        "target": row.intended_target or None,
        "direction": row.direction,
        "strength": row.strength,
        "width": row.width,
        "height": row.height,
    }
    return read(PlannedStimulus, fields, source=f"image {row}")


def planned_pairs(study: Study, blocks: Sequence[Block]) -> tuple[PlannedPair, ...]:
    """Return, for every block of pairs and every matched pair, the pair with the question of its target."""
    pair_blocks = [block for block in blocks if TRIAL_KINDS.load(block.kind).shows == "pairs"]
    if not pair_blocks:
        return ()
    if study.matched_set is None:
        raise InputError(
            f"block {pair_blocks[0].name!r}",
            "chooses between pairs, but natural images have none",
            "a rating block",
        )
    rows = list(study.matched_set.pairs.all())
    targets = sorted({row.target for row in rows})
    found = Collected()
    asked = [found.of(partial(questions_of, block, targets)) or {} for block in pair_blocks]
    if found.problems:
        raise NotReady(study, found.problems)
    words = {row.name: row.words_in(study.language) for questions in asked for row in questions.values()}
    pairs = [
        planned_pair(row, construct.name, words[construct.name].choice)
        for questions in asked
        for row in rows
        for construct in [questions[row.target]]
    ]
    return tuple({pair.id: pair for pair in pairs}.values())


def questions_of(block: Block, targets: Sequence[str]) -> dict[str, Construct]:
    """Return target -> the one construct of the block that its pairs are asked about."""
    asking = {target: [row for row in block.constructs.all() if row.target == target] for target in targets}
    wrong = {target: rows for target, rows in asking.items() if len(rows) != 1}
    if wrong:
        raise InputError(
            f"block {block.name!r}",
            "; ".join(
                f"{', '.join(row.name for row in rows) or 'no construct'} of it asks about pairs of {target}"
                for target, rows in wrong.items()
            ),
            "exactly one per target",
        )
    return {target: rows[0] for target, rows in asking.items()}


def planned_pair(row: MatchedPair, construct: str, question: str) -> PlannedPair:
    fields = {
        "id": f"p{row.pk}-{construct}",
        "base_scene": row.base_scene,
        "target": row.target,
        "construct": construct,
        "question": question,
        "high": stimulus_name(row.high_id),
        "low": stimulus_name(row.low_id),
    }
    return read(PlannedPair, fields, source=f"pair {row}")


def planned_blocks(
    study: Study,
    blocks: Sequence[Block],
    stimuli: Sequence[PlannedStimulus],
    pairs: Sequence[PlannedPair],
) -> list[dict[str, Any]]:
    """Return the fields of every block.

    :raises NotReady: blocks that depend on others which the study does not have.
    """
    found = Collected()
    own = {block.name: block_fields(block) for block in blocks}
    planned = [found.of(partial(planned_block, block, own, stimuli, pairs)) for block in blocks]
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
        **block.settings,
    }


def planned_block(
    block: Block,
    own: Mapping[str, Mapping[str, Any]],
    stimuli: Sequence[PlannedStimulus],
    pairs: Sequence[PlannedPair],
) -> dict[str, Any]:
    """Return a block's fields; one without a number of trials has as many as is usual for its kind.

    :param own: what the rows of all blocks say, by name.
    """
    kind = TRIAL_KINDS.load(block.kind)
    fields = dict(kind.completed(own[block.name], own))
    if block.trials is not None:
        return {**fields, "trials": block.trials}
    drafted = kind.block.model_construct(**{**fields, "trials": 1})
    return {**fields, "trials": kind.usual_trials(drafted, stimuli, pairs) + block.repeats}


def primary_tests(study: Study, blocks: Sequence[Block]) -> tuple[str, ...]:
    """Name the confirmatory tests that such a study allows."""
    if study.matched_set is None:
        return ("natural",)
    used = {block.kind for block in blocks}
    questions = [kind.question for name, kind in TRIAL_KINDS.entries().items() if name in used]
    return tuple(dict.fromkeys(question for question in questions if question is not None))
