"""Families: encoding models that learn from all subjects at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from almond.encoding.artifacts import provenance
from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.bold.select import all_runs, subjects_of
from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.multisubject.subject_arrays import SubjectArrays, check_together
from almond.encoding.pipeline.design_matrix import read_subject
from almond.encoding.pipeline.encoders.base import FamilyModel
from almond.encoding.pipeline.inputs import Inputs, gather_inputs
from almond.encoding.pipeline.subject_fit import dropped_voxels
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.remarks import Remarks


def families_of(config: FitConfig) -> list[str]:
    """Return the names of the configuration's families, in its order."""
    return [name for name in config.models if isinstance(ENCODING_MODELS.load(name), FamilyModel)]


def fit_families(config: FitConfig, *, out: Path, progress: Progress) -> list[FittedRegion]:
    """Fit the models that learn from all subjects at once; an empty list when the configuration has none."""
    families = families_of(config)
    if not families:
        return []
    runs, subjects = all_runs(config), subjects_of(config)
    arrays = []
    for number, subject in enumerate(subjects):
        part = Part(progress, 0.3 * number / len(subjects), 0.3 * (number + 1) / len(subjects))
        arrays.append(_arrays(gather_inputs(config, subject, out=out, progress=part, runs=runs), part))
    fitted: list[FittedRegion] = []
    for number, model in enumerate(families):
        borders = [0.3 + 0.7 * place / len(families) for place in (number, number + 1)]
        # Its own settings alone: other models' sections change nothing that this one fits.
        own = config.model_copy(update={"models": (model,)})
        fitted += fit_family(model, own, arrays, out, Part(progress, *borders))
    return fitted


def fit_family(
    model: str, config: FitConfig, subjects: Sequence[SubjectArrays], out: Path, progress: Progress
) -> list[FittedRegion]:
    """Fit one family to all subjects at once; artifacts below ``out``.

    What was made from exactly these numbers and settings before is found and returned.

    :raises InputError: not a family, no subject, or subjects that do not fit together.
    """
    family = ENCODING_MODELS.load(model)
    if not isinstance(family, FamilyModel):
        raise InputError("model", f"is {model!r}, which learns from each subject alone", "a family")
    check_together(subjects)
    if config.target != "voxels":
        raise InputError("target", f"is {config.target}, but {model} maps to voxels", "voxels")
    return family.load_fit()(config, subjects, out, progress)


def _arrays(inputs: Inputs, progress: Progress) -> SubjectArrays:
    config = inputs.config
    data = read_subject(config, inputs.regions, inputs.scans, inputs.predictors, progress)
    inputs.check_strict(data.remarks)
    remarks, names = Remarks([*inputs.remarks, *data.remarks]), [region.name for region in inputs.regions]
    noise = inputs.noise()
    columns = {region.name: data.columns(region, inputs.subject) for region in inputs.regions}
    root = config.dataset or config.base
    return SubjectArrays(
        subject=inputs.subject,
        x=data.x,
        bold=data.bold,
        voxels=data.voxels,
        columns=columns,
        lengths=data.lengths,
        tr=data.tr,
        feature_space=inputs.card,
        mask_digests={region.name: region.digest for region in inputs.regions},
        dropped={
            region.name: dropped_voxels(region, data.voxels[columns[region.name]])
            for region in inputs.regions
        },
        grid=inputs.grid_json,
        provenance={
            **inputs.provenance,
            "regions": {region.name: provenance.of_region(region, root) for region in inputs.regions},
        },
        null_x=None if noise is None else noise.x,
        remarks={
            region: remarks.as_metrics(without=[name for name in names if name != region]) for region in names
        },
    )
