"""Whether the parts of a plan agree with each other."""

from __future__ import annotations

from almond.design.parts import Block, Construct, PlannedPair, PlannedStimulus
from almond.design.reading import repeated


class Draft:
    """Parts of a plan that may still contradict each other.

    The known names include those of parts that could not be read, so that one broken stimulus is not also
    reported by every pair that shows it. ``whole`` is False when some part could not be read.
    """

    def __init__(
        self,
        constructs: tuple[Construct, ...],
        blocks: tuple[Block, ...],
        stimuli: tuple[PlannedStimulus, ...],
        pairs: tuple[PlannedPair, ...],
    ) -> None:
        self.constructs, self.blocks, self.stimuli, self.pairs = constructs, blocks, stimuli, pairs
        self.known_constructs = {item.name for item in constructs}
        self.known_stimuli = {item.id for item in stimuli}
        self.whole = True


def pairs_of(block: Block, pairs: tuple[PlannedPair, ...]) -> tuple[PlannedPair, ...]:
    return tuple(pair for pair in pairs if not block.constructs or pair.construct in block.constructs)


def consistency(draft: Draft) -> list[str]:
    """Every contradiction between the parts, as ``path: problem``."""
    found = [] if draft.stimuli or draft.known_stimuli else ["stimuli: there are none"]
    found += [] if draft.blocks or not draft.whole else ["blocks: there are none"]
    found += twice("constructs", "name", [item.name for item in draft.constructs])
    found += twice("blocks", "name", [item.name for item in draft.blocks])
    found += twice("stimuli", "id", [item.id for item in draft.stimuli])
    found += twice("pairs", "id", [item.id for item in draft.pairs])
    for number, stimulus in enumerate(draft.stimuli):
        found += [f"stimuli[{number}].{text}" for text in stimulus_problems(stimulus)]
    for number, pair in enumerate(draft.pairs):
        found += [f"pairs[{number}].{text}" for text in pair_problems(pair, draft)]
    for number, block in enumerate(draft.blocks):
        found += [f"blocks[{number}].{text}" for text in block_problems(block, draft)]
    return found


def twice(part: str, name: str, values: list[str]) -> list[str]:
    return [f"{part}: {name} {value!r} stands more than once" for value in repeated(values)]


def stimulus_problems(stimulus: PlannedStimulus) -> list[str]:
    if stimulus.target is None and stimulus.direction != 0:
        return ["target: is missing, but the image is pushed in a direction"]
    if stimulus.target is not None and stimulus.direction == 0:
        return ["direction: is 0, but the image has a target"]
    return []


def pair_problems(pair: PlannedPair, draft: Draft) -> list[str]:
    found = []
    if pair.construct not in draft.known_constructs:
        found.append(f"construct: {pair.construct!r} is not a construct of the plan")
    by_id = {stimulus.id: stimulus for stimulus in draft.stimuli}
    for side, direction in (("high", 1), ("low", -1)):
        name = getattr(pair, side)
        stimulus = by_id.get(name)
        if stimulus is None:
            if name not in draft.known_stimuli:
                found.append(f"{side}: {name!r} is not a stimulus of the plan")
            continue
        if stimulus.base_scene != pair.base_scene:
            found.append(
                f"{side}: {name!r} is of base scene {stimulus.base_scene!r}, not {pair.base_scene!r}"
            )
        if stimulus.target != pair.target:
            found.append(f"{side}: {name!r} has target {stimulus.target!r}, not {pair.target!r}")
        if stimulus.direction != direction:
            found.append(f"{side}: {name!r} has direction {stimulus.direction}, not {direction}")
    if pair.high in by_id and pair.low in by_id and by_id[pair.high].sha256 == by_id[pair.low].sha256:
        found.append(f"high and low: {pair.high!r} and {pair.low!r} are the same picture")
    return found


def block_problems(block: Block, draft: Draft) -> list[str]:
    found = [
        f"constructs: {name!r} is not a construct of the plan"
        for name in block.constructs
        if name not in draft.known_constructs
    ]
    rating = block.kind == "rating"
    if rating and not block.constructs:
        found.append("constructs: a rating block needs at least one")
    if not rating and block.repeats:
        found.append("repeats: only rating blocks repeat images")
    if block.repeats > block.distinct:
        found.append(f"repeats: is {block.repeats}, more than the {block.distinct} trials shown once before")
    available = len(draft.stimuli) if rating else len(pairs_of(block, draft.pairs))
    if draft.whole and block.distinct > available:
        what = "stimuli" if rating else "pairs"
        found.append(f"trials: asks for {block.distinct} different {what}, the plan has {available}")
    return found
