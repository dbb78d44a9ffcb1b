"""Whether the parts of a plan agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from almond.design.flow.condition import branching_problems
from almond.design.pairing import pair_contradictions
from almond.design.parts import Construct, PlannedBlock, PlannedPair, PlannedStimulus, block_of_its_kind
from almond.design.trials import TRIAL_KINDS
from almond.shapes import repeated

Problem = tuple[str, str]
EXTERNAL = "almond-external/1"
"""Format of the description of data that Almond did not collect, in the place of a plan."""

PARTS: Mapping[str, Callable[[Any], Any]] = {
    "constructs": Construct.model_validate,
    "blocks": lambda value: PlannedBlock.model_validate(block_of_its_kind(value)),
    "stimuli": PlannedStimulus.model_validate,
    "pairs": PlannedPair.model_validate,
}


@dataclass(frozen=True)
class Draft:
    """Parts of a plan, by their number in its lists, that may still contradict each other.

    The known names include those of parts that could not be read, so that one broken stimulus is not also
    reported by every pair that shows it. ``whole`` is False when some part could not be read.
    """

    constructs: Mapping[int, Construct]
    blocks: Mapping[int, PlannedBlock]
    stimuli: Mapping[int, PlannedStimulus]
    pairs: Mapping[int, PlannedPair]
    known_constructs: frozenset[str]
    known_stimuli: frozenset[str]
    whole: bool = True
    external: bool = False


def draft_of(value: Mapping[str, Any]) -> Draft:
    """Read those parts of a plan that can be read, from JSON values or from parts that exist."""
    lists = {name: sequence(value.get(name)) for name in PARTS}
    readable = {name: readable_parts(PARTS[name], values) for name, values in lists.items()}
    return Draft(
        **readable,
        known_constructs=names_in(lists["constructs"], "name"),
        known_stimuli=names_in(lists["stimuli"], "id"),
        whole=all(len(readable[name]) == len(lists[name]) for name in PARTS),
        external=value.get("format") == EXTERNAL,
    )


def sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def readable_parts(read: Callable[[Any], Any], values: Sequence[Any]) -> dict[int, Any]:
    parts = {}
    for number, value in enumerate(values):
        try:
            parts[number] = read(value)
        except ValidationError:
            continue  # its own errors are reported where the whole plan is read
    return parts


def names_in(values: Iterable[Any], key: str) -> frozenset[str]:
    names = (value.get(key) if isinstance(value, Mapping) else getattr(value, key, None) for value in values)
    return frozenset(name for name in names if isinstance(name, str))


def plan_contradictions(draft: Draft) -> Iterator[Problem]:
    """Yield (path, problem) for every contradiction between the parts of a plan."""
    if not draft.known_stimuli and not draft.stimuli:
        yield "stimuli", "there are none"
    if not draft.blocks and draft.whole:
        yield "blocks", "there are none"
    for part, key in (("constructs", "name"), ("blocks", "name"), ("stimuli", "id"), ("pairs", "id")):
        for name in repeated(getattr(item, key) for item in getattr(draft, part).values()):
            yield part, f"{key} {name!r} stands more than once"
    for number, stimulus in draft.stimuli.items():
        yield from below(f"stimuli[{number}]", stimulus_contradictions(stimulus, draft.external))
    yield from theme_contradictions(draft.stimuli)
    by_id = {stimulus.id: stimulus for stimulus in draft.stimuli.values()}
    known = draft.known_constructs, draft.known_stimuli
    for number, pair in draft.pairs.items():
        yield from below(f"pairs[{number}]", pair_contradictions(pair, known, by_id))
    for number, block in draft.blocks.items():
        yield from below(f"blocks[{number}]", block_contradictions(block, draft))
    yield from branching_problems(draft.blocks)
    yield from late_quotas(draft.blocks)


def late_quotas(blocks: Mapping[int, PlannedBlock]) -> Iterator[Problem]:
    """Yield quotas that come behind blocks of images, which whoever finds no place would answer in vain."""
    shown = ""
    for number, block in sorted(blocks.items()):
        kind = TRIAL_KINDS.load(block.kind)
        if shown and kind.quota_groups(block):
            yield f"blocks[{number}].quotas", f"come behind block {shown!r}: put this form before all images"
        shown = shown or (block.name if kind.shows != "nothing" else "")


def below(path: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    return ((f"{path}.{name}", problem) for name, problem in problems)


def stimulus_contradictions(stimulus: PlannedStimulus, external: bool) -> Iterator[Problem]:
    if not stimulus.sha256 and not external:
        yield "sha256", "is missing: only external data may lack an image"
    for name in ("width", "height"):
        size = getattr(stimulus, name)
        if bool(size) != bool(stimulus.sha256):
            yield name, f"is {size}, not {'a number of at least 1' if stimulus.sha256 else '0: no image'}"
    if stimulus.target is None and stimulus.direction != 0:
        yield "target", "is missing, but the image was guided in a direction"
    if stimulus.target is not None and stimulus.direction == 0:
        yield "direction", "is 0, but the image has a target"


def theme_contradictions(stimuli: Mapping[int, PlannedStimulus]) -> Iterator[Problem]:
    """Yield every image whose theme is not that of an earlier image of the same base scene."""
    themes: dict[str, str] = {}
    for number, stimulus in stimuli.items():
        first = stimulus.theme and themes.setdefault(stimulus.base_scene, stimulus.theme)
        if stimulus.theme != first:
            problem = f"is {stimulus.theme!r}, but base scene {stimulus.base_scene!r} has theme {first!r}"
            yield f"stimuli[{number}].theme", problem


def block_contradictions(block: PlannedBlock, draft: Draft) -> Iterator[Problem]:
    for name in block.constructs:
        if name not in draft.known_constructs:
            yield "constructs", f"{name!r} is not a construct of the plan"
    if block.repeats > block.distinct:
        yield "repeats", f"is {block.repeats}, more than the {block.distinct} trials shown once before"
    kind = TRIAL_KINDS.load(block.kind)
    items = kind.items(block, tuple(draft.stimuli.values()), tuple(draft.pairs.values()))
    available = kind.most_trials(block, tuple(draft.stimuli.values()), tuple(draft.pairs.values()))
    for name in sorted(set(block.draws_on) - {item.id for item in items}) if draft.whole else ():
        yield "draws_on", f"{name!r} is none of the {kind.shows} that it can show"
    if draft.whole and block.most_of_scene is not None:
        counts = Counter(scene for item in items for scene in item.scenes)
        allowed = sum(min(count, block.most_of_scene) for count in counts.values())
        allowed //= min((len(item.scenes) for item in items), default=1)
        if available >= block.distinct > allowed:
            limit = f"of at most {block.most_of_scene} of one base scene"
            yield "trials", f"asks for {block.distinct} trials; {limit} there are {allowed}"
    if draft.whole and block.distinct > available:
        yield "trials", f"asks for {block.distinct} different {kind.shows}, the plan has {available}"
