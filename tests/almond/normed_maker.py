"""A small world for the validation: drawn scenes with norms, and encoders with weights that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.kinds.world import open_world
from almond.world.scenes import LATENTS, draw_scene, latents, render

SHAPE = (8, 7, 5)
AFFINE = [[3.0, 0.0, 0.0, -9.0], [0.0, 3.0, 0.0, -9.0], [0.0, 0.0, 3.0, -6.0], [0.0, 0.0, 0.0, 1.0]]
SUBJECTS = ("1", "2", "3", "10")
REGIONS = ("LB", "CM", "SF", "VC")


def make_images(folder: Path, count: int, seed: int) -> Path:
    """``count`` drawn scenes in ``folder``; returns their norms, where valence falls with threat."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for number in range(count):
        scene = draw_scene(rng)
        Image.fromarray(render(scene)).save(folder / f"Scene {number:03d}.png", compress_level=1)
        hidden = dict(zip(LATENTS, latents(scene), strict=True))
        valence = 4 - 2 * hidden["threat"] + hidden["flowers"] + 0.4 * rng.normal()
        arousal = 3 + hidden["threat"] + 0.6 * rng.normal()
        rows.append((f"Scene {number:03d}", round(valence, 3), round(arousal, 3)))
    norms = folder.with_suffix(".csv")
    pd.DataFrame(rows, columns=["Theme", "Valence_mean", "Arousal_mean"]).to_csv(norms, index=False)
    return norms


def make_encoders(root: Path, *, subjects: tuple[str, ...] = SUBJECTS, seed: int = 1) -> dict[str, Any]:
    """Artifacts below ``root``: weights of subjects around common ones; subject 2 lacks a voxel of each."""
    rng = np.random.default_rng(seed)
    space = open_world()
    card = FeatureSpaceCard(space.name, space.digest, space.dimension)
    found = {}
    for number, region in enumerate(REGIONS):
        common = rng.normal(size=card.dimension)
        for subject in subjects:
            size = 3 + number + (subject != "2")
            voxels = np.array([[x, number, 2] for x in range(size)], np.int64)
            own = common[:, None] + 0.4 * rng.normal(size=(card.dimension, len(voxels)))
            artifact = EncoderArtifact(
                subject=subject,
                region=region,
                model="pls",
                feature_space=card,
                weights=own / card.dimension,
                intercept=rng.normal(size=len(voxels)),
                voxels=voxels,
                dropped=np.empty((0, 3), np.int64),
                mask_digest="0" * 64,
                grid={"shape": list(SHAPE), "affine": AFFINE},
            )
            save_artifact(root, artifact)
            found[subject, region] = artifact
    return found


def mapping(base: Path, **changes: Any) -> dict[str, Any]:
    """A configuration for two small image sets and encoders that exist already."""
    validation: dict[str, Any] = {
        "sets": {
            "first": {"images": "first", "norms": "first.csv"},
            "second": {"images": "second", "norms": "second.csv"},
        },
        "regions": ["LB", "CM", "SF", "VC"],
        "control": "VC",
        "subregions": ["LB", "CM", "SF"],
        "deciles": 5,
        "permutations": 99,
        "seed": 3,
    }
    return {
        "encoders": "encoders",
        "features": "world",
        "output": "work",
        "validation": {**validation, **changes},
    }


def make_world(base: Path) -> dict[str, Any]:
    make_images(base / "first", 48, 11)
    make_images(base / "second", 44, 12)
    return make_encoders(base / "encoders")
