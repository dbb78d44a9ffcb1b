"""The form of an encoder: what is fitted and how it is cross-validated. Empty fields mean the default, or
what the preset says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from almond.encoding.config.prediction import SUFFIX
from almond.errors import InputError
from encoder import choices
from encoder.admin.forms.datasets import dataset_field
from encoder.models import Encoder
from encoder.services.encoders import check_encoder
from encoder.services.imported_weights import check_import
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import Condition, ConditionalFields, filled, unless, when
from lab.fields import choice_field, lines_field, number_field, text_field, whole_field
from lab.typed_values import filled_in, merged, read_names, read_numbers, read_pairs, read_settings

PRESET_WORDS = """
<p><b>What a preset does.</b> It repeats the published analysis of a film (Jang &amp; Kragel 2025) exactly,
peculiarities included: one partial least squares model with exactly 20 components, no detrending, no
standardisation, all runs stretched together onto the film, and five folds of <em>single volumes drawn at
random</em>. <em>paper-amygdala</em> resamples the features and then convolves them with the haemodynamic
response; <em>paper-subregions</em> convolves first, at the frame rate, so that the response comes about five
times too early. Any field that you fill in takes precedence over the preset.</p>
<p class="al-warn"><b>Use it to reproduce, not to draw conclusions.</b> BOLD is slow, so volumes drawn at
random have neighbours in the training data: noise features then reach a held-out r of about .3 on real BOLD,
and about 0 with contiguous blocks. The noise control next to every result shows the size of this inflation in
your data.</p>
"""
FOLDS = [
    ("", "default: contiguous blocks with a gap"),
    ("blocks", "contiguous blocks with a gap"),
    ("runs", "leave one run out"),
    ("random", "single volumes at random: inflated r"),
]
ORDERS = [
    ("", "default: resample with an anti-aliasing filter, then convolve, run by run"),
    ("default", "resample with an anti-aliasing filter, then convolve, run by run"),
    ("paper-amygdala", "paper-amygdala: all runs together; resample, then convolve"),
    ("paper-subregions", "paper-subregions: all runs together; convolve, then resample"),
]
RESPONSES = [
    ("", "default: SPM's canonical response"),
    ("spm", "SPM's canonical response"),
    ("spm+derivative", "with its time derivative"),
    ("spm+derivatives", "with time and dispersion derivatives"),
    ("fir", "finite impulse response at given delays"),
    ("none", "none: the features are already convolved"),
]
TARGETS = [("", "default: every voxel"), ("voxels", "every voxel"), ("mean", "the mean of the region")]
DETREND = [("", "default: linear, per run"), ("linear", "linear, per run"), ("none", "none")]
SCALING = [("", "default: yes"), ("yes", "yes, per voxel and run"), ("no", "no")]
CENSOR = [("", "—"), ("drop", "removed from the files"), ("zero-filled", "still in the files")]

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
FITTED = unless("model", choices.IMPORTED)
IMPORTED = ("weights_folder", "suffix", "region_names")
FIELDSETS = (
    (None, ("name", "model", "of_dataset", "feature_space", "more_spaces", "regions", *IMPORTED)),
    ("Preset", ("preset",)),
    (
        "Cross-validation and controls",
        ("crossvalidation", ("folds", "gap"), ("null_control", "permutations"), "repeats"),
    ),
    ("Model", ("components", "target", "task", "further")),
    (
        "Features and BOLD",
        ("order", "hrf", "delays", ("detrend", "standardise"), "high_pass", "confounds", "confound_path",
         "censor", "censor_mode"),
    ),
)  # fmt: skip
"""Title -> fields; all but the first are for models that are fitted."""


def conditions() -> dict[str, Condition]:
    """Map each field to the condition under which it has a meaning."""
    models = [name for name, _ in choices.fitted_models()]
    rows = [row for _, rows in FIELDSETS[1:] for row in rows]
    flat = [name for row in rows for name in ((row,) if isinstance(row, str) else row)]
    return {
        **dict.fromkeys([*flat, "of_dataset", "regions"], FITTED),
        **dict.fromkeys(IMPORTED, when("model", choices.IMPORTED)),
        "more_spaces": when("model", *filter(choices.takes_several_spaces, models)),
        "components": when("model", "pls"),
        "delays": when("hrf", "fir"),
        "confound_path": filled("confounds"),
        "censor_mode": filled("censor"),
    }


def presets() -> list[tuple[str, str]]:
    """List the presets, after none."""
    return [("", "none: the defaults"), *choices.presets()]


class EncoderForm(ConditionalFields, RowForm):
    @classmethod
    def conditions_shown(cls) -> dict[str, Condition]:
        return conditions()

    of_dataset = dataset_field(required=False)
    weights_folder = text_field(
        "On this server, with files such as meanbeta_sub-1_LB_….csv (column Var1) or beta_sub-1_LB_….mat.",
        label="Folder of weights",
    )
    suffix = text_field("End of the file names.", placeholder=SUFFIX)
    region_names = lines_field(
        "Where the files use other names: name here = name in the files, one per line.",
        placeholder="LB = Amygdala_LB_",
        rows=3,
    )
    preset = choice_field(presets)
    crossvalidation = choice_field(FOLDS, "What is held out in each fold.", label="Folds")
    folds = whole_field("Empty: 5.", least=2, label="Number of folds", placeholder="5")
    gap = number_field(
        "Seconds left out on both sides of a held-out block. Empty: 10.", least=0, placeholder="10"
    )
    components = whole_field(
        "The largest number of components; the number is selected by cross-validation inside the training "
        "data. Empty: 20. With a preset: exactly this number.",
        least=1,
        placeholder="20",
    )
    target = choice_field(
        TARGETS, "One model per voxel, or one for the region's mean.", label="Predicted response"
    )
    task = text_field("Only where the dataset has several tasks.", placeholder="rest")
    null_control = whole_field(
        "Number of noise features, as smooth in time as the real ones, fitted and cross-validated in the "
        "same way. Empty: 300; 0: none.",
        least=0,
        label="Noise features",
        placeholder="300",
    )
    permutations = whole_field(
        "Number of block permutations against which r is tested. Empty: none.", least=0
    )
    repeats = text_field(
        "For the noise ceiling: a column of the events that identifies repeated stimuli, such as stim_file; "
        "or “runs” if all runs of a subject show the same stimuli.",
    )
    order = choice_field(ORDERS, "The published analyses stretch all runs together onto the film.")
    hrf = choice_field(RESPONSES, "From features to BOLD.", label="Haemodynamic response")
    delays = text_field("Seconds, separated by commas.", placeholder="2, 4, 6, 8")
    detrend = choice_field(DETREND, "Removed from BOLD and predictors alike.")
    standardise = choice_field(SCALING, "BOLD to mean 0 and standard deviation 1.")
    high_pass = number_field("Cut-off in Hz; 0.0078 is 128 s. Empty: none.", label="High-pass filter")
    confounds = text_field(
        "Columns by name or pattern, separated by commas. Empty: none.", placeholder="trans_*, rot_*, csf"
    )
    confound_path = text_field(
        "Path with {subject} and {run}. Empty: beside the runs.", label="Confound tables"
    )
    censor = text_field("Path of the vectors of censored volumes, with {subject} and {run}. Empty: none.")
    censor_mode = choice_field(
        CENSOR, "Whether the BOLD files still hold the censored volumes.", label="Censored volumes"
    )
    further = lines_field(
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
            regions = self.fields["regions"].queryset  # type: ignore[attr-defined]
            with_voxels = regions.exclude(kind=choices.WEIGHTS_ONLY).select_related("dataset")
            self.fields["regions"].queryset = with_voxels  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("model") == choices.IMPORTED:
            self._clean_weights(data)
            return data
        if not data.get("of_dataset"):
            self.add_error("of_dataset", "This field is required.")
        with errors_shown_on(self, fields=FIELDS, otherwise="further"):
            data["config"] = self._config(data)
        if not self.errors:
            with errors_shown_on(self, fields=FIELDS, otherwise="further"):
                check_encoder(
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
        with errors_shown_on(self, fields=FIELDS, otherwise="weights_folder"):
            data["named"] = read_pairs(data["region_names"], "region_names")
            check_import(
                name=data["name"],
                folder=Path(data["weights_folder"]),
                suffix=data["suffix"],
                names=data["named"],
            )

    def _config(self, data: dict[str, Any]) -> dict[str, Any]:
        """Collect the settings that are filled in, as a configuration of a fit has them."""
        config = filled_in(data, PLAIN)
        if data.get("delays"):
            config["delays"] = read_numbers(data["delays"], "delays")
        if data.get("standardise"):
            config["standardise"] = data["standardise"] == "yes"
        if data.get("null_control") is not None:
            config["null_control"] = {"features": data["null_control"]} if data["null_control"] else False
        if data.get("repeats"):
            config["repeats"] = {"by": data["repeats"]}
        if data.get("confounds"):
            paths = {"path": data["confound_path"]} if data.get("confound_path") else {}
            config["confounds"] = {"columns": read_names(data["confounds"]), **paths}
        if data.get("censor"):
            if not data.get("censor_mode"):
                raise InputError(
                    "censor_mode", "is not selected", "whether the BOLD files still hold the volumes"
                )
            config["censor"] = {"path": data["censor"], "mode": data["censor_mode"]}
        return merged(config, read_settings(data.get("further") or ""))
