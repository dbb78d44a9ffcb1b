"""How much the difference of a pair weighs beside the error that its two pictures share.

The gradient of the difference is long when the words are read and tiny before. Its weight makes it as long as
that of the shared error, both measured now and then (the idea of GradNorm, Chen et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

MEASURED = 20
"""Updates between two measurements."""
RENEWED = 0.3
"""Share of a new measurement in a weight, as a geometric mean."""


def gradient_lengths(errors: Sequence[torch.Tensor], parameters: Sequence[torch.Tensor]) -> torch.Tensor:
    """Compute the length of each error's gradient; the graph is kept."""
    lengths = []
    for error in errors:
        gradients = torch.autograd.grad(error, parameters, retain_graph=True, allow_unused=True)
        squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
        lengths.append(torch.stack(squares).sum().sqrt())
    return torch.stack(lengths)


def balanced(before: float | None, lengths: torch.Tensor) -> float:
    """Return the weight of the second error from both gradients' lengths (2,) and the weight before."""
    ratio = float(lengths[0] / lengths[1])
    return ratio if before is None else before ** (1.0 - RENEWED) * ratio**RENEWED
