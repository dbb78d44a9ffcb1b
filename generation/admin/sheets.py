"""Stimuli arranged for looking at: contact sheets, score strips, pairs side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from encoder.models import Target
from generation.models import MatchedPair, MatchedSet, Stimulus, score_difference


@dataclass(frozen=True)
class Cell:
    """One place of a contact sheet: an image, or a gap where none was made yet."""

    stimulus: Stimulus | None
    score: float | None
    is_base: bool


@dataclass(frozen=True)
class Line:
    """The images of one base scene and target, from most down to most up."""

    target: str
    cells: list[Cell]


@dataclass(frozen=True)
class SceneSheet:
    """The images of one base scene: a line per target under common headings."""

    name: str
    prompt: str
    seed: int | None
    headings: list[str]
    lines: list[Line]


def contact_sheet(stimuli: Iterable[Stimulus], *, judged: bool) -> list[SceneSheet]:
    """Base scene x target x direction x strength; the unguided base stands in the middle of each line."""
    scenes: dict[str, list[Stimulus]] = {}
    for stimulus in stimuli:
        scenes.setdefault(stimulus.base_scene, []).append(stimulus)
    return [_scene_sheet(name, images, judged) for name, images in sorted(scenes.items())]


def _scene_sheet(name: str, images: Sequence[Stimulus], judged: bool) -> SceneSheet:
    places = sorted({one.direction * one.strength for one in images} | {0.0})
    targets = sorted({one.intended_target for one in images if one.intended_target})
    found = {(one.intended_target, one.direction * one.strength): one for one in images}
    base = found.get(("", 0.0))
    lines = []
    for target in targets:
        row = [base if place == 0 else found.get((target, place)) for place in places]
        lines.append(Line(target, [Cell(one, own_score(one, target, judged), one is base) for one in row]))
    if not targets:
        lines.append(Line("", [Cell(base, None, True)]))
    return SceneSheet(name, images[0].prompt, images[0].seed, [_heading(place) for place in places], lines)


def _heading(place: float) -> str:
    return "base" if place == 0 else f"{'+' if place > 0 else '−'}{abs(place):g}"


def own_score(stimulus: Stimulus | None, target: str, judged: bool) -> float | None:
    """The score by the held-out judge of a target where there is one, else by the guide."""
    if stimulus is None:
        return None
    names = [f"{target}_judge", target] if judged else [target]
    return next((float(stimulus.scores[name]) for name in names if name in stimulus.scores), None)


def strips(stimuli: Iterable[Stimulus], *, judged: bool) -> dict[str, list[tuple[int, float, str]]]:
    """Per target (direction, score, label) of the images pushed up it, pushed down it, and of the bases."""
    images = list(stimuli)
    targets = sorted({one.intended_target for one in images if one.intended_target})
    rows: dict[str, list[tuple[int, float, str]]] = {}
    for target in targets:
        mine = [one for one in images if one.intended_target in ("", target)]
        scored = [(one, own_score(one, target, judged)) for one in mine]
        rows[target] = [(one.direction, score, str(one)) for one, score in scored if score is not None]
    return rows


@dataclass(frozen=True)
class PairView:
    """A pair with the scores by which it was chosen."""

    pair: MatchedPair
    high: float | None
    low: float | None
    difference: float | None


def pairs_by_target(matched_set: MatchedSet) -> dict[str, list[PairView]]:
    """Target -> its pairs, each with the scores of the set's own kind (judge or guide)."""
    judged = matched_set.scored_by == Target.Role.JUDGE
    grouped: dict[str, list[PairView]] = {}
    unseen = [f"{side}__{name}" for side in ("high", "low") for name in ("trace", "recipe_json")]
    for pair in matched_set.pairs.select_related("high", "low").defer(*unseen):
        name = f"{pair.target}_judge" if judged else pair.target
        view = PairView(
            pair, pair.high.scores.get(name), pair.low.scores.get(name), score_difference(pair, name)
        )
        grouped.setdefault(pair.target, []).append(view)
    return grouped


@dataclass(frozen=True)
class BalanceCell:
    """One feature within one target: high minus low before and after matching, in SD of the pool."""

    before: float
    after: float
    within: bool


def balance_table(matched_set: MatchedSet) -> tuple[list[str], list[tuple[str, list[BalanceCell]]]]:
    """The targets as columns, and per feature a row of cells."""
    targets = sorted({row["intended_target"] for row in matched_set.balance})
    limit = matched_set.tolerance + 1e-9
    cells = {
        (row["feature"], row["intended_target"]): BalanceCell(
            row["before"], row["after"], abs(row["after"]) <= limit
        )
        for row in matched_set.balance
    }
    features = dict.fromkeys(row["feature"] for row in matched_set.balance)
    table = [
        (feature.replace("_", " "), [cells[feature, target] for target in targets]) for feature in features
    ]
    return targets, table


def norm_points(stimuli: Iterable[Stimulus], norm: str, score: str) -> list[tuple[float, float, str]]:
    """(norm, score, name) of the images that have both."""
    return [
        (float(one.norms[norm]), float(one.scores[score]), one.name)
        for one in stimuli
        if one.norms.get(norm) is not None and score in one.scores
    ]
