"""Registries: what can be chosen by name, each one module, loaded only when it is asked for."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from almond.errors import InputError

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Names and the dotted paths (``package.module:OBJECT``) of what they stand for.

    :param noun: what an entry is, in the words of an error message, such as ``guidance rule``.
    :param paths: name -> dotted path, in the order in which people are offered the names; a pair of path and
        label where a form shows other words than the name, or where loading the entry for its label would
        load too much.
    """

    def __init__(self, noun: str, paths: Mapping[str, str | tuple[str, str]]) -> None:
        self.noun = noun
        self._paths: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        for name, path in paths.items():
            self._paths[name] = path if isinstance(path, str) else path[0]
            self._labels[name] = name if isinstance(path, str) else path[1]
        self._loaded: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def names(self) -> tuple[str, ...]:
        """List the names, without loading anything."""
        return tuple(self._paths)

    def choices(self) -> list[tuple[str, str]]:
        """List (name, label), as the choices of a form; nothing is loaded."""
        return list(self._labels.items())

    def check(self, name: str) -> str:
        """Return a name that is known, without loading anything.

        :raises InputError: where there is no such name; it lists the names that there are.
        """
        if name not in self._paths:
            raise InputError(self.noun, f"{name!r} is not known", f"one of {', '.join(self._paths)}")
        return name

    def path(self, name: str) -> str:
        """Return the dotted path (``package.module:OBJECT``) of a name; nothing is loaded.

        :raises InputError: where there is no such name.
        """
        return self._paths[self.check(name)]

    def load(self, name: str) -> Entry:
        """Import and return what a name stands for.

        :raises InputError: where there is no such name.
        """
        if self.check(name) not in self._loaded:
            module, _, attribute = self._paths[name].partition(":")
            self._loaded[name] = getattr(importlib.import_module(module), attribute)
        return self._loaded[name]

    def entries(self) -> dict[str, Entry]:
        """Load every entry, by name."""
        return {name: self.load(name) for name in self._paths}

    @contextlib.contextmanager
    def registered(self, name: str, path: str, label: str = "") -> Iterator[None]:
        """Offer one more name for a while; tests use it as a lab uses a further line of the registry."""
        if name in self._paths:
            raise InputError(self.noun, f"{name!r} is registered already", "another name")
        self._paths[name], self._labels[name] = path, label or name
        try:
            yield
        finally:
            del self._paths[name], self._labels[name]
            self._loaded.pop(name, None)
