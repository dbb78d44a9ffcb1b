"""From targets to matched pairs: the pool of guided images and the selection from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from almond.chain.settings import DemoSettings
from almond.design.themes import theme_named
from almond.digest import digest_bytes
from almond.encoding.features.space import FeatureSpace
from almond.generating.expand import GuidanceGrid, recipes_of_scene
from almond.guidance.backends.base import Generator
from almond.guidance.generators import GENERATORS
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate
from almond.progress import Progress
from almond.stimuli.images import png_bytes
from almond.stimuli.likeness import measure_likeness
from almond.stimuli.matching import MatchedPairs, choose_pairs
from almond.stimuli.pairing.yardsticks import (
    HELD,
    JUDGE,
    PEOPLE,
    check_groups,
    held_columns,
    same_columns,
)
from almond.stimuli.people import read_people
from almond.stimuli.quality import measure_quality
from almond.targets.scorer import Scorer
from almond.targets.target import Target
from almond.typing import ImageArray
from almond.world import lab


@dataclass(frozen=True)
class Pool:
    """Every image that was drawn. ``table`` has the columns of an export's stimuli, one row per image.

    ``held``: quality of every image, its likeness to the base of its scene and, of scenes of the simulated
    world, the people in it, by ``stimulus_id``.
    """

    table: pd.DataFrame
    images: Mapping[str, ImageArray]
    png: Mapping[str, bytes]
    recipes: Mapping[str, Mapping[str, Any]]
    held: pd.DataFrame

    @property
    def bases(self) -> dict[str, str]:
        """Map base scenes to their unguided stimuli."""
        rows = self.table[self.table["direction"] == 0]
        return dict(zip(rows["base_scene"], rows["stimulus_id"], strict=True))


def scene_name(prompt: str, seed: int) -> str:
    return f"{re.sub('[^a-z0-9]+', '-', prompt.lower()).strip('-')}-{seed}"


def recipes_of(settings: DemoSettings, generator: Generator, guides: Sequence[Target]) -> list[Recipe]:
    """Write recipes of every scene: the unguided image, and one per target, direction and strength."""
    digests = {target.name: target.digest for target in guides}
    usual = generator.defaults
    grid = GuidanceGrid(
        steps=usual.steps,
        strengths=settings.strengths or usual.strengths,
        window=usual.window,
        ramp=usual.ramp,
    )
    return [
        planned.recipe
        for prompt in settings.prompts
        for number in range(settings.seeds_per_prompt)
        for planned in recipes_of_scene(
            prompt,
            settings.stream("scene", prompt, number) % 100_000,
            grid,
            generator=generator.name,
            generator_digest=generator.digest,
            targets=lab.TARGETS,
            target_digests=digests,
        )
    ]


def intended(recipe: Recipe) -> str:
    """Return the target with the largest weight; empty for an unguided image."""
    return max(recipe.objective, key=lambda name: recipe.objective[name]) if recipe.direction else ""


def stimulus_row(made: Generated, png: bytes) -> dict[str, Any]:
    """Return one row of the stimuli table."""
    recipe = made.recipe
    scene, target = scene_name(recipe.prompt, recipe.seed), intended(recipe)
    side = {1: "high", -1: "low", 0: "base"}[recipe.direction]
    return {
        "stimulus_id": "-".join([scene, target, side, f"{recipe.strength:g}"] if target else [scene, side]),
        "image_sha256": digest_bytes(png),
        "base_scene": scene,
        "theme": theme_named(recipe.prompt),
        "prompt": recipe.prompt,
        "seed": recipe.seed,
        "intended_target": target,
        "direction": recipe.direction,
        "strength": recipe.strength,
        "recipe_digest": recipe.digest,
        **{f"score_{name}": value for name, value in made.scores.items()},
        **made.lowlevel,
    }


def draw_pool(
    settings: DemoSettings,
    generator: Generator,
    space: FeatureSpace,
    *,
    guides: Sequence[Target],
    judges: Sequence[Target],
    progress: Progress,
) -> Pool:
    """Draw every image. Guides guide; judges only score what was drawn."""
    scorer = Scorer(space, [*guides, *judges])
    recipes = recipes_of(settings, generator, guides)
    rows, images, pngs, recipe_values = [], {}, {}, {}
    for made in generate(recipes, generator=generator, scorer=scorer, progress=progress):
        png = png_bytes(made.image)
        row = stimulus_row(made, png)
        rows.append(row)
        images[row["stimulus_id"]], pngs[row["image_sha256"]] = made.image, png
        recipe_values[made.recipe.digest] = made.recipe.to_json()
    table = pd.DataFrame(rows)
    held = held_values(table, images, space)
    if generator.name in GENERATORS.names():
        held[PEOPLE] = read_people([images[name] for name in held.index])
    return Pool(table, images, pngs, recipe_values, held)


def held_values(table: pd.DataFrame, images: Mapping[str, ImageArray], space: FeatureSpace) -> pd.DataFrame:
    """Measure quality, and likeness to the base picture, of every image of a table, by ``stimulus_id``."""
    features = dict(zip(images, space.extract(list(images.values())), strict=True))
    names = table["stimulus_id"].astype(str).to_list()
    scenes = table["base_scene"].astype(str).to_list()
    unguided = (table["direction"] == 0).to_list()
    base_of = {scene: name for name, scene, is_base in zip(names, scenes, unguided, strict=True) if is_base}
    rows = {}
    for name, scene in zip(names, scenes, strict=True):
        base = base_of[scene]
        likeness = measure_likeness(images[name], images[base], features[name], features[base])
        rows[name] = {**measure_quality(images[name]), **likeness}
    return pd.DataFrame.from_dict(rows, orient="index")


def held_groups(pool: Pool, *, scenes: int | None) -> tuple[str, ...]:
    """List what the two pictures of pairs share: every group.

    People only where they were read and scenes may drop out: a scene may have no pair with the same ones.
    """
    read = PEOPLE in pool.held.columns and scenes is not None
    return (*HELD, PEOPLE) if read else HELD


def match(
    pool: Pool, progress: Progress, *, scenes: int | None = None, groups: Sequence[str] | None = None
) -> MatchedPairs:
    """Select pairs by the guides' own scores, as equal as both yardsticks allow: judges take no part in it.

    The other targets' scores are bounded as the guides read them, and reported as the judges do.
    """
    table = pool.table.join(pool.held, on="stimulus_id")
    held = check_groups(held_groups(pool, scenes=scenes) if groups is None else groups)
    return choose_pairs(
        table,
        features=held_columns(held),
        off_target="off_target" in held,
        same=same_columns(held),
        scenes=scenes,
        progress=progress,
    )


def heldout_shifts(pool: Pool, pairs: MatchedPairs) -> dict[str, dict[str, float]]:
    """Compute high minus low of the selected pairs, scored by subjects that did not guide.

    For every intended target the mean over scenes of every target's difference, in standard deviations of
    the reference images: ``{intended: {scored: shift}}``.
    """
    table = pool.table.set_index("stimulus_id")
    columns = [f"score_{name}{JUDGE}" for name in lab.TARGETS]
    shifts = {}
    for target, rows in pairs.pairs.groupby("intended_target"):
        high, low = table.loc[rows["high"], columns], table.loc[rows["low"], columns]
        means = (high.to_numpy(dtype=float) - low.to_numpy(dtype=float)).mean(axis=0)
        shifts[str(target)] = {name: float(value) for name, value in zip(lab.TARGETS, means, strict=True)}
    return shifts


def on_and_off(shifts: Mapping[str, Mapping[str, float]]) -> tuple[float, float]:
    """Return the mean shift of the intended targets, and of the others."""
    on = [scored[target] for target, scored in shifts.items()]
    off = [value for target, scored in shifts.items() for name, value in scored.items() if name != target]
    return sum(on) / len(on), sum(off) / len(off)
