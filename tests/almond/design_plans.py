"""Plans for tests: a full design of scenes x targets x two directions, and one of natural images."""

from __future__ import annotations

from almond.design.plan import Construct, PlannedBlock, PlannedPair, PlannedStimulus, StudyPlan
from almond.digest import digest_bytes

THREAT = Construct(
    name="threat", question="How threatening is this scene?", low="not at all", high="extremely"
)
SOCIAL = Construct(name="social", question="How much is it about others?", low="not at all", high="very much")


def stimulus(scene: int, target: int, direction: int) -> PlannedStimulus:
    name = f"s{scene}-t{target}-{'up' if direction > 0 else 'down'}"
    return PlannedStimulus(
        id=name,
        sha256=digest_bytes(name.encode()),
        base_scene=f"scene-{scene}",
        prompt="a street",
        target=f"T{target}",
        direction=direction,
        strength=1.5,
        width=96,
        height=96,
    )


def pair(scene: int, target: int) -> PlannedPair:
    high, low = (stimulus(scene, target, direction).id for direction in (1, -1))
    return PlannedPair(
        id=f"s{scene}-t{target}",
        base_scene=f"scene-{scene}",
        target=f"T{target}",
        construct="threat",
        question="Which is more threatening?",
        high=high,
        low=low,
    )


def full_plan(
    scenes: int = 4,
    targets: int = 3,
    *,
    ratings: int | None = None,
    choices: int | None = None,
    repeats: int = 0,
    seed: int = 7,
) -> StudyPlan:
    """``ratings`` different images (all unless told) and ``choices`` pairs (all) per participant."""
    cells = [(scene, target) for scene in range(scenes) for target in range(targets)]
    shown = 2 * len(cells) if ratings is None else ratings
    return StudyPlan(
        title="A study",
        seed=seed,
        participants=40,
        constructs=(THREAT, SOCIAL),
        blocks=(
            PlannedBlock(
                kind="rating",
                name="ratings",
                trials=shown + repeats,
                constructs=("threat", "social"),
                repeats=repeats,
            ),
            PlannedBlock(kind="choice", name="choices", trials=len(cells) if choices is None else choices),
        ),
        stimuli=tuple(stimulus(*cell, direction) for cell in cells for direction in (1, -1)),
        pairs=tuple(pair(*cell) for cell in cells),
    )


def natural_plan(images: int = 30, trials: int = 12) -> StudyPlan:
    return StudyPlan(
        title="Photographs",
        seed=3,
        participants=10,
        constructs=(THREAT,),
        blocks=(PlannedBlock(kind="rating", name="ratings", trials=trials, constructs=("threat",)),),
        stimuli=tuple(
            PlannedStimulus(
                id=f"n{n}", sha256=digest_bytes(b"%d" % n), base_scene=f"photo-{n}", width=500, height=400
            )
            for n in range(images)
        ),
    )


def with_themes(plan: StudyPlan, scenes_per_theme: int) -> StudyPlan:
    """The plan with a theme for every run of so many base scenes, in the order of its images."""
    values = plan.to_json()
    scenes = list(dict.fromkeys(row["base_scene"] for row in values["stimuli"]))
    for row in values["stimuli"]:
        row["theme"] = f"theme-{scenes.index(row['base_scene']) // scenes_per_theme}"
    return StudyPlan.from_json(values)
