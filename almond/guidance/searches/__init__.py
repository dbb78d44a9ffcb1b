"""Searches around the sampling loop, one per file: several candidates, or what the loop starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.guidance.searches.context import Search

SEARCHES: Registry[Search] = Registry(
    "search",
    {
        "single": ("almond.guidance.searches.single:search", "none: one image per recipe"),
        "best-of": ("almond.guidance.searches.best_of:search", "the best of several candidates"),
        "beam": ("almond.guidance.searches.beam:search", "beam over candidates while they form"),
        "smc": ("almond.guidance.searches.smc:search", "sequential Monte Carlo (Feynman-Kac)"),
        "cma-es": ("almond.guidance.searches.cma_es:search", "CMA-ES over the initial noise, no gradient"),
        "initial-noise": ("almond.guidance.searches.initial_noise:search", "gradient on the initial noise"),
        "prompt-embedding": (
            "almond.guidance.searches.prompt_embedding:search",
            "gradient on the embedded prompt",
        ),
        "embedding-direction": (
            "almond.guidance.searches.embedding_direction:search",
            "an adapter's picture turned towards the score, no gradient",
        ),
    },
)
"""The searches under the names that recipes use. Light: torch is loaded with the first search."""

DEFAULT_SEARCH = "single"

FROM_PICTURES = ("single", "best-of", "embedding-direction")
"""The searches that may start from a picture that is noised in part; the others start from noise."""

ON_EMBEDDED_PROMPTS = ("prompt-embedding",)
"""The searches that need a generator whose embedded prompt is a tensor."""
