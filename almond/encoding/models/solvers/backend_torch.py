"""torch as the engine of PLS and ridge: see :mod:`almond.encoding.models.solvers.backend`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from almond.encoding.models.solvers.backend import Array, Backend
from almond.errors import InputError
from almond.typing import Floats


class TorchBackend:
    """torch, on the processor or on a graphics card."""

    name = "torch"

    def __init__(self, device: str, precision: str) -> None:
        self.precision = precision
        self.himalaya = "torch_cuda" if device == "cuda" else "torch"
        self.device = torch.device(device)
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        self.epsilon = float(torch.finfo(self.dtype).eps)
        self.itemsize = self.dtype.itemsize

    def array(self, values: NDArray[Any]) -> Array:
        if not values.flags.writeable:  # torch refuses to look at memory that it may not write to
            values = values.copy()
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, self.dtype)

    def zeros(self, *shape: int) -> Array:
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def host(self, values: Array) -> Floats:
        return np.asarray(values.cpu().numpy(), np.float64)

    def cholesky(self, matrix: Array) -> Array:
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if bool(failed):
            raise np.linalg.LinAlgError("not positive definite")
        return factor

    def solve(self, factor: Array, right: Array) -> Array:
        return torch.cholesky_solve(right, factor)

    def eigh(self, matrix: Array) -> tuple[Array, Array]:
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors

    def orthonormal(self, matrix: Array) -> tuple[Array, Array]:
        q, r = torch.linalg.qr(matrix)
        return q, r


def make_torch_backend(device: str, precision: str) -> Backend:
    """Return the torch backend on ``cpu`` or ``cuda``.

    :raises InputError: ``cuda`` where torch finds no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device", "is cuda, but torch finds no graphics card", "device: cpu")
    return TorchBackend(device, precision)
