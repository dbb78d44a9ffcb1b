"""The power of a planned study: how often its primary tests find an effect, and how often without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from almond.design.plan import StudyPlan
from almond.progress import Progress
from almond.world.rater_model import RaterModel


@dataclass(frozen=True)
class PowerResult:
    """A whole power analysis as JSON values (``data``); figures and reports are drawn from it alone."""

    data: dict[str, Any]


def power_curve(
    plan: StudyPlan,
    raters: RaterModel | None = None,
    *,
    people: Sequence[int] = (),
    themes: Sequence[int] = (),
    effects: Sequence[float] = (0.35,),
    studies: int = 200,
    seed: int = 0,
    lists: int = 8,
    progress: Progress | None = None,
) -> PowerResult:
    """Simulate studies of a plan's design and count how often each primary test rejects.

    :param people: numbers of participants, each with the plan's themes.
    :param themes: numbers of themes, each with the plan's participants.
    :param effects: in SD of one rating; without an effect the same random numbers run beside them.
    :param studies: simulated studies of each number and effect.
    :param lists: lists of trials that are dealt.
    """
    raise NotImplementedError
