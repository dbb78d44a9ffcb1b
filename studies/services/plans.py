"""A study's rows as the plan of the library, checked as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from almond.design.parts import Construct as PlannedConstruct
from almond.design.plan import AnalysisPlan, PlannedPair, PlannedStimulus, StudyPlan
from almond.design.plan import Block as PlannedBlock
from almond.errors import InputError
from generation.models import MatchedPair, Stimulus
from studies.models import Block, Construct, Study, stimulus_name


def build_plan(study: Study) -> StudyPlan:
    """The plan that freezing the study now would seal; ``InputError`` says everything that is in its way."""
    images = distinct_images(study)
    blocks = list(study.blocks.prefetch_related("constructs").order_by("order"))
    if not blocks:
        raise InputError(f"study {study.title!r}", "has no blocks", "a rating block or a choice block")
    pairs = planned_pairs(study, blocks)
    return StudyPlan(
        title=study.title,
        seed=study.seed,
        participants=study.participants_planned,
        constructs=tuple(planned_construct(row) for row in constructs_of(blocks)),
        blocks=tuple(planned_block(block, len(images), pairs) for block in blocks),
        stimuli=tuple(planned_stimulus(row) for row in images),
        pairs=pairs,
        analysis=AnalysisPlan(permutations=study.permutations, primary=primary_tests(study, blocks)),
    )


def distinct_images(study: Study) -> list[Stimulus]:
    """The images to show, by row number; of natural images with the same bytes, the first.

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


def constructs_of(blocks: Sequence[Block]) -> list[Construct]:
    """Every construct of the blocks once, by name."""
    found = {row.name: row for block in blocks for row in block.constructs.all()}
    return [found[name] for name in sorted(found)]


def planned_construct(row: Construct) -> PlannedConstruct:
    return PlannedConstruct(row.name, row.question, row.low, row.high)


def planned_stimulus(row: Stimulus) -> PlannedStimulus:
    return PlannedStimulus(
        id=stimulus_name(row.pk),
        sha256=row.digest,
        base_scene=row.base_scene,
        prompt=row.prompt,
        target=row.intended_target or None,
        direction=row.direction,
        strength=row.strength,
        width=row.width,
        height=row.height,
    )


def planned_pairs(study: Study, blocks: Sequence[Block]) -> tuple[PlannedPair, ...]:
    """For every choice block and matched pair, the pair with the question of its target."""
    asking = [block for block in blocks if block.kind == Block.Kind.CHOICE]
    if not asking:
        return ()
    if study.matched_set is None:
        raise InputError(
            f"block {asking[0].name!r}",
            "chooses between pairs, but natural images have none",
            "a rating block",
        )
    rows = list(study.matched_set.pairs.all())
    targets = sorted({row.target for row in rows})
    found: dict[str, PlannedPair] = {}
    for block in asking:
        questions = questions_of(block, targets)
        for row in rows:
            pair = planned_pair(row, questions[row.target])
            found[pair.id] = pair
    return tuple(found.values())


def questions_of(block: Block, targets: Sequence[str]) -> dict[str, Construct]:
    """Target -> the one construct of the block that its pairs are asked about."""
    chosen = list(block.constructs.all())
    questions = {}
    for target in targets:
        asking = [row for row in chosen if row.target == target]
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
    return PlannedPair(
        id=f"p{row.pk}-{construct.name}",
        base_scene=row.base_scene,
        target=row.target,
        construct=construct.name,
        question=construct.choice,
        high=stimulus_name(row.high_id),
        low=stimulus_name(row.low_id),
    )


def planned_block(block: Block, n_images: int, pairs: Sequence[PlannedPair]) -> PlannedBlock:
    names = tuple(sorted(row.name for row in block.constructs.all()))
    everything = (
        n_images + block.repeats
        if block.kind == Block.Kind.RATING
        else sum(pair.construct in names for pair in pairs)
    )
    return PlannedBlock(
        kind=block.kind,
        name=block.name,
        trials=everything if block.trials is None else block.trials,
        constructs=names,
        repeats=block.repeats,
    )


def primary_tests(study: Study, blocks: Sequence[Block]) -> tuple[str, ...]:
    """The confirmatory tests that such a study allows."""
    if study.matched_set is None:
        return ("natural",)
    kinds = {block.kind for block in blocks}
    tests = {Block.Kind.RATING: "classification", Block.Kind.CHOICE: "choices"}
    return tuple(test for kind, test in tests.items() if kind in kinds)
