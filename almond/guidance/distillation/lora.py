"""Low-rank adapters (LoRA, Hu et al. 2022) of a frozen denoiser, one per target, each with a dial.

``W' = W + sum_k dial_k B_k A_k``: the dials scale whole adapters, so that 0 is the denoiser itself, exactly,
and several targets may be turned at once. The few lines are our own because peft scales an adapter for a
whole batch and by its rank; files hold the names of weights that diffusers' ``load_lora_weights`` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from almond.errors import InputError

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""Endings of the names of the layers that attend, in every UNet and transformer of diffusers."""

PREFIX = "unet"


class LowRankLayer(nn.Module):
    """A frozen ``nn.Linear`` or ``nn.Conv2d`` with one low-rank change per dial.

    A convolution's ``A`` has its kernel, stride and padding and ``rank`` channels, its ``B`` is pointwise.
    ``B`` starts at zero: an untrained adapter changes nothing.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, dials: dict[str, float], rank: int) -> None:
        super().__init__()
        self.layer, self.dials = layer, dials
        self.down = nn.ModuleList(_down(layer, rank) for _ in dials)
        self.up = nn.ModuleList(_up(layer, rank) for _ in dials)
        for up in self.up:
            nn.init.zeros_(up.weight)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = self.layer(x)
        for dial, down, up in zip(self.dials.values(), self.down, self.up, strict=True):
            if dial:
                changed = changed + dial * up(down(x))
        return changed


def _down(layer: nn.Linear | nn.Conv2d, rank: int) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, rank, bias=False)
    kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
    return nn.Conv2d(layer.in_channels, rank, kernel, stride, padding, bias=False)  # type: ignore[arg-type]


def _up(layer: nn.Linear | nn.Conv2d, rank: int) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.Linear(rank, layer.out_features, bias=False)
    return nn.Conv2d(rank, layer.out_channels, 1, bias=False)


class SliderAdapter:
    """The low-rank layers put into a denoiser, and their ``dials``: target -> value, 0 where untouched.

    :param denoiser: a frozen module of diffusers; its layers are replaced in place.
    :param targets: names of the dials.
    :param layers: endings of the dotted names of the layers to adapt.
    :raises InputError: no layer of that name, or one that is neither linear nor a convolution.
    """

    def __init__(self, denoiser: nn.Module, targets: Sequence[str], *, rank: int, layers: Sequence[str]):
        self.dials: dict[str, float] = dict.fromkeys(targets, 0.0)
        self.layers: dict[str, LowRankLayer] = {}
        for name, layer in list(denoiser.named_modules()):
            if name.endswith(tuple(f".{ending}" for ending in layers)):
                self.layers[name] = self._adapt(denoiser, name, layer, rank)
        if not self.layers:
            raise InputError("lora.layers", f"no layer ends in {', '.join(layers)}", "names such as to_q")

    def _adapt(self, denoiser: nn.Module, name: str, layer: nn.Module, rank: int) -> LowRankLayer:
        if not isinstance(layer, nn.Linear | nn.Conv2d) or getattr(layer, "groups", 1) != 1:
            raise InputError(f"lora.layers: {name}", f"is a {type(layer).__name__}", "linear or convolution")
        adapted = LowRankLayer(layer, self.dials, rank)
        parent, _, last = name.rpartition(".")
        setattr(denoiser.get_submodule(parent), last, adapted)
        return adapted

    def turn(self, dials: Mapping[str, float]) -> None:
        """Set every dial; those that are not named go to 0.

        :raises InputError: a dial that there is not.
        """
        unknown = sorted(set(dials) - set(self.dials))
        if unknown:
            raise InputError("dials", f"names {', '.join(unknown)}", f"among {', '.join(self.dials)}")
        for name in self.dials:
            self.dials[name] = float(dials.get(name, 0.0))

    def parameters(self) -> list[nn.Parameter]:
        """List the weights to train, of all dials."""
        return [
            weight
            for layer in self.layers.values()
            for part in (layer.down, layer.up)
            for weight in part.parameters()
        ]

    def require_gradients(self, wanted: bool) -> None:
        """Train, or freeze again, the weights of all dials."""
        for weight in self.parameters():
            weight.requires_grad_(wanted)

    def state(self, target: str) -> dict[str, torch.Tensor]:
        """Return one dial's weights under the names that diffusers reads; its scale there is the dial."""
        index = list(self.dials).index(target)
        return {
            key: part[index].weight.detach().contiguous()
            for name, layer in self.layers.items()
            for key, part in _named_parts(name, layer)
        }

    def load(self, target: str, state: Mapping[str, torch.Tensor]) -> None:
        """Take one dial's weights.

        :raises InputError: weights are missing, too many or of other shapes.
        """
        own = self.state(target)
        wrong = sorted(set(own) ^ set(state)) or [key for key in own if own[key].shape != state[key].shape]
        if wrong:
            raise InputError(f"adapter of {target}", f"does not fit at {wrong[0]}", f"{len(own)} tensors")
        with torch.no_grad():
            for key, value in own.items():
                value.copy_(state[key])


def _named_parts(name: str, layer: LowRankLayer) -> list[tuple[str, Any]]:
    return [
        (f"{PREFIX}.{name}.lora_A.weight", layer.down),
        (f"{PREFIX}.{name}.lora_B.weight", layer.up),
    ]
