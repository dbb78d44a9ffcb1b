"""The result of a power analysis as JSON values: rates with intervals, the level of each test, and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from almond import __version__
from almond.analysis.analyse import rounded
from almond.design.arms import may_move
from almond.design.identity import design_digest
from almond.design.plan import StudyPlan
from almond.design.power_settings import Point, PowerSettings
from almond.design.trials import TRIAL_KINDS
from almond.power.layout import CHOICE, RATING
from almond.power.sentences import power_sentences
from almond.power.store import P, StudyKey
from almond.power.studies import MOST_PERMUTATIONS
from almond.stats.multiple import holm

KIND = "almond-power"
FORMAT = f"{KIND}/1"
SIMULATED = (RATING, CHOICE)
"""Kinds of trials whose answers are drawn."""
Row = dict[str, Any]


@dataclass(frozen=True)
class PowerResult:
    """A whole power analysis as JSON values (``data``); figures and reports are drawn from it alone."""

    data: dict[str, Any]

    @property
    def headline(self) -> list[str]:
        """The answer for each primary test, then what is wrong with the design, if anything is."""
        return list(self.data["headline"])


def rate(count: int, studies: int) -> dict[str, float]:
    """Return a share of studies with its 95 % interval (Clopper & Pearson, 1934, Biometrika 26, 404)."""
    interval = stats.binomtest(count, studies).proportion_ci(method="exact")
    return {"rate": count / studies, "low": float(interval.low), "high": float(interval.high)}


def idle_rules(plan: StudyPlan) -> dict[str, list[dict[str, str]]]:
    """List the exclusion rules, wholly or in part idle, that judge people by what is not simulated."""
    rules = [
        {"rule": rule.words(), "lacks": lacks}
        for rule in plan.analysis.exclusions
        if (lacks := rule.unsimulated())
    ]
    return {"idle_rules": rules} if rules else {}


def idle_blocks(plan: StudyPlan) -> dict[str, list[dict[str, str]]]:
    """List the blocks that show images and whose answers no simulated study holds."""
    labels = dict(TRIAL_KINDS.choices())
    blocks = [
        {"block": block.name, "kind": labels[block.kind]}
        for block in plan.blocks
        if block.kind not in SIMULATED and may_move(block)
    ]
    return {"idle_blocks": blocks} if blocks else {}


def summarise(settings: PowerSettings, finished: Mapping[StudyKey, P]) -> PowerResult:
    """Count the studies in which each test rejects."""
    plan = settings.plan
    rows = [row for point in settings.points for row in _rows_of(settings, point, finished)]
    data: dict[str, Any] = {
        "format": FORMAT,
        "almond_version": __version__,
        "design": {
            "title": plan.title,
            "digest": design_digest(plan, settings.lists),
            "participants": plan.participants,
            "themes": len(plan.themes),
            "trials": plan.trials,
            "primary": list(plan.analysis.primary),
            "alpha": plan.analysis.alpha,
            **idle_rules(plan),
            **idle_blocks(plan),
        },
        "settings": {
            **settings.to_json(),
            "permutations": min(plan.analysis.permutations, MOST_PERMUTATIONS),
        },
        "rows": rows,
        "level": [_level(settings, rows, test) for test in plan.analysis.primary],
    }
    plain = rounded(data)
    plain["headline"] = power_sentences(plain)
    return PowerResult(plain)


def _rows_of(settings: PowerSettings, point: Point, finished: Mapping[StudyKey, P]) -> list[Row]:
    rows = []
    for effect in settings.levels:
        keys = [StudyKey(point.people, point.themes, effect, study) for study in range(settings.studies)]
        studies = [finished[key] for key in keys]
        rows += [_row(settings, point, effect, test, studies) for test in settings.plan.analysis.primary]
    return rows


def _row(settings: PowerSettings, point: Point, effect: float, test: str, studies: Sequence[P]) -> Row:
    """Count one test's rejections; a test that did not run has found nothing."""
    alpha = settings.plan.analysis.alpha
    p = [study[test] for study in studies]
    several = len(settings.plan.analysis.primary) > 1
    corrected = [_corrected(study).get(test) if several else study[test] for study in studies]
    return {
        "test": test,
        "people": point.people,
        "themes": point.themes,
        "planned": point == settings.planned,
        "effect": effect,
        "studies": len(p),
        "not_run": sum(value is None for value in p),
        **rate(sum(value is not None and value <= alpha for value in p), len(p)),
        "corrected": rate(sum(value is not None and value <= alpha for value in corrected), len(p)),
    }


def _corrected(study: P) -> dict[str, float]:
    """Correct the p values of a study over the primary tests that ran, as the analysis does (Holm)."""
    p = {name: value for name, value in study.items() if value is not None}
    return dict(zip(p, holm(list(p.values())), strict=True))


def _level(settings: PowerSettings, rows: Sequence[Row], test: str) -> Row:
    """Say whether a test of the planned design holds its level, and with how many themes or people it does.

    It does not where the whole interval of its false positives lies above alpha. ``themes_needed`` and
    ``people_needed`` are the smallest larger numbers on the curves with which it does, None without one.
    """
    alpha, planned = settings.plan.analysis.alpha, settings.planned
    null = [row for row in rows if row["test"] == test and row["effect"] == 0.0]
    own = next(row for row in null if row["planned"])
    holding = [row for row in null if row["low"] <= alpha]
    themes = [row["themes"] for row in holding if row["themes"] > planned.themes]
    people = [row["people"] for row in holding if row["people"] > planned.people]
    holds = own["low"] <= alpha
    return {
        "test": test,
        "rate": own["rate"],
        "low": own["low"],
        "high": own["high"],
        "alpha": alpha,
        "holds": holds,
        "themes_needed": None if holds else min(themes, default=None),
        "people_needed": None if holds else min(people, default=None),
    }
