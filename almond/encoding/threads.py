"""How many threads linear algebra takes for what."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """While it is open numpy and scipy compute with one thread.

    For many small products: threads wait for each other longer than they compute, and where other processes
    take turns on the same cores a small eigenproblem was measured a hundred times slower with two.
    """
    found: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return found
