"""Networks that other libraries know by name: timm, open_clip, and CLIP's image tower from transformers.

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
import torch
from torch import nn

from almond.encoding.config.features import FILTERS, FeatureSpec
from almond.encoding.features.networks.image_preprocessing import CHANNELS, Preprocessing
from almond.encoding.features.networks.state_dicts import load_strictly, read_state_dict
from almond.encoding.features.networks.torch_layer import Compute, TorchSpace, hooked, layer_of
from almond.errors import InputError

EXTRA = "almond[networks]"


def open_named(spec: FeatureSpec, *, device: str = "cpu") -> TorchSpace:
    """The space of a spec of kind ``timm``, ``open_clip`` or ``transformers``.

    :raises InputError: the library is not installed, or does not know the model, its weights or its layer.
    """
    opened: dict[str, Callable[[FeatureSpec, str], TorchSpace]] = {
        "timm": _open_timm,
        "open_clip": _open_clip,
        "transformers": _open_transformers,
    }
    return opened[spec.kind](spec, device)


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"features.kind: {name}", f"needs the library {name} ({error})", f"pip install '{EXTRA}'"
        ) from error


def _open_timm(spec: FeatureSpec, device: str) -> TorchSpace:
    """Without ``layer``: what timm gives to the classifier (pooled, before its last linear layer)."""
    timm = _library("timm")
    name = timm_name(spec.model, spec.pretrained)
    network = _made(lambda: timm.create_model(name, pretrained=bool(spec.pretrained)), name)
    if spec.weights:
        load_strictly(network, read_state_dict(Path(spec.weights)), spec.weights)
    published = timm.data.resolve_model_data_config(network)
    preprocessing = published_preprocessing(
        published["input_size"][1:], published["interpolation"], published["mean"], published["std"], name
    )

    def last(images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
        return found

    return _space(spec, name, network, last, preprocessing, device)


def timm_name(model: str, pretrained: str) -> str:
    """``model.tag``, the way timm names weights; ``InputError`` where the model brings another tag."""
    known, _, tag = model.partition(".")
    if tag and pretrained and tag != pretrained:
        raise InputError("features.pretrained", f"is {pretrained}, but the model says {tag}", "one of them")
    return f"{known}.{tag or pretrained}" if tag or pretrained else known


def _open_clip(spec: FeatureSpec, device: str) -> TorchSpace:
    """Without ``layer``: the image embedding, not normalised to unit length."""
    library = _library("open_clip")
    network = _made(
        lambda: library.create_model(
            spec.model, pretrained=spec.pretrained or None, pretrained_hf=bool(spec.pretrained)
        ),
        spec.model,
    )
    if spec.weights:
        load_strictly(network, read_state_dict(Path(spec.weights)), spec.weights)
    tower = network.visual
    published = tower.preprocess_cfg
    size = published["size"]
    preprocessing = published_preprocessing(
        (size, size) if isinstance(size, int) else size,
        published["interpolation"],
        published["mean"],
        published["std"],
        spec.model,
    )

    def last(images: torch.Tensor) -> torch.Tensor:
        found = tower(images)
        embedding: torch.Tensor = found[0] if isinstance(found, tuple) else found
        return embedding

    return _space(spec, f"{spec.model}-{spec.pretrained or 'file'}", tower, last, preprocessing, device)


def _open_transformers(spec: FeatureSpec, device: str) -> TorchSpace:
    """Without ``layer``: the image embedding, not normalised, of a folder that holds a CLIP model."""
    transformers = _library("transformers")
    folder = Path(spec.path)
    published = _preprocessor(folder)
    network, loading = _made(
        lambda: transformers.CLIPVisionModelWithProjection.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
        ),
        folder,
    )
    lacking = sorted(map(str, loading["missing_keys"]))
    if lacking or loading["mismatched_keys"]:
        raise InputError(
            folder, f"lacks weights: {', '.join(lacking) or loading['mismatched_keys']}", "CLIP's image tower"
        )
    preprocessing = published_preprocessing(
        _side(published, folder),
        _FILTER_NUMBERS.get(published.get("resample"), published.get("resample")),
        published.get("image_mean"),
        published.get("image_std"),
        folder,
    )

    def last(images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = network(pixel_values=images).image_embeds
        return found

    return _space(spec, folder.name, network, last, preprocessing, device)


_FILTER_NUMBERS: Mapping[Any, str] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the filters, as files of preprocessing have them."""


def _preprocessor(folder: Path) -> Mapping[str, Any]:
    """What the folder says about preprocessing, in the file of either generation of the library."""
    path = folder / "preprocessor_config.json"
    nested = folder / "processor_config.json"
    if not path.is_file() and nested.is_file():
        path = nested
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        found = found["image_processor"] if path == nested else found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            path, f"cannot be read ({error})", "the preprocessing that belongs to the model"
        ) from error
    if not isinstance(found, Mapping):
        raise InputError(path, "is no mapping", "the preprocessing that belongs to the model")
    return found


def _side(published: Mapping[str, Any], folder: Path) -> Sequence[int]:
    """Height and width of what the network takes, from either way in which files say it."""
    given = published.get("crop_size") or published.get("size")
    if isinstance(given, int):
        return (given, given)
    if isinstance(given, Mapping) and {"height", "width"} <= given.keys():
        return (given["height"], given["width"])
    if isinstance(given, Mapping) and "shortest_edge" in given:
        return (given["shortest_edge"], given["shortest_edge"])
    raise InputError(
        folder, f"says {given!r} about the size", "crop_size or size in preprocessor_config.json"
    )


def published_preprocessing(
    size: Sequence[int], name_of_filter: Any, mean: Any, std: Any, source: object
) -> Preprocessing:
    """Checked preprocessing as a library publishes it, for pixels in [0, 1].

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


def _made(make: Callable[[], Any], source: object) -> Any:
    try:
        return make()
    except (RuntimeError, ValueError, KeyError, OSError, ImportError) as error:
        raise InputError(source, f"cannot be loaded ({error})", "a model that the library knows") from error


def _space(
    spec: FeatureSpec, name: str, network: nn.Module, last: Compute, preprocessing: Preprocessing, device: str
) -> TorchSpace:
    compute, pool = last, spec.pool
    if spec.layer:
        compute = hooked(last, layer_of(network, spec.layer, name), f"{name} {spec.layer}")
    return TorchSpace(
        f"{spec.kind}-{name}{'.' + spec.layer if spec.layer else ''}",
        network,
        compute,
        preprocessing,
        layer=spec.layer or "embedding",
        pool=pool,
        device=device,
        extra={"library": spec.kind},
    )
