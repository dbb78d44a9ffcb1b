"""A head start for words: codes of attributes in the embedding that the whole denoiser is modulated by.

After the stage of scenes the pooled text embedding hardly differs between expressions, so that no layer ever
sees which one is asked for and the gradient towards telling them apart is tiny. Here that embedding alone
(``add_embedding``; text encoder and denoiser stay frozen) learns to add a fixed code for each attribute value
that a caption names, in the directions that the residual blocks are least sensitive to: the pictures stay
almost what they were, and the layers have something to learn from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from almond.world.prompts import caption, parse_prompt
from almond.world.scenes import ATTRIBUTES, draw_scene
from almond.world.text import WordTokenizer
from training.unet_model import Model

CODED = ("expression", "gaze", "posture", "object")
LENGTH = 9.0
"""Length of a code; the pooled embedding's own is about 14."""


def code_names() -> list[tuple[str, str]]:
    """List the attribute values that have a code, in the order of the codes."""
    return [(name, value) for name in CODED for value in ATTRIBUTES[name]]


@torch.no_grad()
def least_felt(model: Model, pooled: torch.Tensor, count: int) -> torch.Tensor:
    """Return the ``count`` directions (count, D) of the time embedding that residual blocks feel least.

    Smallest eigenvectors of the sum of ``J'J``, with ``J = W diag(silu'(e))`` over all blocks' projections
    ``W`` and the embeddings ``e`` of a few times, each with the mean pooled text.
    """
    unet: Any = model.unet
    times = torch.linspace(50.0, 990.0, 16)
    embedded = unet.time_embedding(unet.time_proj(times)) + pooled.mean(0)
    sigmoid = embedded.sigmoid()
    slope = (sigmoid * (1.0 + embedded * (1.0 - sigmoid))).square().mean(0).sqrt()
    felt = torch.zeros(len(slope), len(slope))
    for name, layer in unet.named_modules():
        if name.endswith("time_emb_proj"):
            jacobian = layer.weight * slope
            felt += jacobian.T @ jacobian
    return torch.linalg.eigh(felt)[1][:, :count].T


def codes_of(captions: list[str], directions: torch.Tensor) -> torch.Tensor:
    """Return the sum (n, D) of the codes that each caption names."""
    names = code_names()
    codes = torch.zeros(len(captions), directions.shape[1])
    for row, words in enumerate(captions):
        fixed = parse_prompt(words).fixed if words else {}
        for index, (name, value) in enumerate(names):
            if fixed.get(name) == value:
                codes[row] += LENGTH * directions[index]
    return codes


def learn_codes(
    model: Model, tokenizer: WordTokenizer, rng: np.random.Generator, *, captions: int, updates: int
) -> float:
    """Teach the pooled embedding its codes; returns the share of the codes' variance that is left out."""
    texts = ["" if rng.random() < 0.05 else caption(draw_scene(rng), rng) for _ in range(captions)]
    unet: Any = model.unet
    pool = unet.add_embedding
    with torch.no_grad():
        states = torch.cat([model.text(tokenizer(texts[at : at + 100])) for at in range(0, captions, 100)])
        before = torch.cat([pool(part) for part in states.split(100)])
    codes = codes_of(texts, least_felt(model, before, len(code_names())))
    targets = before + codes
    optimiser = torch.optim.Adam(pool.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    for _ in range(updates):
        chosen = torch.from_numpy(rng.integers(0, captions, 64))
        loss = nn.functional.mse_loss(pool(states[chosen]), targets[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        left = torch.cat([pool(part) for part in states.split(100)]) - targets
    return float(left.square().mean() / (codes - codes.mean(0)).square().mean())
