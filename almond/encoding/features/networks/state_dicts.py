"""Weights of networks from files, without running code in them, and into networks strictly."""

from __future__ import annotations

import pickle  # noqa: TID251 -- only for the name of the error that torch's safe loader raises
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from almond.digest import digest_array, digest_json
from almond.encoding.config.features import WEIGHTS
from almond.errors import InputError

NAMED = 4
"""How many keys of a kind an error names before it only counts."""

StateDict = dict[str, torch.Tensor]


def read_state_dict(path: Path, *, suffix: str | None = None, source: object = None) -> StateDict:
    """Read tensors by name from .pt, .pth or .safetensors; a mapping ``state_dict`` in a file is unwrapped.

    :param suffix: in place of the file's own; ``source`` in place of its name in errors.
    :raises InputError: not there, not of these kinds, holding anything that is not plain data and tensors.
    """
    suffix, source = suffix or path.suffix, source or path
    if suffix not in WEIGHTS or not path.is_file():
        raise InputError(source, "is no file of weights", f"a {', '.join(WEIGHTS)} file")
    try:
        if suffix == ".safetensors":
            return dict(load_file(path))
        stored: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        SafetensorError,
        zipfile.BadZipFile,
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        KeyError,
    ) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(source, f"cannot be read ({first})", "tensors by name, without code") from error
    if isinstance(stored, Mapping) and isinstance(stored.get("state_dict"), Mapping):
        stored = stored["state_dict"]
    return _tensors(stored, source)


def _tensors(stored: Any, source: object) -> StateDict:
    if not isinstance(stored, Mapping) or not stored:
        raise InputError(source, f"holds a {type(stored).__name__}", "tensors by name (a state dict)")
    wrong = [str(name) for name, value in stored.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise InputError(source, f"{_some(wrong)} are no tensors", "tensors by name (a state dict)")
    return {str(name): value for name, value in stored.items()}


def load_strictly(network: nn.Module, state: StateDict, source: object) -> None:
    """Put weights into a network; one ``InputError`` names every missing, unexpected or misshapen key."""
    check_fit(network, state, source)
    network.load_state_dict(state, strict=True)


def check_fit(network: nn.Module, state: StateDict, source: object) -> None:
    """Refuse weights unless the names and shapes are the network's and all values are finite.

    :raises InputError: naming every tensor that does not fit.
    """
    wanted = network.state_dict()
    problems = _problems(wanted, state)
    if problems:
        raise InputError(
            source, "; ".join(problems), f"the {len(wanted)} tensors of {type(network).__name__}"
        )
    infinite = [
        name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()
    ]
    if infinite:
        raise InputError(source, f"{_some(infinite)} hold values that are not finite", "finite weights")


def _problems(wanted: Mapping[str, torch.Tensor], state: StateDict) -> list[str]:
    shapes = [
        f"{name} has shape {tuple(state[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    groups = (
        ("missing", [name for name in wanted if name not in state]),
        ("unexpected", [name for name in state if name not in wanted]),
    )
    problems = [f"{word}: {_some(names)}" for word, names in groups if names]
    return problems + ([f"wrong shape: {_some(shapes)}"] if shapes else [])


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def state_digest(network: nn.Module) -> str:
    """Digest the names, types, shapes and values of all tensors of a network."""
    return digest_json({name: _digest(value) for name, value in network.state_dict().items()})


def _digest(value: torch.Tensor) -> str:
    plain = value.detach().cpu()
    if plain.dtype == torch.bfloat16:  # numpy has no such type; float32 holds its values exactly
        plain = plain.float()
    return digest_array(plain.numpy())
