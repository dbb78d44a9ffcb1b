"""Stimuli arranged in tables: contact sheets, score strips, pairs side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """The images of one base scene and target, from the strongest downwards to the strongest upwards."""

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
    """Arrange base scene x target x direction x strength; the unguided base is in the middle of each line."""
    scenes: dict[str, list[Stimulus]] = {}
    for stimulus in stimuli:
        scenes.setdefault(stimulus.base_scene, []).append(stimulus)
    return [_scene_sheet(name, images, judged) for name, images in sorted(scenes.items())]


def _scene_sheet(name: str, images: Sequence[Stimulus], judged: bool) -> SceneSheet:
    places = sorted({image.direction * image.strength for image in images} | {0.0})
    targets = sorted({image.intended_target for image in images if image.intended_target})
    by_place = {(image.intended_target, image.direction * image.strength): image for image in images}
    base = by_place.get(("", 0.0))
    lines = []
    for target in targets:
        row = [base if place == 0 else by_place.get((target, place)) for place in places]
        cells = [Cell(image, own_score(image, target, judged), image is base) for image in row]
        lines.append(Line(target, cells))
    if not targets:
        lines.append(Line("", [Cell(base, None, True)]))
    return SceneSheet(name, images[0].prompt, images[0].seed, [_heading(place) for place in places], lines)


def _heading(place: float) -> str:
    return "base" if place == 0 else f"{'+' if place > 0 else '−'}{abs(place):g}"


def own_score(stimulus: Stimulus | None, target: str, judged: bool) -> float | None:
    """Return the score by the held-out judge of a target where there is one, else by the guide."""
    if stimulus is None:
        return None
    names = [f"{target}_judge", target] if judged else [target]
    return next((float(stimulus.scores[name]) for name in names if name in stimulus.scores), None)


def strips(stimuli: Iterable[Stimulus], *, judged: bool) -> dict[str, list[tuple[int, float, str]]]:
    """List per target (direction, score, label) of the images that it guided up or down, and of the bases."""
    images = list(stimuli)
    targets = sorted({image.intended_target for image in images if image.intended_target})
    rows: dict[str, list[tuple[int, float, str]]] = {}
    for target in targets:
        shown = [image for image in images if image.intended_target in ("", target)]
        scored = [(image, own_score(image, target, judged)) for image in shown]
        rows[target] = [(image.direction, score, str(image)) for image, score in scored if score is not None]
    return rows


@dataclass(frozen=True)
class PairView:
    """A pair with the scores by which it was selected."""

    pair: MatchedPair
    high: float | None
    low: float | None
    difference: float | None


def pairs_by_target(matched_set: MatchedSet) -> dict[str, list[PairView]]:
    """Group pairs by target, each with the scores by which the set was selected (judge or guide)."""
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
    """One quantity within one target: high minus low before and after matching, in SD of the pool, and d_z.

    ``d_z`` is None in sets that were measured by one yardstick, or whose pairs are fewer than two.
    """

    before: float
    after: float
    d_z: float | None
    within: bool


def balance_table(matched_set: MatchedSet) -> tuple[list[str], list[tuple[str, list[BalanceCell | None]]]]:
    """Return the targets as columns, and per quantity a row of cells; None for a target's own score."""
    targets = sorted({row["intended_target"] for row in matched_set.balance})
    cells = {
        (row["feature"], row["intended_target"]): BalanceCell(
            row["before"], row["after"], row.get("d_z"), bool(row.get("within"))
        )
        for row in matched_set.balance
    }
    features = dict.fromkeys(row["feature"] for row in matched_set.balance)
    table = [
        (feature.replace("_", " "), [cells.get((feature, target)) for target in targets])
        for feature in features
    ]
    return targets, table


def norm_points(stimuli: Iterable[Stimulus], norm: str, score: str) -> list[tuple[float, float, str]]:
    """List (norm, score, name) of the images that have both."""
    return [
        (float(image.norms[norm]), float(image.scores[score]), image.name)
        for image in stimuli
        if image.norms.get(norm) is not None and score in image.scores
    ]


def equivalence_counts(tests: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int, list[str]]]:
    """Return per target how many quantities were shown to be equivalent, of how many, and the others."""
    counts = []
    for target in sorted({str(row["target"]) for row in tests}):
        own = [row for row in tests if row["target"] == target]
        open_ones = [str(row["feature"]).replace("_", " ") for row in own if not row["equivalent"]]
        counts.append((target, len(own) - len(open_ones), len(own), open_ones))
    return counts
