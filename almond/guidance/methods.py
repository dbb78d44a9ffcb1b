"""What a rule, objective, penalty or search says about itself, as data: formula, source, cost, how it fails.

Every entry of ``RULES``, ``OBJECTIVES``, ``PENALTIES`` and ``SEARCHES`` is a module with a constant
``METHOD``. :func:`declared` reads it from the module's source, so that forms, commands and documents list
what there is without loading torch.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from almond.errors import InputError
from almond.registry import Registry

BACKWARD = 2.0
"""Forward passes that a backward pass counts for."""


TRAJECTORIES = {
    "ruled": "as the rule guides it",
    "population": "as the rule guides it, and one more forward pass at guided steps",
    "turned": "unguided",
    "evolution": "unguided; one more for the image that is kept",
    "ascent": "a forward and a backward pass of every step; one more of them, and an unguided one at the end",
}
"""What one trajectory of a search is."""

UNGUIDED_TRAJECTORIES = ("turned", "evolution", "ascent")
"""Those that no rule guides: the recipe's strength is 0, and the search itself goes in its direction."""


@dataclass(frozen=True)
class Setting:
    """A number that a method takes, in [``low``, ``high``]; ``whole`` numbers only where it says so."""

    meaning: str
    default: float
    low: float
    high: float
    whole: bool = False

    def problem(self, value: float) -> str:
        """Say what is wrong with a value; empty if nothing."""
        if not self.low <= value <= self.high:
            return f"is {value:g}, not a number from {self.low:g} to {self.high:g}"
        return f"is {value:g}, not a whole number" if self.whole and value != int(value) else ""


@dataclass(frozen=True)
class Method:
    """One guidance method.

    ``passes``: forward and backward passes of the denoiser at a guided step of one image (an unguided step is
    (1, 0)); None where the cost is of a whole trajectory, which ``cost`` says in words. Of a search,
    ``times`` are the settings whose product is its number of trajectories, and ``trajectory`` is one of
    ``TRAJECTORIES``; empty where nobody has counted.
    """

    summary: str
    formula: str
    reference: str
    cost: str
    fails: str
    passes: tuple[float, float] | None = None
    times: tuple[str, ...] = ()
    trajectory: str = ""
    settings: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def takes_rule(self) -> bool:
        """Whether a rule may guide the trajectories of a search; false where the search itself climbs."""
        return self.trajectory not in UNGUIDED_TRAJECTORIES


def declared(registry: Registry[Any], name: str) -> Method:
    """Read the ``METHOD`` of an entry without importing its module.

    :raises InputError: no such entry, or its module declares no ``METHOD`` of literal values.
    """
    return _declared(registry.noun, registry.path(name).partition(":")[0])


@cache
def _declared(noun: str, module: str) -> Method:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(noun, f"module {module} was not found", "an importable module")
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name("METHOD")], value=value):
                method = _value(value)
                if isinstance(method, Method):
                    return method
            case _:
                pass
    raise InputError(noun, f"module {module} declares no METHOD", "METHOD = Method(...) of literal values")


def _value(node: ast.expr) -> Any:
    """Evaluate literals, dictionaries of them, and the two classes of this module."""
    match node:
        case ast.Call(func=ast.Name("Method" | "Setting" as name), args=[], keywords=keywords):
            kind = {"Method": Method, "Setting": Setting}[name]
            return kind(**{str(keyword.arg): _value(keyword.value) for keyword in keywords})
        case ast.Dict(keys=keys, values=values):
            return {ast.literal_eval(key or ""): _value(item) for key, item in zip(keys, values, strict=True)}
        case _:
            return ast.literal_eval(node)


Choice = tuple[Registry[Any], str]
"""A registry and the name that was taken from it."""


def settings_of(choices: Iterable[Choice]) -> dict[str, Setting]:
    """Return the settings that the methods of a recipe take together, by name."""
    merged: dict[str, Setting] = {}
    for registry, name in choices:
        merged.update(declared(registry, name).settings)
    return merged


def setting_problems(values: Mapping[str, float], choices: Iterable[Choice]) -> Iterator[tuple[str, str]]:
    """Yield (name, problem) for settings that no chosen method takes, or that are out of range."""
    known = settings_of(choices)
    for name, value in values.items():
        if name not in known:
            listed = ", ".join(known) or "none: these methods take no settings"
            yield name, f"is taken by none of the chosen methods (they take {listed})"
        elif problem := known[name].problem(value):
            yield name, problem
