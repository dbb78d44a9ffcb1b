"""Every change to datasets, encoders and targets: who did it is written down, work is handed to jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.digest import digest_file
from almond.encoding.config.features import TABLES
from almond.errors import InputError
from encoder.models import Dataset, Encoder, FeatureSpace, Region
from encoder.services import feature_values, region_values
from encoder.services.fit_settings import fit_settings, with_defaults
from encoder.services.fitting import (
    described,
    drawing_jobs,
    fit_jobs,
    natural,
    newest_versions,
    note_feature_space,
    plain_numbers,
    record_version,
    start_drawing,
    start_fit,
)
from encoder.services.layout import check_layout, check_mask_file
from encoder.services.reporting import (
    ask_for_import,
    ask_for_report,
    check_import,
    check_report,
    finish_report,
    import_weights,
    is_written,
    start_report,
)
from encoder.services.targeting import (
    REFERENCE_SCENES,
    ask_for_target,
    check_reference,
    check_target,
    finish_target,
    fitted_subjects,
    make_judge,
    make_target,
    make_targets_of_each,
    others_of,
)

__all__ = [
    "REFERENCE_SCENES",
    "ask_for_import",
    "ask_for_report",
    "ask_for_target",
    "check_import",
    "check_reference",
    "check_report",
    "check_target",
    "described",
    "drawing_jobs",
    "finish_report",
    "finish_target",
    "fit_jobs",
    "fitted_subjects",
    "import_weights",
    "is_written",
    "make_judge",
    "make_target",
    "make_targets_of_each",
    "natural",
    "newest_versions",
    "note_feature_space",
    "others_of",
    "plain_numbers",
    "record_version",
    "start_drawing",
    "start_fit",
    "start_report",
]


@transaction.atomic
def create_dataset(
    *,
    name: str,
    root: Path | str,
    by: User | None,
    kind: str = Dataset.Kind.MEASURED,
    description: str = "",
    anatomy: Path | str = "",
) -> Dataset:
    """Add a BIDS folder; ``InputError`` when it is none, or ``anatomy`` is no NIfTI file."""
    layout = check_layout(Path(root))
    if anatomy:
        check_mask_file(Path(anatomy))
    dataset = Dataset.objects.create(
        name=name,
        root=str(root),
        kind=kind,
        description=description,
        anatomy=str(anatomy),
        subjects=list(layout.subjects),
        runs=layout.runs,
    )
    record(verb="create", subject=dataset, by=by, root=str(root), runs=layout.runs)
    return dataset


@transaction.atomic
def add_region(
    *,
    dataset: Dataset,
    name: str,
    by: User | None,
    mask_path: Path | str = "",
    kind: str = Region.Kind.MASK,
    spec: Mapping[str, Any] | None = None,
    parts: Sequence[Region] = (),
) -> Region:
    """Add a region: a mask, or a specification as in a configuration of a fit.

    A union or difference is given by its ``parts``, whose specifications are written out into it; ``spec``
    then holds no more than its side, space and resampling. Its digest is kept, so that a file that changed
    is noticed when it is used.
    """
    value = check_region(
        dataset=dataset, name=name, mask_path=Path(mask_path), kind=kind, spec=spec or {}, parts=parts
    )
    root = Path(dataset.root)
    region = Region.objects.create(
        dataset=dataset,
        name=name,
        kind=kind,
        mask_path=str(mask_path) if kind == Region.Kind.MASK else "",
        spec=value if isinstance(value, dict) else {},
        parts=[part.name for part in parts],
        mask_digest=region_values.digest_of(region_values.read_value(value, root), root),
    )
    record(verb="create", subject=region, by=by, mask=region.mask_digest)
    return region


def check_region(
    *,
    dataset: Dataset,
    name: str,
    mask_path: Path,
    kind: str = Region.Kind.MASK,
    spec: Mapping[str, Any] | None = None,
    parts: Sequence[Region] = (),
) -> Any:
    """What a configuration would say of the region.

    :raises InputError: no name, one that the dataset has already, regions of another dataset, a
        specification that cannot be read, or a file that is no mask.
    """
    check_region_name(name)
    if dataset.regions.filter(name=name).exists():
        raise InputError("name", f"{dataset} already has a region {name}", "a name of its own")
    strangers = [part.name for part in parts if part.dataset_id != dataset.pk or not part.value]
    if strangers:
        raise InputError(
            "parts", f"{', '.join(strangers)} belong to another dataset", f"regions of {dataset}"
        )
    extra = dict(spec or {})
    if kind in region_values.COMBINED:
        value: Any = {kind: region_values.written_out(parts), **extra}
    elif kind == Region.Kind.MASK:
        check_mask_file(mask_path)
        value = {"mask": str(mask_path), **extra} if extra else str(mask_path)
    else:
        value = extra
    region_values.check_labels(region_values.read_value(value, Path(dataset.root)))
    return value


def check_region_name(name: str) -> None:
    longest = Region._meta.get_field("name").max_length or 0
    if not name.strip() or len(name) > longest or not name.isprintable():
        raise InputError("name", f"{name[:longest]!r} cannot name a region", f"1 to {longest} characters")


@transaction.atomic
def create_feature_space(
    *,
    name: str,
    by: User | None,
    kind: str = FeatureSpace.Kind.WORLD,
    path: Path | str = "",
    spec: Mapping[str, Any] | None = None,
) -> FeatureSpace:
    """Add a feature space. What a table or network holds is checked against the runs when it is used."""
    check_feature_space(kind=kind, path=path, spec=spec or {})
    digest = digest_file(Path(path)) if kind == FeatureSpace.Kind.TABLE and os.path.isfile(path) else ""
    space = FeatureSpace.objects.create(name=name, kind=kind, path=str(path), spec=spec or {}, digest=digest)
    record(verb="create", subject=space, by=by, digest=digest)
    return space


def check_feature_space(*, kind: str, path: Path | str, spec: Mapping[str, Any]) -> None:
    """``InputError`` for a table that is none, or settings that the kind cannot be described by."""
    if kind == FeatureSpace.Kind.TABLE:
        check_table_file(Path(path))
    value = {"kind": kind, **spec, **({"path": str(path)} if path else {})}
    feature_values.read_value(value)


def check_table_file(path: Path) -> Path:
    """A file, or a pattern with ``{subject}`` or ``{run}`` whose files are looked for when it is used."""
    pattern = "{subject}" in str(path) or "{run}" in str(path)
    if path.suffix not in TABLES or not (pattern or os.path.isfile(path)):
        raise InputError(
            path,
            "is not a table of features",
            "a .csv, .tsv, .npy or .npz file, a .mat or a .parquet on this server",
        )
    return path


@transaction.atomic
def create_encoder(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Iterable[Region],
    by: User | None,
    model: str = Encoder.Model.PLS,
    config: Mapping[str, Any] | None = None,
    more_spaces: Iterable[FeatureSpace] = (),
) -> Encoder:
    """Describe an encoding model; nothing is fitted yet. ``config`` adds to or replaces the defaults."""
    chosen, further = list(regions), list(more_spaces)
    settings = with_defaults(config or {})
    check_encoder(
        name=name,
        dataset=dataset,
        feature_space=feature_space,
        regions=chosen,
        model=model,
        config=settings,
        more_spaces=further,
    )
    encoder = Encoder.objects.create(
        name=name, dataset=dataset, feature_space=feature_space, model=model, config=settings
    )
    encoder.regions.set(chosen)
    encoder.more_spaces.set(further)
    record(verb="create", subject=encoder, by=by, model=model, config=settings)
    return encoder


def check_encoder(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Sequence[Region],
    model: str,
    config: Mapping[str, Any],
    more_spaces: Sequence[FeatureSpace] = (),
) -> None:
    """``InputError`` for no regions, those of another dataset, or settings that cannot be fitted."""
    strangers = [region.name for region in regions if region.dataset_id != dataset.pk]
    if strangers:
        raise InputError(
            "regions", f"{', '.join(strangers)} belong to another dataset", f"regions of {dataset}"
        )
    if not regions:
        raise InputError("regions", "none were chosen", "one or more")
    if more_spaces and (model != Encoder.Model.BANDED or feature_space in more_spaces):
        raise InputError("more_spaces", "are for banded ridge, each once", "one space, or banded ridge")
    fit_settings(
        name=name,
        dataset=dataset,
        feature_space=feature_space,
        more_spaces=more_spaces,
        regions=regions,
        model=model,
        config=config,
    )
