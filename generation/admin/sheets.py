"""Stimuli arranged in tables: contact sheets, score strips, pairs side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from encoder.models import Target
from generation.models import MatchedPair, MatchedSet, Stimulus, push_label, score_difference


@dataclass(frozen=True)
class Cell:
    """One place of a contact sheet: an image, or a gap where none was made yet."""

    stimulus: Stimulus | None
    score: float | None
    is_base: bool


@dataclass(frozen=True)
class Line:
    """The images of one base scene, target and way, from the strongest downwards to the strongest upwards.

    ``way`` says how they were guided where the scene holds images that were guided otherwise; empty else.
    """

    target: str
    way: str
    cells: list[Cell]


@dataclass(frozen=True)
class SceneSheet:
    """The images of one base scene: a line per target and way under common headings."""

    name: str
    prompt: str
    seed: int | None
    headings: list[str]
    lines: list[Line]

    @property
    def images(self) -> list[Stimulus]:
        """List its images, each once."""
        shown = [cell.stimulus for line in self.lines for cell in line.cells if cell.stimulus is not None]
        return list(dict.fromkeys(shown))


WAY = (
    *("generator", "rule", "objective_kind", "search", "steps"),
    *("window", "ramp", "settings", "penalties", "view"),
)
"""Fields of a recipe that may differ between images of one scene, target, direction and strength."""

UNGUIDED = ("generator", "steps", "start")
"""Fields that an unguided image depends on."""


def contact_sheet(stimuli: Iterable[Stimulus], *, judged: bool) -> list[SceneSheet]:
    """Arrange base scene x target and way x direction x strength; the unguided base is in the middle."""
    scenes: dict[str, list[Stimulus]] = {}
    for stimulus in stimuli:
        scenes.setdefault(stimulus.base_scene, []).append(stimulus)
    return [_scene_sheet(name, images, judged) for name, images in sorted(scenes.items())]


Place = tuple[float, int]
"""Direction times strength, and direction: a search that climbs without a rule has strength 0."""


def _scene_sheet(name: str, images: Sequence[Stimulus], judged: bool) -> SceneSheet:
    guided = [image for image in images if image.intended_target]
    bases = [image for image in images if not image.intended_target]
    places = sorted({_place(image) for image in guided} | {(0.0, 0)})
    ways = {image.pk: _fields(image, WAY) for image in guided}
    varied = [name for number, name in enumerate(WAY) if len({way[number] for way in ways.values()}) > 1]
    rows: dict[tuple[str, tuple[str, ...]], dict[Place, Stimulus]] = {}
    for image in guided:
        rows.setdefault((image.intended_target, ways[image.pk]), {})[_place(image)] = image
    lines = []
    for (target, way), own in sorted(rows.items()):
        base = _base_of(next(iter(own.values())), bases)
        row = [base if place == (0.0, 0) else own.get(place) for place in places]
        cells = [Cell(image, own_score(image, target, judged), image is base) for image in row]
        words = ", ".join(_shown(name, way[WAY.index(name)]) for name in varied)
        lines.append(Line(target, words, cells))
    if not guided:
        lines.append(Line("", "", [Cell(bases[0] if bases else None, None, True)]))
    headings = [push_label(direction, abs(value)) for value, direction in places]
    return SceneSheet(name, images[0].prompt, images[0].seed, headings, lines)


def _place(image: Stimulus) -> Place:
    return (image.direction * image.strength, image.direction)


def _fields(image: Stimulus, names: Sequence[str]) -> tuple[str, ...]:
    """Return fields of an image's recipe as texts; empty where the recipe leaves one out."""
    recipe = image.recipe_json
    return tuple(json.dumps(recipe[name], sort_keys=True) if recipe.get(name) else "" for name in names)


def _shown(name: str, value: str) -> str:
    """Write one field of a way, such as ``best-of`` or ``steps 25``."""
    if name in ("rule", "search", "generator", "objective_kind"):
        return value.strip('"') or f"usual {name.replace('_', ' ')}"
    return f"{name} {value}" if value else f"no {name}"


def _base_of(image: Stimulus, bases: Sequence[Stimulus]) -> Stimulus | None:
    """Find the unguided image of the same generator and steps; any of the scene where there is none."""
    same = [base for base in bases if _fields(base, UNGUIDED) == _fields(image, UNGUIDED)]
    return next(iter([*same, *bases]), None)


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
