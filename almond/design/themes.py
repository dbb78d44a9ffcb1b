"""Themes: what base scenes share that show the same content, such as the seeds of one prompt.

A base scene is a prompt *and* a seed. Images of one prompt are alike also where their seeds differ, so people
who judge them judge one thing several times: tests count themes, not scenes, as independent. Every base scene
has one theme.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from almond.design.parts import PlannedStimulus

NUMBER_AT_END = re.compile(r"[\s_-]*\d+$")

LEAST_THEMES = 6
"""Fewest themes for a test in which themes are random.

Its degrees of freedom are themes - 1, and a permutation moves whole themes. With six, t must pass 2.57 at 5 %
(with five 2.78, with two 12.7). The coarsest test over whole themes, that of their signs, reaches
p = 2/2^6 = .03 with six, but no less than 2/2^5 = .06 with five: no result could be significant.
"""


def theme_named(text: str) -> str:
    """Return the theme that a text names, a prompt or a cell of the norms: single spaces, no capitals."""
    return " ".join(text.split()).lower()


def theme_in_name(name: str) -> str:
    """Return the theme in an image's name, less the number at its end: OASIS calls pictures ``Acorns 1``."""
    whole = theme_named(name)
    return NUMBER_AT_END.sub("", whole) or whole


def told_themes(stimuli: Iterable[PlannedStimulus]) -> dict[str, str]:
    """Map base scenes to the themes that a plan states."""
    return {stimulus.base_scene: stimulus.theme for stimulus in stimuli if stimulus.theme is not None}


def themes_of_scenes(stimuli: Iterable[PlannedStimulus]) -> dict[str, str]:
    """Map every base scene to its theme: the one stated, else its prompt, else the scene itself."""
    images = tuple(stimuli)
    prompts: dict[str, str] = {}
    for stimulus in images:
        if theme := theme_named(stimulus.prompt):
            prompts.setdefault(stimulus.base_scene, theme)
    scenes = {stimulus.base_scene: stimulus.base_scene for stimulus in images}
    return scenes | prompts | told_themes(images)


def theme_remark(stimuli: Iterable[PlannedStimulus]) -> str:
    """Say of which base scenes the theme is derived, because the plan states none; empty if it states all."""
    images = tuple(stimuli)
    told = told_themes(images)
    prompted = {stimulus.base_scene for stimulus in images if stimulus.prompt.strip()} - set(told)
    alone = {stimulus.base_scene for stimulus in images} - set(told) - prompted
    parts = [f"the prompt stands for the theme of {counted_scenes(len(prompted))}"] if prompted else []
    parts += [f"{counted_scenes(len(alone))} without a prompt count as a theme each"] if alone else []
    return f"The plan does not state every theme: {', and '.join(parts)}." if parts else ""


def counted_scenes(count: int) -> str:
    return "1 base scene" if count == 1 else f"{count} base scenes"
