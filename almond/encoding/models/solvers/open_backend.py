"""Backends by name."""

from __future__ import annotations

from almond.encoding.models.solvers.backend import Backend, NumpyBackend
from almond.encoding.models.solvers.options import BACKENDS, DEVICES, PRECISIONS
from almond.errors import InputError


def make_backend(backend: str = "numpy", device: str = "cpu", precision: str = "float64") -> Backend:
    """Return the backend of that name.

    :param backend: ``numpy`` (default) or ``torch``; ``device``: ``cpu`` (default) or ``cuda``;
        ``precision``: ``float64`` (default) or ``float32``.
    :raises InputError: an unknown name, ``cuda`` with numpy, or ``cuda`` where torch finds no such device.
    """
    for field, value, options in (
        ("backend", backend, BACKENDS),
        ("device", device, DEVICES),
        ("precision", precision, PRECISIONS),
    ):
        if value not in options:
            raise InputError(field, f"is {value!r}", f"one of {', '.join(options)}")
    if backend == "numpy":
        if device != "cpu":
            raise InputError("device", f"is {device}, which numpy cannot use", "backend: torch")
        return NumpyBackend(precision)
    # Loading torch takes seconds and 200 MB.
    from almond.encoding.models.solvers.backend_torch import make_torch_backend

    return make_torch_backend(device, precision)
