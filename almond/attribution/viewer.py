"""One picture over the steps of its diffusion, kept as small files: predictions, scores, maps.

    replay.json       what the steps are, and whether the picture came out as it was stored
    latents.npz       clean latents, until every step is there
    picture-NNN.png   the predicted clean picture of a step, at most ``SIDE`` pixels wide
    map-NNN.npz       its attribution, of the same size
    step-NNN.json     its scores; written last: a step without it is made again
    overlay-NNN.png   the maps over nothing, on one scale; written when all are there
    steps.json        everything that a page shows

Work that was stopped goes on at the first missing step; the picture is not made again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image

from almond.attribution.explained import explained_target, with_shuffled_weights
from almond.attribution.figures import LOWERS, RAISES, STRONGEST
from almond.attribution.maps import agreement
from almond.attribution.methods import METHODS
from almond.attribution.steps import replay
from almond.digest import printed_json
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.guidance.backends.base import Generator
from almond.guidance.photographs.pictured import pictured
from almond.guidance.recipe import Recipe
from almond.pictures.reading import read_image
from almond.progress import Part, Progress
from almond.stimuli.images import png_bytes
from almond.targets.scorer import Scorer
from almond.typing import Floats, ImageArray

FORMAT_OF_STEPS = "almond-steps/1"
REPLAY, LATENTS, STEPS = "replay.json", "latents.npz", "steps.json"
SIDE = 384
"""Pixels of the longer side of kept pictures and maps."""


@dataclass(frozen=True)
class StepsWanted:
    """What is asked of a picture: its recipe, the picture as it is stored (H, W, 3), the score's name and the
    attribution method."""

    recipe: Recipe
    stored: ImageArray
    target: str
    method: str


def keep_steps(
    wanted: StepsWanted, generator: Generator, scorer: Scorer, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Write what is missing of a folder, and return what ``steps.json`` holds.

    :raises DigestMismatch: the generator or a target is another version.
    :raises InputError: an unknown target or method, or a search without one trajectory.
    """
    if wanted.target not in scorer.names:
        raise InputError("target", f"{wanted.target!r} is not known", f"one of {', '.join(scorer.names)}")
    steps = _replayed(wanted, generator, scorer, folder, Part(progress, 0.0, 0.3))
    part = Part(progress, 0.3, 0.95)
    for number, step in enumerate(steps["steps"]):
        part.report(number / len(steps["steps"]), f"step {step['step']} of {len(steps['steps'])}")
        if not _file(folder, "step", step["step"], "json").is_file():
            _keep_step(wanted, generator, scorer, folder, step)
    progress.report(0.95, "one scale for all maps")
    shown = _finish(wanted, scorer, folder, steps)
    progress.report(1.0, f"{len(steps['steps'])} steps")
    return shown


def _file(folder: Path, kind: str, step: int, suffix: str) -> Path:
    return folder / f"{kind}-{step:03d}.{suffix}"


def _replayed(
    wanted: StepsWanted, generator: Generator, scorer: Scorer, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Make the picture again unless that was done, and keep its clean latents."""
    recipe = wanted.recipe
    if (folder / REPLAY).is_file():
        read: dict[str, Any] = json.loads((folder / REPLAY).read_bytes())
        return read
    levels = generator.scheduler.start(recipe.steps).steps
    at = [step.index for step in levels]
    made = replay(recipe, generator, scorer, at, progress)
    difference = np.abs(made.made.image.astype(int) - wanted.stored.astype(int))
    buffer = io.BytesIO()
    arrays = {str(index): latent[0].cpu().numpy() for index, latent in made.latents.items()}
    np.savez_compressed(buffer, **arrays, allow_pickle=False)
    write_atomically(folder / LATENTS, buffer.getvalue())
    strengths = {entry["step"]: float(entry["strength"]) for entry in made.made.trace}
    steps = {
        "format": FORMAT_OF_STEPS,
        "recipe": recipe.to_json(),
        "recipe_digest": recipe.digest,
        "target": wanted.target,
        "method": wanted.method,
        "same": not difference.any(),
        "changed_pixels": int(difference.max(axis=2).astype(bool).sum()),
        "largest_change": int(difference.max()),
        "scores": made.made.scores,
        "steps": [
            {
                "step": step.index + 1,
                "alpha_bar": float(step.level.alpha_bar),
                "strength": strengths.get(step.index, 0.0),
            }
            for step in levels
        ],
    }
    write_atomically(folder / REPLAY, printed_json(steps).encode())
    return steps


def _keep_step(
    wanted: StepsWanted, generator: Generator, scorer: Scorer, folder: Path, step: Mapping[str, Any]
) -> None:
    """Decode, score and attribute a step; what is scored is the picture of 256 levels that a person sees."""
    number = int(step["step"])
    with np.load(folder / LATENTS) as latents:
        latent = torch.from_numpy(latents[str(number - 1)])[None]
    with torch.no_grad():
        pixels = (pictured(generator, wanted.recipe).decode(latent) * 255.0).round()
        seen = pixels / 255.0
        scores = scorer(seen)[0].tolist()
    explained = explained_target(scorer, wanted.target)
    made = METHODS.load(wanted.method)(explained, seen, seed=0)
    picture = _small(pixels)[0].round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    write_atomically(_file(folder, "picture", number, "png"), png_bytes(np.ascontiguousarray(picture)))
    buffer = io.BytesIO()
    values = _small(made.maps[:, None].detach())[0, 0].to(torch.float32).cpu().numpy()
    np.savez_compressed(buffer, map=values, allow_pickle=False)
    write_atomically(_file(folder, "map", number, "npz"), buffer.getvalue())
    record = {
        **step,
        "scores": dict(zip(scorer.names, scores, strict=True)),
        "incomplete": None if made.incomplete is None else float(made.incomplete[0]),
    }
    write_atomically(_file(folder, "step", number, "json"), printed_json(record).encode())


def _small(images: torch.Tensor) -> torch.Tensor:
    """Average images (B, C, H, W) down to ``SIDE`` pixels on the longer side; smaller ones stay."""
    height, width = images.shape[2:]
    share = SIDE / max(height, width)
    if share >= 1:
        return images
    return functional.interpolate(images, size=(round(height * share), round(width * share)), mode="area")


def _finish(wanted: StepsWanted, scorer: Scorer, folder: Path, steps: Mapping[str, Any]) -> dict[str, Any]:
    """Draw overlays on one scale, compare the last map with shuffled weights, and write ``steps.json``."""
    numbers = [int(step["step"]) for step in steps["steps"]]
    maps: list[Floats] = []
    for number in numbers:
        with np.load(_file(folder, "map", number, "npz")) as stored:
            maps.append(np.asarray(stored["map"], np.float64))
    limit = max(float(np.percentile(np.abs(maps), STRONGEST)), np.finfo(float).tiny)
    for number, values in zip(numbers, maps, strict=True):
        write_atomically(_file(folder, "overlay", number, "png"), overlay_png(values, limit))
    shown = {
        **steps,
        "limit": limit,
        "agreement_shuffled": _agreement(wanted, scorer, folder, maps[-1], numbers[-1]),
        "steps": [json.loads(_file(folder, "step", number, "json").read_bytes()) for number in numbers],
    }
    write_atomically(folder / STEPS, printed_json(shown).encode())
    (folder / LATENTS).unlink(missing_ok=True)
    return shown


def overlay_png(values: Floats, limit: float) -> bytes:
    """Draw a map (H, W) as a transparent PNG: red raises the score, blue lowers it, 0 is clear."""
    share = np.clip(values / limit, -1.0, 1.0)
    colour = np.where(share[..., None] > 0, RAISES, LOWERS)
    rgba = np.concatenate([colour, np.abs(share)[..., None]], axis=2)
    buffer = io.BytesIO()
    Image.fromarray((rgba * 255.0).round().astype(np.uint8), "RGBA").save(buffer, format="PNG")
    return buffer.getvalue()


def _agreement(wanted: StepsWanted, scorer: Scorer, folder: Path, values: Floats, number: int) -> float:
    """Correlate the last map with that of a network with shuffled weights, which knows nothing."""
    pixels = read_image(_file(folder, "picture", number, "png")).astype(np.float32) / 255.0
    seen = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    explained = explained_target(with_shuffled_weights(scorer, 0), wanted.target)
    shuffled = METHODS.load(wanted.method)(explained, seen, seed=0).maps.detach()
    return float(agreement(torch.from_numpy(values)[None], shuffled)[0])
