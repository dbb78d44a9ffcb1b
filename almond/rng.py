"""Random numbers: one root seed, one stream per named purpose."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(root: int, *purpose: str | int) -> int:
    """A seed in [0, 2**63) for a purpose, such as ``derive_seed(7, "assignment", 3)``.

    Purposes are hashed, so that streams of different purposes are independent and adding a new one
    changes none of the others.
    """
    text = "\x1f".join([str(root), *(f"{type(part).__name__}:{part}" for part in purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(root: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator for a purpose: see :func:`derive_seed`."""
    return np.random.default_rng(derive_seed(root, *purpose))
