"""What to mend before a plan is frozen, although it is consistent: tests that could not find anything."""

from __future__ import annotations

import math

from almond.design.plan import StudyPlan
from almond.design.questions import SAME_RESPONSES
from almond.design.themes import LEAST_THEMES
from almond.design.trials import TRIAL_KINDS

PHOTOGRAPHS = "photograph_choices"
"""The test of pairs of photographs."""
SHARED = {
    True: "not base scenes, for the seeds of one prompt share its content",
    False: "not images, for those of one theme share its content",
}
"""Why themes count, for images that were guided towards targets and for natural ones."""


def least_themes(alpha: float) -> int:
    """Return the fewest themes with which a test over whole themes can reach ``alpha``, 0 to 1.

    The signs of n themes have 2^n arrangements, so that a two-sided p is at least 2 / 2^n. Never fewer than
    ``LEAST_THEMES``, the number for .05; no number reaches an alpha of 0.
    """
    return max(LEAST_THEMES, math.ceil(1 - math.log2(alpha))) if alpha > 0 else LEAST_THEMES


def themes_of_test(plan: StudyPlan, question: str) -> set[str]:
    """Return the themes of the images or pairs whose responses a primary test uses."""
    question = SAME_RESPONSES.get(question, question)
    blocks = [block for block in plan.blocks if TRIAL_KINDS.load(block.kind).question == question]
    items = [item for block in blocks or plan.blocks for item in plan.items_of(block)]
    scenes = {scene for item in items for scene in item.scenes}
    return {plan.theme_of_scene[scene] for scene in scenes}


def pairs_apart(plan: StudyPlan) -> int:
    """Count pairs of photographs of which no two share a theme, as many as are found by taking them in
    turn."""
    taken: set[str] = set()
    count = 0
    for pair in plan.pairs:
        themes = {plan.theme_of_scene[scene] for scene in pair.scenes}
        themes |= {f"pair: {pair.theme}"} if pair.theme else set()
        if pair.target is None and not themes & taken:
            taken |= themes
            count += 1
    return count


def theme_warnings(plan: StudyPlan) -> list[str]:
    """Say in words which primary tests have too few themes, and how many would do; nothing where all have
    enough."""
    needed = least_themes(plan.analysis.alpha)
    warnings = []
    for question in plan.analysis.primary:
        count = len(themes_of_test(plan, question))
        alpha = plan.analysis.alpha
        out_of_reach = f"With fewer, p ≤ {alpha:g} is out of reach or nearly so, whatever people answer."
        if question == PHOTOGRAPHS and (apart := pairs_apart(plan)) < needed:
            warnings.append(
                f"The test “{question}” has {counted(apart, 'pair')} without a common theme, and needs "
                f"{needed}: pairs that share a photograph or a theme are not independent. {out_of_reach} "
                f"Plan pairs of {needed - apart} more themes on each side."
            )
        elif count < needed:
            warnings.append(
                f"The test “{question}” has {counted(count, 'theme')}, and needs {needed}: it counts themes "
                f"as independent, {SHARED[bool(plan.targets)]}. {out_of_reach} Plan images of "
                f"{needed - count} more."
            )
    return warnings


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
