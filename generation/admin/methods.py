"""Rules, objectives, searches, penalties and views as a form offers them, made from their registries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from almond.errors import InputError
from almond.guidance.methods import Setting, declared
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.penalties import PENALTIES
from almond.guidance.recipe import View
from almond.guidance.rules import RULES
from almond.guidance.searches import SEARCHES
from almond.registry import Registry
from lab.conditional_fields import Condition, unless, when
from lab.fields import number_field, whole_field
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


def setting_field(search: str, setting: str) -> str:
    """Name the form's field of a search's setting."""
    return f"{search}_{setting}".replace("-", "_")


def search_settings() -> Iterator[tuple[str, str, Setting]]:
    """Yield (search, name, setting) of everything that the registered searches take."""
    for search in SEARCHES:
        for name, item in declared(SEARCHES, search).settings.items():
            yield search, name, item


def penalty_field(penalty: str) -> str:
    """Name the form's field of a penalty's weight."""
    return f"penalty_{penalty}".replace("-", "_")


VIEW_FIELDS = {
    "blur": ("view_blur", "Blur", "Standard deviation as a share of the image's width, 0 to 0.25."),
    "downsample": (
        "view_downsample",
        "Downsample",
        "Side of the blocks of pixels averaged, 1 to 64.",
    ),
    "copies": ("view_copies", "Copies", "Shifted and mirrored copies whose scores are averaged, 1 to 64."),
}
"""Field of a view -> field of the form, label and help."""


def around_fields() -> dict[str, Any]:
    """Make the fields of searches' settings, of penalties and of the view; each may be left empty."""
    made: dict[str, Any] = {}
    for search, name, item in search_settings():
        kind = whole_field if item.whole else number_field
        made[setting_field(search, name)] = kind(
            f"{item.meaning[:1].upper()}{item.meaning[1:]}: {item.low:g} to {item.high:g}.",
            label=name.capitalize(),
            placeholder=f"{item.default:g}",
        )
    for name, label in PENALTIES.choices():
        method = declared(PENALTIES, name)
        made[penalty_field(name)] = number_field(
            method.summary, label=f"{label[:1].upper()}{label[1:]}", least=0, placeholder="not taken off"
        )
    for field, label, help_text in VIEW_FIELDS.values():
        kind = number_field if field == "view_blur" else whole_field
        made[field] = kind(help_text, label=label, placeholder="as it is")
    return made


def around_conditions() -> dict[str, Condition]:
    """Say which fields have a meaning for which search: its own settings, and what a rule takes."""
    own = {setting_field(search, name): when("search", search) for search, name, _ in search_settings()}
    unruled = [search for search in SEARCHES if not declared(SEARCHES, search).takes_rule]
    of_rules = ("strengths", "window_low", "window_high", "ramp", "rule")
    return own | {field: unless("search", *unruled) for field in of_rules}


def around_places() -> dict[str, str]:
    """Map what errors name to the fields of penalties and the view."""
    return {
        **{name: penalty_field(name) for name in PENALTIES},
        **{name: field for name, (field, _, _) in VIEW_FIELDS.items()},
    }


def read_around(values: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the chosen search's settings, the penalties and the view, of what a form or its address holds.

    :raises InputError: something that is no number; it names the field.
    """
    search = SEARCHES.check(str(values.get("search") or ""))
    settings = {
        name: read_value(values, setting_field(search, name)) for name in declared(SEARCHES, search).settings
    }
    penalties = {name: read_value(values, penalty_field(name)) for name in PENALTIES}
    view = {name: read_value(values, field) for name, (field, _, _) in VIEW_FIELDS.items()}
    return _filled(settings), _filled(penalties), {name: _whole(name, v) for name, v in _filled(view).items()}


def _filled(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def _whole(name: str, value: float) -> float:
    """Return the numbers of a view as its shape has them: whole ones as integers."""
    return int(value) if View.model_fields[name].annotation is not float and value == int(value) else value


def read_value(values: Mapping[str, Any], field: str) -> float | None:
    """Read a number, typed or as text; None where nothing is filled in.

    :raises InputError: at the field, where it is no number.
    """
    text = str("" if (value := values.get(field)) is None else value).strip()
    try:
        return float(text) if text else None
    except ValueError as error:
        raise InputError(field, f"is {text!r}", "a number") from error
