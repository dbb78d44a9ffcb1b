"""What single words change in a prediction of the small diffusion model: ``python -m training.unet_probe``.

For scenes with a person near, noised to a time, one word of a caption that names everything is changed. The
share is the projection of the predicted change of the clean latent on the true change: 0 where the word is
not read, 1 where the whole change is made at its place.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from almond.rng import generator
from almond.world.prompts import caption
from almond.world.scenes import ATTRIBUTES, Scene, draw_scene, render_many
from almond.world.text import TextConfig, WordTokenizer, world_vocabulary
from training.unet_families import encoded
from training.unet_model import SHIPPED_FOLDER, Model, noise_schedule

WORDS = ("posture", "expression", "gaze", "object")
TIMES = (500, 650, 800, 900)
Predict = Callable[[torch.Tensor, torch.Tensor, list[str]], torch.Tensor]


def probed_scenes(count: int, name: str) -> list[tuple[Scene, Scene]]:
    """Pairs of scenes with a person near that differ in one attribute."""
    rng, pairs = generator(7, "unet-probe", name), []
    for _ in range(count):
        scene = draw_scene(rng, {"presence": "one", "distance": "near"})
        values = [value for value in ATTRIBUTES[name] if value not in (getattr(scene, name), "none")]
        change: dict[str, Any] = {name: values[int(rng.integers(len(values)))]}
        pairs.append((scene, dataclasses.replace(scene, **change)))
    return pairs


@torch.no_grad()
def share_of_change(predict: Predict, name: str, time: int, count: int, abar: torch.Tensor) -> float:
    """Measure the share for one attribute at one time, over ``count`` scenes."""
    pairs = probed_scenes(count, name)
    first, second = (encoded(render_many(scenes)).float() for scenes in zip(*pairs, strict=True))
    noise = torch.randn(first.shape, generator=torch.Generator().manual_seed(1))
    noisy = abar[time].sqrt() * first + (1.0 - abar[time]).sqrt() * noise
    captions = [caption(scene) for pair in zip(*pairs, strict=True) for scene in pair]
    times = torch.full((2 * count,), time)
    velocities = predict(torch.cat([noisy, noisy]), times, captions).chunk(2)
    change = -(1.0 - abar[time]).sqrt() * (velocities[1] - velocities[0])
    true = second - first
    return float((change * true).sum() / true.square().sum())


def shares(predict: Predict, count: int, times: Sequence[int] = TIMES) -> dict[str, list[float]]:
    """Measure the shares of all words at the times."""
    abar = noise_schedule().alphas_cumprod
    return {
        name: [round(share_of_change(predict, name, time, count, abar), 4) for time in times]
        for name in WORDS
    }


def predictor(model: Model, tokenizer: WordTokenizer) -> Predict:
    return lambda noisy, times, captions: model(noisy, times, tokenizer(captions))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, default=SHIPPED_FOLDER)
    arguments.add_argument("--average", type=Path, help="averaged weights of a working folder instead")
    arguments.add_argument("--scenes", type=int, default=20)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    tokenizer = WordTokenizer(world_vocabulary(), TextConfig(1).length)
    model = Model(len(tokenizer.vocabulary))
    if options.average:
        model.load_state_dict(load_file(options.average))
    else:
        model.load_shipped(options.folder)
    print(json.dumps({"times": TIMES, **shares(predictor(model.eval(), tokenizer), options.scenes)}))


if __name__ == "__main__":
    main()
