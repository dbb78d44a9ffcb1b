"""The form of a feature space: only what its kind needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from encoder import choices
from encoder.models import FeatureSpace
from encoder.services.feature_spaces import check_feature_space, check_table_file
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import Condition, ConditionalFields, filled, when
from lab.fields import choice_field, lines_field, number_field, text_field, whole_field
from lab.typed_values import filled_in, merged, read_names, read_numbers, read_settings

TABLE = "table"
POOLS = [("", "all values"), ("mean", "mean over positions or tokens"), ("first", "first (class) token")]
ROWS = [
    ("", "as the file tells; an error where it is ambiguous"),
    ("time", "one row per frame, volume or stimulus"),
    ("features", "one row per feature"),
]
KEYS = {"network": "model"}
"""Field -> key of a specification, where the names differ."""

TYPED = (
    "conditions", "variable", "rows", "interval", "network", "pretrained", "weights", "layer", "pool",
    "resize", "range", "mean", "std", "scale", "video", "every",
)  # fmt: skip
"""Fields that ask for a key of some kind. A kind's other keys go into ``further``."""


def key_of(field: str) -> str:
    """Return the key of a specification that a field asks for."""
    return KEYS.get(field, field)


def declared_keys(kind: str) -> tuple[str, ...]:
    """List the keys of a kind, with the seconds between rows of a table."""
    return (*choices.feature_keys(kind), "interval") if kind == TABLE else choices.feature_keys(kind)


def other_keys(kind: str) -> set[str]:
    """List the keys of a kind that no field asks for."""
    return set(choices.feature_keys(kind)) - {"path", *map(key_of, TYPED)}


def has_folder(kind: str) -> bool:
    """Whether the path of a kind is the folder of a model; that of a table is a file."""
    return kind != TABLE and "path" in choices.feature_keys(kind)


class FeatureSpaceForm(ConditionalFields, RowForm):
    conditions = text_field("Values of trial_type, separated by commas. Empty: all of them.")
    variable = text_field("The variable of a .mat file, or the array of an .npz file, that holds several.")
    rows = choice_field(ROWS, "Orientation of the table.")
    interval = number_field("Seconds from row to row. Empty: one row per volume.", least=0)
    network = text_field(
        "Name of the network in its library; for PyTorch package.module:factory.",
        placeholder="vit_base_patch16_224",
    )
    pretrained = text_field("Tag of published weights that are already on this server, instead of a file.")
    weights = text_field(
        "File of weights (.pt, .pth, .safetensors). For EmoNet empty: those that `almond weights` fetched.",
        label="Weights file",
    )
    folder = text_field("Folder of the model, as transformers saves it.", label="Folder")
    layer = text_field("Empty: fc7 for EmoNet, the last one for others.", placeholder="fc7")
    pool = choice_field(POOLS, "Reduction of a layer with positions or tokens.")
    resize = whole_field("Side of the input images in pixels.", least=1)
    range = choice_field([("", "0 to 1"), ("255", "0 to 255")], "Pixel values before mean and scale.")
    mean = text_field("Subtracted: three numbers (red, green, blue), or a file with a mean image.")
    std = text_field("Divided by: three numbers (red, green, blue).", label="Standard deviation")
    scale = number_field("Factor after mean and standard deviation.")
    video = text_field(
        "File of the film that subjects saw. Empty: the images that the events name.", label="Film"
    )
    every = whole_field("Use every n-th frame. Empty: 5, as published.", least=1, label="Every n-th frame")

    further = lines_field(
        "Keys of this kind that have no field here, one per line as in a configuration.",
        label="Further keys",
        placeholder="filter: bilinear",
        rows=2,
    )

    class Meta:
        model = FeatureSpace
        fields = ["name", "kind", "path"]

    @classmethod
    def conditions_shown(cls) -> Mapping[str, Condition]:
        """Show each field for the kinds that declare its key."""
        kinds = [name for name, _ in choices.feature_kinds()]
        shown = {
            field: when("kind", *(kind for kind in kinds if key_of(field) in declared_keys(kind)))
            for field in TYPED
        }
        return {
            **shown,
            "path": when("kind", TABLE),
            "folder": when("kind", *filter(has_folder, kinds)),
            "every": filled("video"),
            "further": when("kind", *filter(other_keys, kinds)),
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        kind = str(data.get("kind"))
        table = data.get("path") if kind == TABLE else ""
        if data.get("path") and kind != TABLE:
            self.add_error("path", "Only a table has a file.")
        fields = {key: field for field, key in KEYS.items()}
        if has_folder(kind):
            fields["path"] = "folder"
        if kind == TABLE:
            with errors_shown_on(self, at="path"):
                check_table_file(Path(table or ""))
        if not self.errors:
            with errors_shown_on(self, fields=fields):
                data["spec"] = self._spec(kind, data)
                check_feature_space(kind=kind, path=table or "", spec=data["spec"])
        return data

    def _spec(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Collect the keys that the kind declares: hidden fields may still hold what was typed."""
        typed = {key_of(field): value for field, value in filled_in(data, TYPED).items()}
        if not typed.get("video"):
            typed.pop("every", None)
        if has_folder(kind):
            typed["path"] = data.get("folder", "")
        keys = declared_keys(kind)
        own = {key: read_key(key, value) for key, value in typed.items() if key in keys}
        return merged(own, read_settings(data.get("further") or "")) if other_keys(kind) else own


def read_key(key: str, value: Any) -> Any:
    """Read what is typed into the field of a key."""
    if key == "conditions":
        return read_names(value)
    if key == "range":
        return int(value)
    if key == "std" or (key == "mean" and not os.path.isfile(value)):
        return read_numbers(value, key)
    return value
