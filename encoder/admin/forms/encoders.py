"""The form of an encoder: what is fitted and how it is judged. Empty fields mean what is usual, or what the
preset says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from almond.encoding.config.prediction import SUFFIX
from almond.errors import InputError
from encoder import services
from encoder.admin.forms.common import (
    choice,
    dataset_field,
    given,
    joined,
    lines,
    names,
    number,
    numbers,
    pairs,
    settings,
    text,
    whole,
)
from encoder.models import Encoder
from lab.conditional_fields import Condition, ConditionalFields, filled, unless, when
from lab.written_once import RowForm, said_in

PRESETS = [
    ("", "none: the defaults"),
    ("paper-amygdala", "paper-amygdala: whole amygdala and control regions, as published"),
    ("paper-subregions", "paper-subregions: subregions of the amygdala, as published"),
]
PRESET_WORDS = """
<p><b>What a preset does.</b> It repeats the published analysis of a film (Jang &amp; Kragel 2025), surprises
included: one partial least squares model with exactly 20 components, no detrending and no standardising, all
runs stretched as one onto the film, and five folds of <em>single volumes drawn at random</em>.
<em>paper-amygdala</em> resamples the features and then convolves them with the response;
<em>paper-subregions</em> does it the other way round, at the rate of the frames, so that the response comes
about five times too early. Any field that you fill in goes before the preset.</p>
<p class="al-warn"><b>Use it to repeat, not to conclude.</b> BOLD is slow, so volumes drawn at random have
their neighbours in the training data: noise then reaches a held-out r of about .3 on real BOLD, and about
0 with contiguous blocks. The noise control beside every result shows how much it is in your data.</p>
"""
FOLDS = [
    ("", "usual: contiguous blocks with a gap"),
    ("blocks", "contiguous blocks with a gap"),
    ("runs", "one run left out"),
    ("random", "single volumes at random: inflated"),
]
ORDERS = [
    ("", "usual: resample with anti-alias, then convolve, run by run"),
    ("default", "resample with anti-alias, then convolve, run by run"),
    ("paper-amygdala", "paper-amygdala: the film as one, resample, then convolve"),
    ("paper-subregions", "paper-subregions: the film as one, convolve, then resample"),
]
RESPONSES = [
    ("", "usual: SPM's canonical response"),
    ("spm", "SPM's canonical response"),
    ("spm+derivative", "with its time derivative"),
    ("spm+derivatives", "with time and dispersion derivatives"),
    ("fir", "finite impulse response at the delays below"),
    ("none", "none: features are convolved already"),
]
TARGETS = [("", "usual: every voxel"), ("voxels", "every voxel"), ("mean", "the mean of the region")]
DETREND = [("", "usual: a line per run"), ("linear", "a line per run"), ("none", "none")]
SCALING = [("", "usual: yes"), ("yes", "yes, per voxel and run"), ("no", "no")]
CENSOR = [("", "—"), ("drop", "the files lack the volumes"), ("zero-filled", "the files still hold them")]

FIELDS = {
    "dataset": "of_dataset",
    "features": "feature_space",
    "folder": "weights_folder",
    "names": "region_names",
}
"""Setting -> field that asks for it, where the names differ."""

PLAIN = (
    "preset", "components", "folds", "gap", "crossvalidation", "target", "order", "hrf", "detrend",
    "high_pass", "permutations", "task",
)  # fmt: skip
FITTED = unless("model", "imported")
IMPORTED = ("weights_folder", "suffix", "region_names")
FIELDSETS = (
    (None, ("name", "model", "of_dataset", "feature_space", "more_spaces", "regions", *IMPORTED)),
    ("Preset", ("preset",)),
    ("How it is judged", ("crossvalidation", ("folds", "gap"), ("null_control", "permutations"), "repeats")),
    ("What is fitted", ("components", "target", "task", "further")),
    (
        "How features meet BOLD",
        ("order", "hrf", "delays", ("detrend", "standardise"), "high_pass", "confounds", "confound_path",
         "censor", "censor_mode"),
    ),
)  # fmt: skip
"""Title -> fields; all but the first have a meaning only where something is fitted."""


def shown_when() -> dict[str, Condition]:
    """When a field has a meaning."""
    rows = [row for _, rows in FIELDSETS[1:] for row in rows]
    flat = [name for row in rows for name in ((row,) if isinstance(row, str) else row)]
    return {
        **dict.fromkeys([*flat, "of_dataset", "regions"], FITTED),
        **dict.fromkeys(IMPORTED, when("model", "imported")),
        "more_spaces": when("model", "banded"),
        "components": when("model", "pls"),
        "delays": when("hrf", "fir"),
        "confound_path": filled("confounds"),
        "censor_mode": filled("censor"),
    }


class EncoderForm(ConditionalFields, RowForm):
    shown_when = shown_when()

    of_dataset = dataset_field(required=False)
    weights_folder = text(
        "On this server: files such as meanbeta_sub-1_LB_….csv (one column Var1) or beta_sub-1_LB_….mat.",
        label="Folder of weights",
    )
    suffix = text("How the names of the files end.", placeholder=SUFFIX)
    region_names = lines(
        "Where the files call a region otherwise: ours = theirs, one per line.",
        placeholder="LB = Amygdala_LB_",
        rows=3,
    )
    preset = choice(PRESETS)
    crossvalidation = choice(FOLDS, "What is held out.", label="Folds")
    folds = whole("Empty: 5.", least=2, label="Number of folds", placeholder="5")
    gap = number("Seconds left out on both sides of a held-out block. Empty: 10.", least=0, placeholder="10")
    components = whole(
        "The largest number that partial least squares may choose, by contiguous folds inside the training "
        "data. Empty: 20. With a preset: this very number.",
        least=1,
        placeholder="20",
    )
    target = choice(TARGETS, "One model per voxel, or one of the region's mean.", label="Predicted")
    task = text("Where the dataset has several.", placeholder="rest")
    null_control = whole(
        "Noise features as slow as the real ones, fitted and judged in the same way. Empty: 300; 0: none.",
        least=0,
        label="Noise features",
        placeholder="300",
    )
    permutations = whole("Shifts of whole blocks against which r is tested. Empty: none.", least=0)
    repeats = text(
        "For the noise ceiling: a column of the events whose equal values are the same stimulus, such as "
        "stim_file, or runs where all runs of a subject show the same.",
    )
    order = choice(ORDERS, "Published analyses stretch all runs as one onto the film.")
    hrf = choice(RESPONSES, "How BOLD follows a feature.", label="Response")
    delays = text("Seconds, separated by commas.", placeholder="2, 4, 6, 8")
    detrend = choice(DETREND, "Taken out of BOLD and predictors alike.")
    standardise = choice(SCALING, "BOLD to mean 0 and standard deviation 1.")
    high_pass = number("Cut-off in Hz: 0.0078 is 128 s. Empty: none.", label="High-pass")
    confounds = text("Columns by name or pattern. Empty: none.", placeholder="trans_*, rot_*, csf")
    confound_path = text(
        "Where the tables lie, with {subject}, {run}. Empty: beside the runs.", label="Confound tables"
    )
    censor = text("Pattern of the vectors of censored volumes, with {subject}, {run}. Empty: none.")
    censor_mode = choice(CENSOR, "Whether the BOLD files lack them.", label="Censored volumes")
    further = lines(
        "Any other setting of `almond fit`, one per line as in its YAML file: penalties, shared, flow, …",
        label="Further settings",
        placeholder="penalties: [1, 10, 100]",
    )

    class Meta:
        model = Encoder
        fields = ["name", "feature_space", "more_spaces", "model", "regions"]
        widgets = {
            "regions": UnfoldAdminCheckboxSelectMultipleWidget,
            "more_spaces": UnfoldAdminCheckboxSelectMultipleWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("regions", "more_spaces"):
            if name in self.fields:
                self.fields[name].required = False
        if "regions" in self.fields:
            known = self.fields["regions"].queryset  # type: ignore[attr-defined]
            chosen = known.exclude(kind="weights").select_related("dataset")
            self.fields["regions"].queryset = chosen  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("model") == Encoder.Model.IMPORTED:
            self._clean_weights(data)
            return data
        if not data.get("of_dataset"):
            self.add_error("of_dataset", "This field is required.")
        with said_in(self, fields=FIELDS, otherwise="further"):
            data["config"] = self._config(data)
        if not self.errors:
            with said_in(self, fields=FIELDS, otherwise="further"):
                services.check_encoder(
                    name=data["name"],
                    dataset=data["of_dataset"],
                    feature_space=data["feature_space"],
                    more_spaces=list(data["more_spaces"]),
                    regions=list(data["regions"]),
                    model=data["model"],
                    config=data["config"],
                )
        return data

    def _clean_weights(self, data: dict[str, Any]) -> None:
        data["suffix"] = data.get("suffix") or SUFFIX
        if self.errors:
            return
        with said_in(self, fields=FIELDS, otherwise="weights_folder"):
            data["named"] = pairs(data["region_names"], "region_names")
            services.check_import(
                name=data["name"],
                folder=Path(data["weights_folder"]),
                suffix=data["suffix"],
                names=data["named"],
            )

    def _config(self, data: dict[str, Any]) -> dict[str, Any]:
        """The settings that were filled in, as a configuration of a fit has them."""
        found = given(data, PLAIN)
        if data.get("delays"):
            found["delays"] = numbers(data["delays"], "delays")
        if data.get("standardise"):
            found["standardise"] = data["standardise"] == "yes"
        if data.get("null_control") is not None:
            found["null_control"] = {"features": data["null_control"]} if data["null_control"] else False
        if data.get("repeats"):
            found["repeats"] = {"by": data["repeats"]}
        if data.get("confounds"):
            place = {"path": data["confound_path"]} if data.get("confound_path") else {}
            found["confounds"] = {"columns": names(data["confounds"]), **place}
        if data.get("censor"):
            if not data.get("censor_mode"):
                raise InputError("censor_mode", "was not chosen", "whether the BOLD files lack the volumes")
            found["censor"] = {"path": data["censor"], "mode": data["censor_mode"]}
        return joined(found, settings(data.get("further") or ""))
