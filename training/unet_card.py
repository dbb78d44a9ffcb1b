"""The card of the small diffusion model, from the record of its training."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from almond.files.writing import write_atomically
from training.card import table

RECORD = "training.json"
"""In the shipped folder: one entry for each stage of training, in their order."""

POINTS = 8
"""Points of a stage's curve that the record keeps."""

HEAD = """# The small diffusion model

A text-conditional UNet (diffusers `UNet2DConditionModel`) over the world's patch codec (16 x 24 x 24 latents
of 96 x 96 pixels), with a two-layer text encoder over the words of the world's prompts. It exists to exercise
the learned path, the same as a Stable Diffusion folder; the analytic generator draws better pictures. What
the held-out judge finds in its pictures is in `docs/measured.md`.

Velocity prediction, squared-cosine schedule with 1000 steps, AdamW, running average of the weights, stored in
half precision; captions name about three quarters of a scene's attributes, one in ten is empty. No picture of
anybody or anything real was used. Made by `python -m training.unet` (`docs/world.md`); sample with DDIM, 25
steps, text weight 4."""


def machine() -> str:
    """Name the processor as the kernel does, and the system."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()}, {platform.system()}"


def read_record(folder: Path) -> list[dict[str, Any]]:
    """Read the stages that a shipped folder's weights went through."""
    stages: list[dict[str, Any]] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return stages


def read_curve(path: Path) -> list[list[float]]:
    """Read at most ``POINTS`` evenly spread rows of a curve: step, pictures, minutes, CPU minutes, losses."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [[float(value) for value in row] for row in csv.reader(file)]
    last = len(rows) - 1
    wanted = sorted({round(last * point / (POINTS - 1)) for point in range(POINTS)}) if rows else []
    return [rows[index] for index in wanted]


def write_record(folder: Path, stages: Sequence[Mapping[str, Any]]) -> None:
    """Write the record, and the card for people."""
    write_atomically(folder / RECORD, (json.dumps(list(stages), indent=1) + "\n").encode())
    write_atomically(folder / "card.md", (unet_card(stages) + "\n").encode())


def unet_card(stages: Sequence[Mapping[str, Any]]) -> str:
    """Write the card: what the model is, its stages with hours and machine, and the curve of each."""
    head = ["stage", "steps", "pictures", "minutes", "CPU minutes", "threads", "machine"]
    rows = [[_cell(stage.get(_key(name))) for name in head] for stage in stages]
    parts = [HEAD, "## Training", table(head, rows)]
    for stage in stages:
        if stage.get("curve"):
            errors = stage.get("errors") or ["error"]
            parts.append(f"Curve of the stage *{stage['stage']}* (smoothed errors):")
            names = ["step", "pictures", "minutes", "CPU minutes", *errors]
            parts.append(table(names, [[_cell(value) for value in row] for row in stage["curve"]]))
    return "\n\n".join(parts)


def _key(name: str) -> str:
    return name.replace(" ", "_").lower()


def _cell(value: Any) -> str:
    return "not recorded" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
