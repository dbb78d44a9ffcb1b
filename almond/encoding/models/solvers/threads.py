"""How many threads linear algebra takes for what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> tuple[Any, ...]:
    """The BLAS of numpy and that of scipy."""
    blas = ThreadpoolController().select(user_api="blas")
    return tuple(blas.lib_controllers)


@contextmanager
def one_thread() -> Iterator[None]:
    """While it is open numpy and scipy compute with one thread.

    For many small products: threads wait for each other longer than they compute, and where other processes
    take turns on the same cores a small eigenproblem was measured a hundred times slower with two.
    """
    libraries = _libraries()
    before = [library.get_num_threads() for library in libraries]
    for library in libraries:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, number in zip(libraries, before, strict=True):
            library.set_num_threads(number)
