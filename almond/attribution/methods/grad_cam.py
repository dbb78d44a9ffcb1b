"""Grad-CAM (Selvaraju et al. 2017): the last convolution's maps, weighted by the score's mean gradient.

The signed map is kept (without the published rectification), because a score may be pushed both ways.
"""

from __future__ import annotations

import torch
from captum.attr import LayerGradCam
from torch import nn
from torch.nn import functional

from almond.attribution.explained import Attribution, Explained
from almond.errors import InputError


def grad_cam(explained: Explained, images: torch.Tensor, *, seed: int = 0) -> Attribution:
    """Attribute scores to the cells of the last convolution, enlarged to the image: maps (B, H, W), no
    unit.

    :raises InputError: the network has no convolution.
    """
    layer = last_convolution(explained.network)
    values = LayerGradCam(explained.score, layer).attribute(images)
    enlarged = functional.interpolate(
        values.detach().to(images.device), size=images.shape[-2:], mode="bilinear", align_corners=False
    )
    return Attribution(enlarged[:, 0])


def last_convolution(network: nn.Module) -> nn.Module:
    """Find the last two-dimensional convolution of a network, in the order of its modules."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    if not layers:
        raise InputError(type(network).__name__, "has no convolution", "a method other than Grad-CAM")
    return layers[-1]
