"""Write the card of the weights from their training reports: ``python -m training.card DIR``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from almond.files.writing import write_atomically
from almond.world.networks import NETWORKS, weights_file
from almond.world.scenes import ALL_ATTRIBUTES, LATENTS
from almond.world.weights import FOLDER, recorded_digests

HEAD = """# The world's weights

Three small networks that look at 96 x 96 pictures of the simulated world, and the patch codec. All were
trained on rendered scenes only (`docs/world.md`); no picture of anybody or anything real was used. They share
neither architecture nor seed nor training scenes.

- `features.safetensors`: `FeatureNet`, the encoder's feature network (`fc7`, 256 values).
- `reader.safetensors`: `Reader`, the eyes of the simulated raters.
- `judge.safetensors`: `Judge`, held out: it never guides, rates or encodes anything.
- `codec.safetensors`: `PatchCodec`, 16 principal components of 4 x 4 patches.

Not for pictures of the real world: on those their answers mean nothing.
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def card(reports: dict[str, dict[str, Any]], digests: dict[str, str]) -> str:
    nets = list(reports)
    sizes = [[net, f"{(FOLDER / weights_file(net)).stat().st_size / 1e6:.2f} MB"] for net in nets]
    training = [[*row, f"{reports[row[0]]['images']:.0f}", str(reports[row[0]]["seed"])] for row in sizes]
    accuracy = [
        [name, *(f"{100 * reports[net][f'accuracy {name}']:.1f} %" for net in nets)]
        for name in ALL_ATTRIBUTES
    ]
    state = [
        [
            name,
            *(f"{reports[net][f'r {name}']:.3f}" for net in nets),
            f"{reports['features'][linear(name)]:.3f}",
        ]
        for name in LATENTS
    ]
    return "\n\n".join(
        [
            HEAD.strip(),
            "## Training\n\n" + table(["network", "size", "pictures in the last run", "seed"], training),
            "## Accuracy on 1000 fresh scenes\n\nPersons' attributes where somebody is there.\n\n"
            + table(["attribute", *nets], accuracy),
            "## Correlation of the latents read with the true ones\n\nFrom the probabilities of the"
            " attributes, and for the feature network also linearly from fc7.\n\n"
            + table(["latent", *nets, "features, linear"], state),
            "## SHA-256\n\n" + table(["file", "digest"], [[name, found] for name, found in digests.items()]),
        ]
    )


def linear(name: str) -> str:
    return f"linear r {name}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("reports", type=Path, help="the folder given to training.networks as --out")
    folder = arguments.parse_args().reports
    reports = {net: json.loads((folder / f"{net}.json").read_text(encoding="utf-8")) for net in NETWORKS}
    write_atomically(FOLDER / "card.md", (card(reports, recorded_digests()) + "\n").encode())


if __name__ == "__main__":
    main()
