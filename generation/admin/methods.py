"""Rules and objectives as a form offers them: what each does, and the numbers that it takes."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from almond.errors import InputError
from almond.guidance.methods import declared
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.rules import RULES
from almond.registry import Registry
from lab.typed_values import read_pairs


def summaries(registry: Registry[Any]) -> SafeString:
    """Render what each entry does and how it fails, folded: one line per entry, under the form's label."""
    rows = [(label, declared(registry, name)) for name, label in registry.choices()]
    return format_html(
        "<details><summary>What each does, and how it fails</summary><ul>{}</ul></details>",
        format_html_join(
            "",
            '<li class="mt-2"><b>{}</b>: {} <i>Fails:</i> {}</li>',
            ((label, method.summary, method.fails) for label, method in rows),
        ),
    )


def setting_help() -> SafeString:
    """Render the numbers that rules and objectives take, with their ranges."""
    taken = [
        (f"{registry.noun} {name}", key, item)
        for registry in (RULES, OBJECTIVES)
        for name in registry
        for key, item in declared(registry, name).settings.items()
        if key != "level"
    ]
    return format_html(
        "For example hold = 2. <details><summary>All numbers</summary><ul>{}</ul></details>",
        format_html_join(
            "",
            "<li>{} ({}): {}, {} to {}, usually {}</li>",
            (
                (key, owner, item.meaning, f"{item.low:g}", f"{item.high:g}", f"{item.default:g}")
                for owner, key, item in taken
            ),
        ),
    )


def read_method_settings(text: str, level: float | None) -> dict[str, float]:
    """Read ``hold = 2, curvature = 4`` as numbers by name; a level that is filled in joins them.

    :raises InputError: something that is no number.
    """
    values = {} if level is None else {"level": float(level)}
    for name, value in read_pairs(text, "further").items():
        try:
            values[name] = float(value)
        except ValueError as error:
            raise InputError("further", f"{name} is {value!r}", "a number") from error
    return values
