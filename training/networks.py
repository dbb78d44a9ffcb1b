"""Train one of the world's networks: ``python -m training.networks --net reader --minutes 8 --seed 2``."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

from almond.files.writing import write_atomically
from almond.rng import derive_seed, generator
from almond.world.networks import NETWORKS, AttributeNetwork, FeatureNet, expected_latents, weights_file
from almond.world.patches import load_codec
from almond.world.scenes import ALL_ATTRIBUTES, LATENTS
from almond.world.weights import FOLDER, record
from training.augment import augmented
from training.pool import Pool, counts

BATCH = 48
POOL = 5000
RENEWED = 6
"""Scenes drawn anew at every step."""
CLOSE = 0.3
"""Share of scenes with one person near, beyond those drawn by chance."""


def loss_of(
    network: AttributeNetwork, images: torch.Tensor, labels: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of every attribute that shows; for the feature network also the latents' error."""
    shows = counts(labels)
    total = torch.zeros(())
    for index, logits in enumerate(network(images).values()):
        each = nn.functional.cross_entropy(
            logits.float(), labels[:, index], reduction="none", label_smoothing=0.02
        )
        total = total + (each * shows[:, index]).mean()
    if isinstance(network, FeatureNet):
        total = total + 20.0 * (network.latents(images).float() - truth).square().mean()
    return total


def train(
    net: str, minutes: float, seed: int, resume: Path | None = None
) -> tuple[AttributeNetwork, dict[str, float]]:
    """Train for a time, from random weights or from those of an earlier run in the folder ``resume``."""
    torch.manual_seed(derive_seed(seed, net, "weights") % 2**31)
    pool = Pool(POOL, generator(seed, net, "scenes"), CLOSE)
    codec = load_codec()
    network = NETWORKS[net]()
    if resume is not None:
        network.load_state_dict(load_file(resume / weights_file(net)))
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-2)
    began, step, recent = time.monotonic(), 0, 0.0
    while (share := (time.monotonic() - began) / (60.0 * minutes)) < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * share))
        pool.renew(RENEWED)
        chosen = torch.randint(0, POOL, (BATCH,))
        images = augmented(pool.floats(chosen), codec)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(network, images, pool.labels[chosen], pool.truth[chosen])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        step += 1
        recent += 0.02 * (loss.item() - recent)
        if step % 200 == 0:
            print(f"{net} step {step} loss {recent:.3f} {time.monotonic() - began:.0f} s", flush=True)
    return network.eval(), {"steps": float(step), "images": float(step * BATCH)}


@torch.no_grad()
def evaluate(network: AttributeNetwork, count: int = 1000) -> dict[str, float]:
    """Accuracy for each attribute and correlation for each latent on scenes never trained on."""
    pool = Pool(count, generator(99, "evaluation"))
    images = pool.floats(torch.arange(count))
    shows = counts(pool.labels).bool()
    found: dict[str, float] = {}
    parts = [network(part) for part in images.split(100)]
    logits = {name: torch.cat([part[name] for part in parts]) for name in ALL_ATTRIBUTES}
    for index, name in enumerate(ALL_ATTRIBUTES):
        right = logits[name].argmax(1) == pool.labels[:, index]
        found[f"accuracy {name}"] = float(right[shows[:, index]].float().mean())
    reads = expected_latents({name: values.softmax(1) for name, values in logits.items()})
    for index, name in enumerate(LATENTS):
        found[f"r {name}"] = float(np.corrcoef(reads[:, index], pool.truth[:, index])[0, 1])
    if isinstance(network, FeatureNet):
        linear = torch.cat([network.latents(part) for part in images.split(100)])
        for index, name in enumerate(LATENTS):
            found[f"linear r {name}"] = float(np.corrcoef(linear[:, index], pool.truth[:, index])[0, 1])
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--net", choices=sorted(NETWORKS), required=True)
    arguments.add_argument("--minutes", type=float, default=8.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--resume", type=Path)
    arguments.add_argument("--out", type=Path, default=FOLDER)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    network, spent = train(options.net, options.minutes, options.seed, options.resume)
    found = {key: round(value, 4) for key, value in evaluate(network).items()}
    name = weights_file(options.net)
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    write_atomically(options.out / name, save(state))
    record(name, options.out)
    report = {"seed": options.seed, "minutes": options.minutes, **spent, **found}
    write_atomically(options.out / f"{options.net}.json", f"{json.dumps(report, indent=1)}\n".encode())
    print(json.dumps(report))


if __name__ == "__main__":
    main()
