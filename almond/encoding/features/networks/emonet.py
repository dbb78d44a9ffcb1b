"""EmoNet, the network of Kragel, Reddan, LaBar & Wager (2019, Science Advances 5, eaaw4358).

AlexNet's original layout (Krizhevsky, Sutskever & Hinton 2012) with its two groups and local response
normalisation, trained further to tell twenty emotion categories of scenes. Layers and names of weights follow
the published PyTorch weights, in which the three last layers are convolutions of kernels 6, 1 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from almond.encoding.features.networks.image_preprocessing import Preprocessing
from almond.encoding.features.networks.state_dicts import (
    check_fit,
    load_strictly,
    read_state_dict,
)
from almond.encoding.features.networks.torch_layer import TorchSpace
from almond.errors import InputError

SIZE = 227
"""Side of the input in pixels."""

CATEGORIES = 20
WIDTH = 4096
RANGE = 255.0


class _Stage(NamedTuple):
    """One convolution: channels, kernel and so on; ``norm`` and ``pool`` follow its ReLU."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    norm: bool = False
    pool: bool = False


STAGES = (
    _Stage(3, 96, 11, stride=4, norm=True, pool=True),
    _Stage(96, 256, 5, padding=2, groups=2, norm=True, pool=True),
    _Stage(256, 384, 3, padding=1),
    _Stage(384, 384, 3, padding=1, groups=2),
    _Stage(384, 256, 3, padding=1, groups=2, pool=True),
    _Stage(256, WIDTH, 6),
    _Stage(WIDTH, WIDTH, 1),
)
"""conv1 to conv5, fc6, fc7."""

LAYERS: Mapping[str, str] = {"fc6": "conv_5", "fc7": "conv_6", "fc8": "classifier"}
"""Names of the fully connected layers -> the module whose first part computes them."""


def _stage(shape: _Stage) -> nn.Sequential:
    """Convolution, ReLU, then response normalisation over 5 channels (alpha 1e-4, beta 0.75, k 1) and
    3 x 3 maximum with stride 2 where the stage has them. The ReLU works on a copy: the convolution's
    output stays what it was."""
    parts: list[nn.Module] = [
        nn.Conv2d(
            shape.inputs,
            shape.outputs,
            shape.kernel,
            stride=shape.stride,
            padding=shape.padding,
            groups=shape.groups,
        ),
        nn.ReLU(inplace=False),
    ]
    if shape.norm:
        parts.append(nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0))
    if shape.pool:
        parts.append(nn.MaxPool2d(3, stride=2))
    return nn.Sequential(*parts)


class EmoNet(nn.Module):
    """Images (B, 3, 227, 227) with values of 0-255 to the probabilities (B, 20) of emotion categories."""

    def __init__(self) -> None:
        super().__init__()
        for index, shape in enumerate(STAGES):
            self.add_module(f"conv_{index}", _stage(shape))
        self.classifier = nn.Sequential(nn.Conv2d(WIDTH, CATEGORIES, 1), nn.Flatten(1), nn.Softmax(1))

    def layer(self, images: torch.Tensor, name: str) -> torch.Tensor:
        """Compute fc6 or fc7 (B, 4096), or fc8 (B, 20): before the nonlinearity that follows each."""
        if images.shape[1:] != (3, SIZE, SIZE):
            raise InputError("images", f"shape {tuple(images.shape)}", f"(batch, 3, {SIZE}, {SIZE})")
        stop = LAYERS[name]
        for module_name, module in self.named_children():
            if module_name == stop:
                values: torch.Tensor = module.get_submodule("0")(images)
                return values.flatten(1)
            images = module(images)
        raise InputError("layer", f"{name} is unknown", ", ".join(LAYERS))

    def fc7(self, images: torch.Tensor) -> torch.Tensor:
        """Compute fc7 (B, 4096), before the ReLU."""
        return self.layer(images, "fc7")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the probabilities (B, 20) of the categories."""
        return self.layer(images, "fc8").softmax(1)


def empty_emonet() -> EmoNet:
    """Make EmoNet without values: shapes only, on torch's device ``meta``."""
    with torch.device("meta"):
        return EmoNet()


def load_emonet(path: Path) -> EmoNet:
    """Load EmoNet with the weights of a file, by their published names.

    :raises InputError: one error that names every missing, unexpected or misshapen tensor.
    """
    state = read_state_dict(path)
    network = empty_emonet().to_empty(device="cpu")  # no time for random values that are replaced at once
    load_strictly(network, state, path)
    return network


def emonet_space(
    network: EmoNet,
    *,
    layer: str = "fc7",
    mean: Any = None,
    scale: float = 1.0,
    device: str = "cpu",
) -> TorchSpace:
    """Make a layer of EmoNet a feature space.

    Images are resized to 227 x 227 (bicubic, aspect ratio lost) and have values of 0-255. ``mean`` (None,
    three numbers, or an image (227, 227, 3), of 0-255) is subtracted, then ``scale`` multiplied: the
    published PyTorch weights were used without a mean, MATLAB's input layer subtracts one.
    """
    if layer not in LAYERS:
        raise InputError("features.layer", f"is {layer!r}", ", ".join(LAYERS))
    preprocessing = Preprocessing(SIZE, "bicubic", RANGE, mean, None, scale)
    return TorchSpace(
        f"emonet-{layer}",
        network,
        lambda images: network.layer(images, layer),
        preprocessing,
        layer=f"{layer}, before its nonlinearity",
        device=device,
    )


def check_emonet_weights(path: Path, suffix: str, source: str) -> None:
    """Refuse a file whose tensors are not EmoNet's, by names, shapes and finite values.

    :param suffix: the kind of the file, whatever its name; ``source`` names it in errors.
    """
    check_fit(empty_emonet(), read_state_dict(path, suffix=suffix, source=source), source)
