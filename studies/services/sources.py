"""What the blocks of a study draw on: images of its set, photographs of their own, pairs with questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from almond.design.plan import PlannedPair, PlannedStimulus
from almond.design.trials import TRIAL_KINDS
from almond.errors import InputError
from almond.shapes import read
from generation.models import MatchedPair, Stimulus
from studies.models import Block, Construct, Study, stimulus_name
from studies.services.obstacles import Collected, NotReady
from studies.services.photographs import photograph_pairs, shows_photographs


def shows(block: Block) -> str:
    """Return what the trials of a block are drawn from, as its kind says."""
    return TRIAL_KINDS.load(block.kind).shows


def shown_images(study: Study, blocks: Sequence[Block]) -> list[Stimulus]:
    """Return every image that the blocks may show, by row number; of photographs with the same bytes, one.

    Those of the study stand in its plan whole, also where no list shows all of them.

    :raises InputError: there are none, a matched set could still change, or a file is gone.
    """
    own = [block.image_set for block in blocks if block.image_set is not None]
    images = list(study.images())
    if not own or any(block.image_set is None and shows(block) != "nothing" for block in blocks):
        check_images(study, images)
    for image_set in own:
        photographs = list(image_set.stimuli.all())
        if not photographs:
            raise InputError(f"image set {image_set.name!r}", "holds no images", "a set with images in it")
        images += photographs
    images = sorted({row.pk: row for row in images}.values(), key=lambda row: row.pk)
    kept = first_of_bytes(images)
    images = [row for row in images if kept.get(row.digest, row) is row]
    missing = [row for row in images if not row.path.is_file()]
    if missing:
        raise InputError(
            f"image {missing[0]}", f"its file {missing[0].path} is gone", "the file as it was made"
        )
    return images


def check_images(study: Study, images: Sequence[Stimulus]) -> None:
    """Raise ``InputError`` where a study has no images of its own, or they could still change."""
    where = f"study {study.title!r}"
    if study.matched_set is None and study.image_set is None:
        raise InputError(where, "has no stimuli", "a matched set or an image set")
    if study.matched_set is not None and not study.matched_set.is_frozen:
        raise InputError(
            f"matched set {study.matched_set.name!r}", "is still a draft", "a frozen one: freeze it first"
        )
    if not images:
        source = study.matched_set or study.image_set
        raise InputError(where, f"has no stimuli: {source} holds no images", "a set with images in it")


def first_of_bytes(images: Sequence[Stimulus]) -> dict[str, Stimulus]:
    """Return digest -> the first photograph with these bytes; generated images stand for themselves."""
    return {row.digest: row for row in reversed(images) if row.image_set_id is not None}


def drawn_stimuli(block: Block, images: Sequence[Stimulus]) -> tuple[str, ...]:
    """Return the names of those images that a block draws on."""
    study = block.study
    rows = block.image_set.stimuli.all() if block.image_set is not None else study.images()
    known, kept = {row.pk: row for row in images}, first_of_bytes(images)
    own = {kept.get(row.digest, row).pk if row.image_set_id else row.pk for row in rows}
    return tuple(stimulus_name(pk) for pk in known if pk in own)


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


def pairs_of_blocks(
    study: Study, blocks: Sequence[Block], images: Sequence[Stimulus]
) -> dict[str, tuple[PlannedPair, ...]]:
    """Return, for every block of pairs by its name, its pairs with the questions asked of each.

    :raises NotReady: blocks without pairs, or whose questions do not fit them.
    """
    found = Collected()
    rows = list(study.matched_set.pairs.all()) if study.matched_set is not None else []
    pair_blocks = [block for block in blocks if shows(block) == "pairs"]
    kept = first_of_bytes(images)
    made = {
        block.name: found.of(
            partial(photograph_pairs, block, kept)
            if shows_photographs(block)
            else partial(pairs_of, block, rows)
        )
        or ()
        for block in pair_blocks
    }
    if found.problems:
        raise NotReady(study, found.problems)
    return made


def pairs_of(block: Block, rows: Sequence[MatchedPair]) -> tuple[PlannedPair, ...]:
    """Return the matched pairs of a block, each once for every question that is asked of it."""
    if block.settings.get("photograph_pairs"):
        raise InputError(
            f"block {block.name!r}",
            "shows the pairs of a matched set, but “pairs of photographs” says otherwise",
            "photographs of the block, or no pairs of photographs",
        )
    asked = questions_of(block, sorted({row.target for row in rows}))
    language = block.study.language
    questions = {one.name: one.words_in(language).choice for own in asked.values() for one in own}
    return tuple(
        planned_pair(row, construct.name, questions[construct.name])
        for row in rows
        for construct in asked[row.target]
    )


def questions_of(block: Block, targets: Sequence[str]) -> Mapping[str, Sequence[Construct]]:
    """Return target -> the constructs of the block that its pairs are asked about."""
    constructs = list(block.constructs.all())
    if block.asked_of == Block.AskedOf.OWN:
        return own_questions(block, constructs, targets)
    if not constructs:
        raise InputError(f"block {block.name!r}", "asks nothing", "a construct with a question of a pair")
    without = [row.name for row in constructs if not row.choice]
    if without:
        raise InputError(
            f"block {block.name!r}",
            f"{', '.join(without)} of it has no question of a pair",
            "constructs with a question of a pair",
        )
    return dict.fromkeys(targets, constructs)


def own_questions(
    block: Block, constructs: Sequence[Construct], targets: Sequence[str]
) -> Mapping[str, Sequence[Construct]]:
    """Return target -> the one construct of a block that is its own."""
    asking = {target: [row for row in constructs if row.target == target] for target in targets}
    wrong = {target: rows for target, rows in asking.items() if len(rows) != 1}
    if wrong:
        raise InputError(
            f"block {block.name!r}",
            "; ".join(
                f"{', '.join(row.name for row in rows) or 'no construct'} of it asks about pairs of {target}"
                for target, rows in wrong.items()
            ),
            "exactly one per target, or every question asked of the pairs of all targets",
        )
    return asking


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
