"""A study's rows as the plan of the library, checked as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from almond.design.matching import PlannedMatching
from almond.design.plan import PlannedPair, PlannedStimulus, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.errors import InputError
from almond.shapes import read
from generation.models import MatchedPair, Stimulus
from studies.models import Block, Construct, Study, stimulus_name
from studies.services.preregistering import preregistration_of


def build_plan(study: Study) -> StudyPlan:
    """Make the plan that freezing the study now would seal; ``InputError`` says everything in its way."""
    images = distinct_images(study)
    blocks = list(study.blocks.prefetch_related("constructs").order_by("order"))
    if not blocks:
        raise InputError(f"study {study.title!r}", "has no blocks", "a rating block or a choice block")
    themes = {row.base_scene: row.theme for row in reversed(images)}
    stimuli = tuple(planned_stimulus(row, themes[row.base_scene]) for row in images)
    pairs = planned_pairs(study, blocks)
    constructs = constructs_of(blocks)
    planned = [planned_block(block, stimuli, pairs) for block in blocks]
    tests = primary_tests(study, blocks)
    fields = {
        "title": study.title,
        "seed": study.seed,
        "participants": study.participants_planned,
        "constructs": [planned_construct(row) for row in constructs],
        "blocks": planned,
        "stimuli": stimuli,
        "pairs": pairs,
        "analysis": {
            "permutations": study.permutations,
            "primary": tests,
            "exclusions": [row.to_json() for row in study.exclusions.order_by("order", "pk")],
        },
        **matching_of(study),
        "preregistration": preregistration_of(study, planned, constructs, tests, (stimuli, pairs)),
    }
    return read(StudyPlan, fields, source=f"study plan {study.title!r}")


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


def planned_construct(row: Construct) -> dict[str, str]:
    return {"name": row.name, "question": row.question, "low": row.low, "high": row.high}


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
    pairs: dict[str, PlannedPair] = {}
    for block in pair_blocks:
        questions = questions_of(block, targets)
        for row in rows:
            pair = planned_pair(row, questions[row.target])
            pairs[pair.id] = pair
    return tuple(pairs.values())


def questions_of(block: Block, targets: Sequence[str]) -> dict[str, Construct]:
    """Return target -> the one construct of the block that its pairs are asked about."""
    constructs = list(block.constructs.all())
    questions = {}
    for target in targets:
        asking = [row for row in constructs if row.target == target]
        if len(asking) != 1:
            names = ", ".join(row.name for row in asking) or "no construct"
            raise InputError(
                f"block {block.name!r}",
                f"{names} of it asks about pairs of {target}",
                "exactly one per target",
            )
        questions[target] = asking[0]
    return questions


def planned_pair(row: MatchedPair, construct: Construct) -> PlannedPair:
    fields = {
        "id": f"p{row.pk}-{construct.name}",
        "base_scene": row.base_scene,
        "target": row.target,
        "construct": construct.name,
        "question": construct.choice,
        "high": stimulus_name(row.high_id),
        "low": stimulus_name(row.low_id),
    }
    return read(PlannedPair, fields, source=f"pair {row}")


def planned_block(
    block: Block, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
) -> dict[str, Any]:
    """Return a block's fields; one without a number of trials shows every image or pair once."""
    names = sorted(row.name for row in block.constructs.all())
    items = TRIAL_KINDS.load(block.kind).items(names, stimuli, pairs)
    return {
        "kind": block.kind,
        "name": block.name,
        "trials": len(items) + block.repeats if block.trials is None else block.trials,
        "constructs": names,
        "repeats": block.repeats,
    }


def primary_tests(study: Study, blocks: Sequence[Block]) -> tuple[str, ...]:
    """Name the confirmatory tests that such a study allows."""
    if study.matched_set is None:
        return ("natural",)
    used = {block.kind for block in blocks}
    questions = [kind.question for name, kind in TRIAL_KINDS.entries().items() if name in used]
    return tuple(dict.fromkeys(question for question in questions if question is not None))
