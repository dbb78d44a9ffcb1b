"""The form of a feature space: only what its kind needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from almond.encoding.config.features import FEATURE_KINDS, feature_keys
from encoder import services
from encoder.admin.forms.common import choice, given, names, number, numbers, text, whole
from encoder.models import FeatureSpace
from lab.conditional_fields import Condition, ConditionalFields, filled, when
from lab.written_once import RowForm, said_in

POOLS = [("", "all values"), ("mean", "mean over places or tokens"), ("first", "first token (class)")]
ROWS = [
    ("", "as the file says; not certain is an error"),
    ("time", "a row per frame, volume or stimulus"),
    ("features", "a row per feature"),
]
FIELDS = {"model": "network"}
KEYS = {
    "variable": "variable",
    "rows": "rows",
    "interval": "interval",
    "weights": "weights",
    "layer": "layer",
    "network": "model",
    "pretrained": "pretrained",
    "pool": "pool",
    "resize": "resize",
    "range": "range",
    "scale": "scale",
    "video": "video",
    "every": "every",
}
"""Field -> key of a specification, for those that are taken as they are typed."""

ASKED = {
    "path": "path",
    "conditions": "conditions",
    "folder": "path",
    "mean": "mean",
    "std": "std",
    **KEYS,
}


OF_A_KIND = {"path": "table", "interval": "table", "folder": "transformers"}
"""Field -> the only kind that it is asked for, where its key alone does not say so."""


def shown_when() -> dict[str, Condition]:
    """When a field has a meaning."""
    keys = {kind: feature_keys(kind) for kind in FEATURE_KINDS.names()}
    kinds = {field: [kind for kind in keys if key in keys[kind]] for field, key in ASKED.items()}
    kinds |= {field: [kind] for field, kind in OF_A_KIND.items()}
    return {field: when("kind", *names) for field, names in kinds.items()} | {"every": filled("video")}


class FeatureSpaceForm(ConditionalFields, RowForm):
    shown_when = shown_when()

    conditions = text("Values of trial_type, separated by commas. Empty: all of them.")
    variable = text("Of a .mat with several variables, or the array of an .npz.")
    rows = choice(ROWS, "Which way the table lies.")
    interval = number("Seconds from row to row. Empty: a row per volume.", least=0)
    network = text(
        "Its name in the library; for PyTorch package.module:factory.", placeholder="vit_base_patch16_224"
    )
    pretrained = text("Tag of published weights that are on this server already, instead of a file.")
    weights = text(
        "File of weights (.pt, .pth, .safetensors). For EmoNet empty: those that `almond weights` fetched.",
        label="Weights file",
    )
    folder = text("Of the model, as transformers saves it.", label="Folder")
    layer = text("Empty: fc7 for EmoNet, the last one for others.", placeholder="fc7")
    pool = choice(POOLS, "What is kept of a layer with places or tokens.")
    resize = whole("Side in pixels that the network takes.", least=1)
    range = choice([("", "0 to 1"), ("255", "0 to 255")], "Values of pixels before mean and scale.")
    mean = text("Subtracted: three numbers (red, green, blue), or a file with a mean image.")
    std = text("Divided by: three numbers (red, green, blue).", label="Standard deviation")
    scale = number("Factor after all that.")
    video = text("A film that subjects saw as one. Empty: the images that the events name.", label="Film")
    every = whole("Every how many frames. Empty: 5, as published.", least=1)

    class Meta:
        model = FeatureSpace
        fields = ["name", "kind", "path"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        kind = data.get("kind")
        table = data.get("path") if kind == FeatureSpace.Kind.TABLE else ""
        if data.get("path") and kind != FeatureSpace.Kind.TABLE:
            self.add_error("path", "Only a table has a file.")
        fields = {**FIELDS, "path": "folder"} if kind == FeatureSpace.Kind.TRANSFORMERS else FIELDS
        if kind == FeatureSpace.Kind.TABLE:
            with said_in(self, at="path"):
                services.check_table_file(Path(table or ""))
        if not self.errors:
            with said_in(self, fields=fields):
                data["spec"] = self._spec(str(kind), data)
                services.check_feature_space(kind=str(kind), path=table or "", spec=data["spec"])
        return data

    def _spec(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Only what has a meaning for the kind: fields that are hidden may still hold what was typed."""
        keys = feature_keys(kind)
        wanted = (*keys, "interval") if kind == FeatureSpace.Kind.TABLE else keys
        found = {KEYS[field]: value for field, value in given(data, list(KEYS)).items()}
        if "range" in found:
            found["range"] = int(found["range"])
        if not found.get("video"):
            found.pop("every", None)
        if data.get("conditions"):
            found["conditions"] = names(data["conditions"])
        for key in ("mean", "std"):
            if data.get(key):
                is_file = key == "mean" and os.path.isfile(data[key])
                found[key] = data[key] if is_file else numbers(data[key], key)
        if kind == FeatureSpace.Kind.TRANSFORMERS:
            found["path"] = data.get("folder", "")
        return {key: value for key, value in found.items() if key in wanted}
