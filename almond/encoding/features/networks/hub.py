"""What is common to networks that other libraries know by name: timm, open_clip, transformers.

Each is loaded by its own library, with its own published size, mean and standard deviation. Where those
libraries crop the middle of an image, the whole image is squeezed into the square instead, as for every
feature space here: nothing that people saw is left out.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import nn

from almond.encoding.features.networks.image_preprocessing import CHANNELS, Preprocessing
from almond.encoding.features.networks.torch_layer import Compute, TorchSpace, hooked, layer_of
from almond.errors import InputError

EXTRA = "almond[networks]"
FILTERS = ("bicubic", "bilinear")

FILTER_NUMBERS: Mapping[Any, str] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the filters, as files of preprocessing have them."""


def library(name: str) -> ModuleType:
    """Import the library that knows a network.

    :raises InputError: it is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"features.kind: {name}", f"needs the library {name} ({error})", f"pip install '{EXTRA}'"
        ) from error


def load(make: Callable[[], Any], source: object) -> Any:
    """Let a library make a network; what it does not know is the user's error."""
    try:
        return make()
    except (RuntimeError, ValueError, KeyError, OSError, ImportError) as error:
        raise InputError(source, f"cannot be loaded ({error})", "a model that the library knows") from error


def timm_name(model: str, pretrained: str) -> str:
    """Write ``model.tag``, the way timm names weights.

    :raises InputError: the model brings another tag.
    """
    known, _, tag = model.partition(".")
    if tag and pretrained and tag != pretrained:
        raise InputError("features.pretrained", f"is {pretrained}, but the model says {tag}", "one of them")
    return f"{known}.{tag or pretrained}" if tag or pretrained else known


def folder_preprocessing(folder: Path) -> Preprocessing:
    """Read the preprocessing of a folder that transformers wrote.

    :raises InputError: it says nothing, or what no network here does.
    """
    published = _preprocessor(folder)
    return published_preprocessing(
        _side(published, folder),
        FILTER_NUMBERS.get(published.get("resample"), published.get("resample")),
        published.get("image_mean"),
        published.get("image_std"),
        folder,
    )


def _preprocessor(folder: Path) -> Mapping[str, Any]:
    """Read the file of preprocessing of either generation of the library."""
    path = folder / "preprocessor_config.json"
    nested = folder / "processor_config.json"
    if not path.is_file() and nested.is_file():
        path = nested
    try:
        published: Any = json.loads(path.read_text(encoding="utf-8"))
        published = published["image_processor"] if path == nested else published
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            path, f"cannot be read ({error})", "the preprocessing that belongs to the model"
        ) from error
    if not isinstance(published, Mapping):
        raise InputError(path, "is no mapping", "the preprocessing that belongs to the model")
    return published


def _side(published: Mapping[str, Any], folder: Path) -> Sequence[int]:
    """Read the height and width that the network takes, from either way in which files say it."""
    size = published.get("crop_size") or published.get("size")
    if isinstance(size, int):
        return (size, size)
    if isinstance(size, Mapping) and {"height", "width"} <= size.keys():
        return (size["height"], size["width"])
    if isinstance(size, Mapping) and "shortest_edge" in size:
        return (size["shortest_edge"], size["shortest_edge"])
    raise InputError(folder, f"says {size!r} about the size", "crop_size or size in preprocessor_config.json")


def published_preprocessing(
    size: Sequence[int], name_of_filter: Any, mean: Any, std: Any, source: object
) -> Preprocessing:
    """Check preprocessing as a library publishes it, for pixels in [0, 1].

    :raises InputError: not square, another filter, not three numbers.
    """
    if len(size) != 2 or size[0] != size[1]:
        raise InputError(source, f"takes images of {tuple(size)} pixels", "a network for square images")
    if name_of_filter not in FILTERS:
        raise InputError(source, f"publishes the filter {name_of_filter!r}", " or ".join(FILTERS))
    for name, values in (("mean", mean), ("std", std)):
        if not isinstance(values, Sequence) or len(values) != CHANNELS:
            raise InputError(source, f"publishes the {name} {values!r}", "three numbers")
    deviations = tuple(float(value) for value in std)
    return Preprocessing(int(size[0]), str(name_of_filter), 1.0, np.array(mean, np.float32), deviations)


def layer_space(
    name: str,
    network: nn.Module,
    embedding: Compute,
    preprocessing: Preprocessing,
    *,
    library: str,
    layer: str,
    pool: str,
    device: str,
) -> TorchSpace:
    """Make the feature space of a layer, or of the library's own embedding where none is named."""
    compute = embedding
    if layer:
        source = name.removeprefix(f"{library}-")
        compute = hooked(embedding, layer_of(network, layer, source), f"{source} {layer}")
    return TorchSpace(
        f"{name}{'.' + layer if layer else ''}",
        network,
        compute,
        preprocessing,
        layer=layer or "embedding",
        pool=pool,
        device=device,
        extra={"library": library},
    )
