"""HiResCAM (Draelos & Carin 2020): the last convolution's maps times the score's gradient, place by place.

Grad-CAM averages the gradient over places, which is right only where the network does so too; where its maps
are flattened into a layer that knows places, this is the faithful form.
"""

from __future__ import annotations

import torch
from captum.attr import LayerGradientXActivation
from torch.nn import functional

from almond.attribution.explained import Attribution, Explained
from almond.attribution.methods.grad_cam import last_convolution


def hires_cam(explained: Explained, images: torch.Tensor, *, seed: int = 0) -> Attribution:
    """Attribute scores to the cells of the last convolution, enlarged to the image: maps (B, H, W), no
    unit.

    :raises InputError: the network has no convolution.
    """
    layer = last_convolution(explained.network)
    values = LayerGradientXActivation(explained.score, layer).attribute(images)
    cells = values.detach().sum(dim=1, keepdim=True).to(images.device)
    enlarged = functional.interpolate(cells, size=images.shape[-2:], mode="bilinear", align_corners=False)
    return Attribution(enlarged[:, 0])
