"""The form of a block: the settings of whichever kind of trials is chosen, made from the shapes of the kinds.

A setting that several kinds have alike is one field, shown for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django import forms
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.models import BaseInlineFormSet
from unfold.widgets import UnfoldAdminFileFieldWidget

from almond.design.parts import PlannedBlock
from almond.design.trials import TRIAL_KINDS
from almond.errors import InputError
from almond.files.text import decoded_text
from almond.shapes import ShapeError, read
from lab.append_only import RowForm
from lab.conditional_fields import Condition, ConditionalFields, when
from lab.parameter_fields import Schema, form_field, parameter_schemas, read_parameters, typed
from studies.models import Block

COMMON = ("trials", "repeats", "constructs")
"""Fields of every block that mean nothing for some kinds."""
SOURCES = {"image_set": ("stimuli", "pairs"), "asked_of": ("pairs",)}
"""Fields of blocks whose trials show such things."""
LISTED_PAIRS, PAIRS_FILE = "listed_pairs", "pairs_file"
"""The setting that holds a list of pairs, and the field by which it is uploaded."""
BRANCHING: dict[str, Schema] = {
    "only_if": {
        "title": "only if",
        "description": "Skip the block unless an earlier answer was this: people.gender = woman, or "
        "check.passed != yes. Empty: never.",
        "type": "string",
    },
    "end_if": {
        "title": "end if",
        "description": "End the visit behind the block if an answer up to it was this: check.passed = no. "
        "Empty: never.",
        "type": "string",
    },
}
"""Settings of blocks of every kind: the lines by which they branch."""
ABREAST = 2
"""So many short fields stand in one row."""


class Setting(NamedTuple):
    """A setting of some kinds of blocks: its name in the block's shape, and what that says of it."""

    name: str
    schema: Schema
    kinds: tuple[str, ...]


def settings_of(kind: str) -> dict[str, Schema]:
    """Return the schemas of what only the blocks of a kind have, by name."""
    return parameter_schemas(TRIAL_KINDS.load(kind).block, without=PlannedBlock.model_fields)


def all_settings() -> dict[str, Setting]:
    """Return field -> the setting that it asks for, over all registered kinds."""
    found: dict[tuple[str, str], tuple[Schema, list[str]]] = {}
    for kind in TRIAL_KINDS.names():
        for name, schema in settings_of(kind).items():
            found.setdefault((name, json.dumps(schema, sort_keys=True)), (schema, []))[1].append(kind)
    return {
        f"{kinds[0]}_{name}": Setting(name, schema, tuple(kinds))
        for (name, _), (schema, kinds) in found.items()
    }


def fields_of(kind: str) -> dict[str, tuple[str, Schema]]:
    """Return field -> (setting, its schema), of one kind, and of those that all kinds have."""
    own = {
        field: (setting.name, setting.schema)
        for field, setting in all_settings().items()
        if kind in setting.kinds
    }
    return own | {name: (name, schema) for name, schema in BRANCHING.items()}


def setting_rows() -> Iterator[tuple[str, ...]]:
    """Yield the fields of settings by row: two short ones of the same kinds together."""
    row: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    for field, setting in sorted(all_settings().items(), key=lambda item: item[1].kinds):
        alone = isinstance(form_field(setting.schema).widget, forms.Textarea)
        if row and (alone or setting.kinds != kinds or len(row) == ABREAST):
            yield row
            row = ()
        row, kinds = (*row, field), setting.kinds
        if alone:
            yield row
            row = ()
        if setting.name == LISTED_PAIRS:
            yield (PAIRS_FILE,)
    if row:
        yield row


def condition_of(setting: Setting) -> Condition:
    """Return when a setting is shown: for its kinds, or where its schema says (``shown_when``) for some
    values of another setting of theirs."""
    for name, values in setting.schema.get("shown_when", {}).items():
        return when(f"{setting.kinds[0]}_{name}", *values)
    return when("kind", *setting.kinds)


def settings_in_words(block: Block) -> str:
    """Say the settings of a block's kind, with the titles that they have in the form."""
    shown = []
    for name, schema in {**settings_of(block.kind), **BRANCHING}.items():
        value = block.settings.get(name, schema.get("default"))
        if value not in (None, False, "", []):
            words = " / ".join(map(str, value)) if isinstance(value, list) else value
            shown.append(schema["title"] if value is True else f"{schema['title']}: {words}")
    return "; ".join(shown) or "nothing beside"


class BlockForm(ConditionalFields, RowForm):
    """A block with the settings of its kind; one without a place comes after the others."""

    class Meta:
        model = Block
        fields = (
            *("kind", "name", "trials", "repeats", "image_set", "most_of_scene", "asked_of"),
            *("constructs", "instructions", "order", "arms"),
        )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if "order" in self.fields:
            self.fields["order"].required = False
            self.fields["order"].help_text = "1 comes first. Empty: after the others."
            if self.instance.pk is None:
                self.initial["order"] = None
        if self.instance.pk is None or self.instance.kind not in TRIAL_KINDS.names():
            return
        for field, (name, _) in fields_of(self.instance.kind).items():
            if field in self.fields and name in self.instance.settings:
                self.initial[field] = typed(self.instance.settings[name])

    @classmethod
    def conditions_shown(cls) -> Mapping[str, Condition]:
        kinds = TRIAL_KINDS.entries()
        common = {
            name: when("kind", *(kind for kind in kinds if name in kinds[kind].applicable)) for name in COMMON
        }
        common |= {
            name: when("kind", *(kind for kind in kinds if kinds[kind].shows in shown))
            for name, shown in SOURCES.items()
        }
        showing = (kind for kind in kinds if kinds[kind].shows != "nothing")
        common["most_of_scene"] = when("kind", *showing)
        settings = all_settings()
        common |= {field: condition_of(setting) for field, setting in settings.items()}
        listed = next((field for field, own in settings.items() if own.name == LISTED_PAIRS), "")
        return common | ({PAIRS_FILE: common[listed]} if listed else {})

    def clean(self) -> dict[str, Any]:
        """Read the settings of the chosen kind; what is wrong stands at its field."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        kind = data.get("kind")
        if kind not in TRIAL_KINDS.names():
            return data  # its own field says so
        if data.get("constructs") and "constructs" not in TRIAL_KINDS.load(kind).applicable:
            self.add_error("constructs", f"Blocks of kind “{kind}” ask about no constructs.")
        own = fields_of(kind)
        self.read_pairs_file(data, kind)
        if any(field in self.errors for field in own):
            return data
        values = read_parameters(data, own)
        for field, problem in self.setting_problems(kind, own, values):
            self.add_error(field, problem)
        self.instance.settings = values
        return data

    def read_pairs_file(self, data: dict[str, Any], kind: str) -> None:
        """Take the list of pairs from an uploaded file, where there is one."""
        upload = data.get(PAIRS_FILE)
        field = next((name for name, (setting, _) in fields_of(kind).items() if setting == LISTED_PAIRS), "")
        if not upload or not field:
            return
        try:
            data[field] = decoded_text(upload.read(), upload.name).strip()
        except InputError as error:
            self.add_error(PAIRS_FILE, str(error))

    def setting_problems(
        self, kind: str, own: Mapping[str, tuple[str, Schema]], values: Mapping[str, Any]
    ) -> Iterator[tuple[str, str]]:
        """Yield (field, problem) of settings; what else a block lacks is in the way of freezing the study."""
        constructs = [row.name for row in self.cleaned_data.get("constructs") or ()]
        block = {"kind": kind, "name": "block", "trials": 1, "constructs": constructs, **values}
        try:
            read(TRIAL_KINDS.load(kind).block, block, source=f"block of kind {kind}")
        except ShapeError as error:
            places = {name: field for field, (name, _) in own.items()}
            for line in error.problems:
                path, _, problem = line.partition(": ")
                name = path.partition(".")[0].partition("[")[0]
                if name in places:
                    yield places[name], f"{own[places[name]][1].get('title', name)} {problem}"


def block_form() -> type[BlockForm]:
    """Make the form for the kinds of trials that are registered now."""
    fields: dict[str, forms.Field] = {
        field: form_field(setting.schema) for field, setting in all_settings().items()
    }
    fields |= {name: form_field(schema) for name, schema in BRANCHING.items()}
    fields[PAIRS_FILE] = forms.FileField(
        label="List of pairs from a file",
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text="A CSV. It takes the place of what is typed above.",
    )
    return type("BlockForm", (BlockForm,), dict(fields))


class BlockFormSet(BaseInlineFormSet):
    """The blocks of a study, each with a place of its own."""

    def clean(self) -> None:
        whole = [form for form in self.forms if hasattr(form, "cleaned_data")]
        kept = [form for form in whole if not form.cleaned_data.get(DELETION_FIELD_NAME)]
        taken = [order for form in kept if (order := form.cleaned_data.get("order")) is not None]
        last = max(taken, default=0)
        for form in kept:
            if form.cleaned_data and form.cleaned_data.get("order") is None:
                last += 1
                form.cleaned_data["order"] = form.instance.order = last
        super().clean()
