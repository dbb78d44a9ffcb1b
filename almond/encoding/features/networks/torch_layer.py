"""Any layer of any torch network as a feature space."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from almond.digest import digest_json
from almond.encoding.features.networks.image_preprocessing import Preprocessing, as_rgb, unit_tensor
from almond.encoding.features.networks.state_dicts import state_digest
from almond.errors import InputError
from almond.finite import require_finite
from almond.typing import FeatureArray, ImageArray

BATCH = 32

UNBROKEN = "a network whose layer gives finite numbers; half precision overflows, float32 weights rarely do"

Compute = Callable[[torch.Tensor], torch.Tensor]


class TorchSpace:
    """A function of a frozen network's input as a feature space.

    ``extract`` and ``forward`` share preprocessing and network: they give the same numbers for the same
    pixels (to 1e-5 of the largest value; batches of other sizes round differently).
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        compute: Compute,
        preprocessing: Preprocessing,
        *,
        layer: str,
        pool: str = "flatten",
        device: str = "cpu",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """``compute`` maps prepared images (B, 3, size, size) to (B, ...); ``pool`` makes (B, D) of it.
        ``extra`` are plain JSON facts that belong to the digest."""
        self.name = name
        self.network = network.eval().requires_grad_(False).to(_checked_device(device))
        self.compute = compute
        self.preprocessing = preprocessing
        self.layer, self.pool, self.device = layer, pool, device
        self.image_size = preprocessing.size
        self._facts = {
            "network": f"{type(network).__module__}.{type(network).__qualname__}",
            "layer": layer,
            "pool": pool,
            "preprocessing": preprocessing.describe(),
            **(extra or {}),
        }
        self.digest = digest_json({**self._facts, "weights": state_digest(network)})
        self.dimension = self._probed()

    def _probed(self) -> int:
        """Count the numbers that an image gives; what the network cannot take is the user's error."""
        side = self.image_size
        try:
            with torch.no_grad():
                return int(self.forward(torch.zeros(1, 3, side, side)).shape[1])
        except RuntimeError as error:
            first = str(error).splitlines()[0]
            raise InputError(self.name, f"cannot take images of {side} x {side} pixels ({first})") from error

    def to(self, device: torch.device | str) -> TorchSpace:
        """Move the network to a device, where images follow it; returns the space itself."""
        self.network.to(device)
        self.device = str(device)
        return self

    def describe(self) -> dict[str, Any]:
        """Write network, layer, pooling and every step of the preprocessing as plain JSON values."""
        return {**self._facts, "name": self.name, "dimension": self.dimension, "digest": self.digest}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, 3 or 1, H, W) in [0, 1] -> (B, D), with gradients to images, never to weights."""
        prepared = self.preprocessing.apply(images.to(self.device))
        return pooled(self.compute(prepared), self.pool, self.name)

    def extract(self, images: Sequence[ImageArray]) -> FeatureArray:
        """Compute images (H, W, 3), or grey (H, W), uint8 of any sizes -> (n, D) float32."""
        rows = np.empty((len(images), self.dimension), np.float32)
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                part = [
                    self._prepared(as_rgb(images[index], f"images[{index}]"))
                    for index in range(start, min(start + BATCH, len(images)))
                ]
                batch = pooled(self.compute(torch.cat(part)), self.pool, self.name)
                rows[start : start + len(part)] = batch.float().cpu().numpy()
        require_finite(rows, f"features of {self.name}", UNBROKEN, axes=("image", "feature"))
        return rows

    def _prepared(self, image: ImageArray) -> torch.Tensor:
        return self.preprocessing.apply(unit_tensor(image).to(self.device))


def pooled(features: torch.Tensor, pool: str, source: object) -> torch.Tensor:
    """Pool (B, ...) -> (B, D): everything flattened, the mean over positions or tokens, or the first token.

    Maps are (B, C, H, W), tokens (B, N, C); both means give (B, C).
    """
    if features.ndim < 2:
        raise InputError(source, f"the layer gives shape {tuple(features.shape)}", "(batch, features...)")
    if pool == "flatten" or (features.ndim == 2 and pool == "mean"):
        return features.flatten(1)
    if pool == "mean" and features.ndim in (3, 4):
        return features.mean((2, 3)) if features.ndim == 4 else features.mean(1)
    if pool == "first" and features.ndim == 3:
        return features[:, 0]
    raise InputError(
        source,
        f"the layer gives shape {tuple(features.shape)}, which pool {pool} does not fit",
        "pool: flatten",
    )


def layer_of(network: nn.Module, name: str, source: object) -> nn.Module:
    """Find the module called ``name`` inside a network, such as ``features.12``.

    :raises InputError: there is none; the message names the last ones.
    """
    modules: dict[str, nn.Module] = dict(network.named_modules())
    if name not in modules or not name:
        last = [known for known in modules if known][-8:]
        raise InputError(
            source, f"has no layer {name!r}", f"one of its modules, the last being {', '.join(last)}"
        )
    return modules[name]


def hooked(run: Callable[[torch.Tensor], Any], module: nn.Module, source: object) -> Compute:
    """Record what ``module`` gives while ``run`` computes: a copy, which no later step in place can change.

    Where the module gives a tuple, as transformer blocks do, its first tensor is meant.
    """

    def compute(images: torch.Tensor) -> torch.Tensor:
        seen: list[torch.Tensor] = []

        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) and output else output
            if not isinstance(first, torch.Tensor):
                raise InputError(
                    source, f"the layer gives a {type(first).__name__}", "a layer that gives a tensor"
                )
            seen.append(first.clone())

        handle = module.register_forward_hook(keep)
        try:
            run(images)
        finally:
            handle.remove()
        if len(seen) != 1:
            raise InputError(source, f"the layer ran {len(seen)} times for a batch", "a layer that runs once")
        return seen[0]

    return compute


def build(model: str) -> nn.Module:
    """Make the network of ``package.module:factory``: a function without arguments, or a class.

    :raises InputError: it cannot be imported, or gives no module.
    """
    module, _, name = model.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(model, f"cannot be imported ({error})", "package.module:factory") from error
    made = factory() if callable(factory) else factory
    if isinstance(made, nn.Module):
        return made
    raise InputError(model, f"gives a {type(made).__name__}", "a torch.nn.Module")


def _checked_device(device: str) -> str:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            "device", f"{device} is not there", "cpu, or a machine with a GPU that torch can use"
        )
    return device
