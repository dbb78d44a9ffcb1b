"""Where networks run: those of a generator, and those that score its images."""

from __future__ import annotations

import os

import torch

from almond.errors import InputError

DEVICE = "ALMOND_DEVICE"


def read_device() -> torch.device:
    """Return the device of ``ALMOND_DEVICE``: ``cpu`` (the default), ``cuda`` or ``cuda:1``."""
    stated = os.environ.get(DEVICE, "cpu")
    try:
        device = torch.device(stated)
    except RuntimeError as error:
        raise InputError(DEVICE, f"is {stated!r}", "cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(DEVICE, f"is {stated}, but torch finds no GPU", "cpu, or a build of torch with CUDA")
    return device
