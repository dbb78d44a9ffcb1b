"""Three small networks that look at pictures: the encoder's features, the raters' eyes, and a held-out judge.

They share an interface but neither architecture nor seed nor training scenes, so that a picture which
pleases one of them for the wrong reasons need not please the others.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.world.attributes import ALL_ATTRIBUTES
from almond.world.scenes import LATENTS, SIZE
from almond.world.weights import checked

CHANNELS = 3
BATCH = 32
"""Pictures that raters look at in one go."""
FC7 = 256
"""Values of the feature network's last hidden layer."""


def conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Stack convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class AttributeNetwork(nn.Module, ABC):
    """Images (B, 3, H, W) in [0, 1] to logits for every attribute; other sizes are resized to 96 pixels.

    All of it is differentiable in the images. Subclasses give ``forward``: logits (B, k) for each attribute.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {name: nn.Linear(width, len(values)) for name, values in ALL_ATTRIBUTES.items()}
        )

    @abstractmethod
    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute logits (B, k) for each attribute."""

    def heads_of(self, embedded: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: head(embedded) for name, head in self.heads.items()}

    def probabilities(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute probabilities (B, k) for each attribute, in the order of its values.

        Those of persons' attributes are conditional on somebody being there.
        """
        return {name: logits.softmax(1) for name, logits in self.forward(images).items()}

    def read_latents(self, images: torch.Tensor) -> torch.Tensor:
        """Compute expected latents (B, 16) in [0, 1], in the order of ``LATENTS``, from the probabilities."""
        return expected_latents(self.probabilities(images))


def prepared(images: torch.Tensor) -> torch.Tensor:
    """Resize images in [0, 1] to (B, 3, 96, 96) in [-1, 1]; raises ``InputError`` for other shapes."""
    if images.ndim != 4 or images.shape[1] != CHANNELS:
        raise InputError("images", f"shape {tuple(images.shape)}", "(batch, 3, height, width)")
    if images.shape[-2:] != (SIZE, SIZE):
        images = nn.functional.interpolate(
            images, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False
        )
    return images * 2.0 - 1.0


def expected_latents(probabilities: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Compute the latents (B, 16) of a scene known by the probabilities of its attributes' values.

    The mirror of ``almond.world.scenes.latents``: each latent is a sum of probabilities of values, and
    those of persons are multiplied with the probability that somebody is there.
    """

    def chance(attribute: str, value: str) -> torch.Tensor:
        return probabilities[attribute][:, ALL_ATTRIBUTES[attribute].index(value)]

    someone = 1.0 - chance("presence", "nobody")
    values = {
        "threat": chance("object", "snake") + chance("object", "fire") + chance("object", "knife"),
        "nearness": someone * (0.4 + 0.6 * chance("distance", "near")),
        "arms_raised": someone * chance("posture", "arms-raised"),
        "crouching": someone * chance("posture", "crouching"),
        "smile": someone * chance("expression", "smile"),
        "fear": someone * chance("expression", "fear"),
        "anger": someone * chance("expression", "anger"),
        "direct_gaze": someone * chance("gaze", "direct"),
        "presence": 0.6 * chance("presence", "one") + chance("presence", "group"),
        "darkness": 0.5 * chance("light", "dim") + chance("light", "night"),
        "flowers": chance("object", "flowers"),
        "dog": chance("object", "dog"),
        "outdoors": chance("place", "street") + chance("place", "park"),
        "warmth": 0.5 * chance("tint", "neutral") + chance("tint", "warm"),
        "texture": 0.6 * chance("texture", "striped") + chance("texture", "speckled"),
        "contrast": 0.5 * chance("contrast", "normal") + chance("contrast", "high"),
    }
    return torch.stack([values[name] for name in LATENTS], 1)


class FeatureNet(AttributeNetwork):
    """A plain convolutional stack with EmoNet's interface: ``fc7`` before the nonlinearity, then heads.

    The attributes are read from the rectified fc7, the latents by a linear head from fc7 itself, so that
    linear models of fc7 can say whatever the latents say.
    """

    def __init__(self) -> None:
        super().__init__(FC7)
        self.stack = nn.Sequential(
            conv(CHANNELS, 16, 2, 5),
            conv(16, 32, 2),
            conv(32, 48),
            conv(48, 64, 2),
            conv(64, 96),
            conv(96, 96, 2),
            conv(96, 18, 1, 1),
        )
        self.fc7_layer = nn.Linear(18 * 6 * 6, FC7)
        self.latent_head = nn.Linear(FC7, len(LATENTS))

    def fc7(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, 256): the last hidden layer before its nonlinearity."""
        features: torch.Tensor = self.fc7_layer(self.stack(prepared(images)).flatten(1))
        return features

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return self.heads_of(torch.relu(self.fc7(images)))

    def latents(self, images: torch.Tensor) -> torch.Tensor:
        """Compute latents (B, 16) by regression; about [0, 1], not clipped."""
        latents: torch.Tensor = self.latent_head(self.fc7(images))
        return latents


class Residual(nn.Module):
    """Two convolutions with batch normalisation, added to a (strided) shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.silu(self.first_norm(self.first(x)))
        return nn.functional.silu(self.second_norm(self.second(hidden)) + self.shortcut(x))


class Reader(AttributeNetwork):
    """The raters' eyes: overlapping patches, residual blocks, the last map pooled to 4 x 4 positions."""

    def __init__(self) -> None:
        super().__init__(128)
        self.stem = nn.Sequential(nn.Conv2d(CHANNELS, 40, 6, 3, 2), nn.SiLU(), nn.BatchNorm2d(40))
        self.blocks = nn.Sequential(Residual(40, 56, 2), Residual(56, 80, 2), nn.AdaptiveAvgPool2d(4))
        self.hidden = nn.Sequential(nn.Linear(80 * 16, 128), nn.SiLU())

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        places = self.blocks(self.stem(prepared(images)))
        return self.heads_of(self.hidden(places.flatten(1)))


class Judge(AttributeNetwork):
    """The held-out judge: patches of 4 x 4 pixels as channels, then an attention position per attribute."""

    def __init__(self) -> None:
        super().__init__(2 * 96)
        self.patches = nn.PixelUnshuffle(4)
        self.first = conv(CHANNELS * 16, 64)
        self.second = conv(64, 96, 2)
        self.third = conv(96, 96)
        self.fourth = conv(96, 96)
        self.attention = nn.Conv2d(96, len(ALL_ATTRIBUTES), 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        places = self.second(self.first(self.patches(prepared(images))))
        places = places + self.third(places)
        places = places + self.fourth(places)
        looks = self.attention(places).flatten(2).softmax(2)
        flat = places.flatten(2)
        attended = torch.einsum("bal,bcl->bac", looks, flat)
        everywhere = flat.mean(2)
        return {
            name: head(torch.cat([attended[:, index], everywhere], 1))
            for index, (name, head) in enumerate(self.heads.items())
        }


Which = Literal["features", "reader", "judge"]
NETWORKS: dict[str, Callable[[], AttributeNetwork]] = {
    "features": FeatureNet,
    "reader": Reader,
    "judge": Judge,
}


def weights_file(which: str) -> str:
    return f"{which}.safetensors"


@overload
def load_network(which: Literal["features"]) -> FeatureNet: ...
@overload
def load_network(which: Literal["reader"]) -> Reader: ...
@overload
def load_network(which: Literal["judge"]) -> Judge: ...


@functools.cache
def load_network(which: str) -> AttributeNetwork:
    """Load the shipped network, frozen and in evaluation mode; one object per process.

    Raises ``InputError`` for an unknown name and ``DigestMismatch`` when its weights were changed.
    """
    if which not in NETWORKS:
        raise InputError("network", f"{which!r} is unknown", ", ".join(NETWORKS))
    network = NETWORKS[which]()
    network.load_state_dict(load_file(checked(weights_file(which))))
    return network.eval().requires_grad_(False)


def read_percepts(
    images: Mapping[str, NDArray[np.uint8]], *, progress: Progress | None = None
) -> dict[str, NDArray[np.float64]]:
    """Compute what raters see in images: their latents, read once per image in batches.

    :param images: (H, W, 3) uint8 by id.
    :returns: latents (16,) in [0, 1] by id.
    """
    progress = progress or Silent()
    reader = load_network("reader")
    percepts: dict[str, NDArray[np.float64]] = {}
    for batch in batches_of_one_size(images):
        pixels = np.stack([images[name] for name in batch]).transpose(0, 3, 1, 2)
        with torch.no_grad():
            latents = reader.read_latents(torch.from_numpy(pixels.astype(np.float32) / 255.0))
        rows = np.asarray(latents, np.float64)
        percepts.update(zip(batch, rows, strict=True))
        progress.report(len(percepts) / len(images), f"{len(percepts)} of {len(images)} images read")
    return percepts


def batches_of_one_size(images: Mapping[str, NDArray[np.uint8]]) -> Iterable[list[str]]:
    """Yield ids in batches of images of one size."""
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, image in images.items():
        by_shape.setdefault(image.shape, []).append(name)
    for names in by_shape.values():
        for start in range(0, len(names), BATCH):
            yield names[start : start + BATCH]
