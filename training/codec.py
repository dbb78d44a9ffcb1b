"""Fit the patch codec on scenes of the world: ``python -m training.codec --components 16``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

from almond.rng import generator
from almond.world.patches import FILE, fit_codec, save_codec
from almond.world.scenes import draw_scene, render_many
from almond.world.weights import FOLDER, record


def images(count: int, seed: int, purpose: str) -> torch.Tensor:
    """Scenes (count, 3, 96, 96) in [0, 1]."""
    rng = generator(seed, purpose)
    pictures = render_many(draw_scene(rng) for _ in range(count))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images in [0, 1]."""
    return -10.0 * math.log10(float((first - second).square().mean()))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--components", type=int, default=16)
    arguments.add_argument("--scenes", type=int, default=1500)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", type=Path, default=FOLDER)
    options = arguments.parse_args()
    codec = fit_codec(images(options.scenes, options.seed, "codec"), options.components)
    save_codec(codec, options.out / FILE)
    digest = record(FILE, options.out)
    fresh = images(200, options.seed, "codec-check")
    latents = codec.encode(fresh)
    quality = psnr(codec.decode(latents).clamp(0.0, 1.0), fresh)
    print(f"{options.components} components, PSNR {quality:.2f} dB on fresh scenes, sha256 {digest}")
    print("spread of the latents", [round(float(value), 2) for value in latents.std((0, 2, 3))])


if __name__ == "__main__":
    main()
