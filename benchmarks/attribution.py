"""Do attribution maps lie on what drives a region? Scenes of the world whose things have known places.

``python -m benchmarks.attribution --scenes 16 --json`` prints one row per region and method: ``share`` of the
map's mass on the thing, ``chance`` (the thing's share of the picture), ``shuffled`` (the share with shuffled
weights), ``agreement`` with integrated gradients and ``agreement_shuffled`` with the shuffled network's map
(mean rank correlations), ``seconds`` of process time for a picture. Targets read the world's truth: ridge
from the feature network to the regions' true responses. ``--methods`` names others than the quick ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import torch
from numpy.typing import NDArray

from almond.attribution.explained import explained_target, with_shuffled_weights
from almond.attribution.maps import agreement, mass_within
from almond.attribution.methods import DEFAULT_METHOD, METHODS
from almond.attribution.places import place_of
from almond.encoding.features.networks.world import NetworkFeatures
from almond.rng import generator as random_generator
from almond.targets.scorer import Scorer
from almond.targets.target import standardised_target
from almond.world.attributes import Scene
from almond.world.brains import region_weights
from almond.world.lab import TARGETS
from almond.world.networks import load_network
from almond.world.scenes import draw_scene, latents, render_many

DRIVERS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "LB": ("object", {"object": ("snake", "fire", "knife")}),
    "CM": ("posture", {"posture": ("arms-raised",), "presence": ("one",)}),
    "SF": ("presence", {"presence": ("one",)}),
    "AStr": ("object", {"object": ("flowers",)}),
}
"""Region -> the attribute whose place counts, and what its scenes hold."""

REFERENCE_SCENES = 400
RIDGE = 10.0
QUICK = ("integrated_gradients", "grad_cam", "hires_cam", "occlusion")


def true_scorer() -> Scorer:
    """Make targets that read the world's truth from the feature network."""
    space = NetworkFeatures("world", load_network("features"), image_size=96)
    rng = random_generator(1, "attribution reference")
    drawn = [draw_scene(rng) for _ in range(REFERENCE_SCENES)]
    features = space.extract(list(render_many(drawn))).astype(np.float64)
    centred = features - features.mean(axis=0)
    gram = centred.T @ centred + RIDGE * np.eye(features.shape[1])
    truth = np.stack([latents(scene) for scene in drawn])
    targets = []
    for region in TARGETS:
        response = truth @ region_weights(region)
        weights = np.linalg.solve(gram, centred.T @ (response - response.mean()))
        targets.append(
            standardised_target(region, weights, features, feature_space_digest=space.digest, sources=())
        )
    return Scorer(space, targets)


def driven_scenes(region: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw pictures (B, 3, H, W) of scenes that hold what drives a region, and the places (B, H, W) of it."""
    attribute, fixed = DRIVERS[region]
    rng = random_generator(2, "attribution scenes", region)
    scenes: list[Scene] = []
    places: list[NDArray[np.bool_]] = []
    while len(scenes) < count:
        held = {name: values[len(scenes) % len(values)] for name, values in fixed.items()}
        scene = draw_scene(rng, held)
        place = place_of(scene, attribute)
        if place.any():  # a thing behind a person shows nowhere
            scenes.append(scene)
            places.append(place)
    pictures = torch.from_numpy(render_many(scenes)).permute(0, 3, 1, 2).float() / 255
    return pictures, torch.from_numpy(np.stack(places))


def rows_of(region: str, scorer: Scorer, methods: list[str], count: int) -> list[dict[str, object]]:
    """Measure every method on one region's scenes."""
    pictures, places = driven_scenes(region, count)
    own = explained_target(scorer, region)
    shuffled = explained_target(with_shuffled_weights(scorer, 0), region)
    reference = METHODS.load(DEFAULT_METHOD)(own, pictures).maps
    rows: list[dict[str, object]] = []
    for name in methods:
        method = METHODS.load(name)
        started = time.process_time()
        maps = method(own, pictures).maps
        seconds = (time.process_time() - started) / count
        blind = method(shuffled, pictures).maps
        rows.append(
            {
                "region": region,
                "method": name,
                "share": float(mass_within(maps, places).mean()),
                "chance": float(places.float().mean()),
                "shuffled": float(mass_within(blind, places).mean()),
                "agreement": float(agreement(maps, reference).mean()),
                "agreement_shuffled": float(agreement(maps, blind).mean()),
                "seconds": seconds,
            }
        )
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=16, help="scenes per region")
    parser.add_argument("--methods", nargs="+", default=list(QUICK), choices=METHODS.names())
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scorer = true_scorer()
    rows = [row for region in DRIVERS for row in rows_of(region, scorer, arguments.methods, arguments.scenes)]
    if arguments.json:
        json.dump({"scenes": arguments.scenes, "rows": rows}, sys.stdout)
        print()
        return
    for row in rows:
        print("  ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))


if __name__ == "__main__":
    main()
