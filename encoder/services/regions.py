"""Regions of interest: added and checked. Changes are audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from encoder.models import Dataset, Region
from encoder.services import region_values
from encoder.services.nifti_files import check_nifti_file


@transaction.atomic
def add_region(
    *,
    dataset: Dataset,
    name: str,
    by: User | None,
    mask_path: Path | str = "",
    kind: str = "mask",
    spec: Mapping[str, Any] | None = None,
    parts: Sequence[Region] = (),
) -> Region:
    """Add a region: a mask, or a specification as in a configuration of a fit.

    Its digest is stored, so that a changed file is noticed when the region is used.

    :param spec: what the configuration says beside the mask or the parts.
    :param parts: regions of a union or difference; their specifications are copied into that of the region.
    :raises InputError: see ``check_region``.
    """
    value = check_region(
        dataset=dataset, name=name, mask_path=Path(mask_path), kind=kind, spec=spec or {}, parts=parts
    )
    root = Path(dataset.root)
    region = Region.objects.create(
        dataset=dataset,
        name=name,
        kind=kind,
        mask_path=str(mask_path) if kind == "mask" else "",
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
    kind: str = "mask",
    spec: Mapping[str, Any] | None = None,
    parts: Sequence[Region] = (),
) -> Any:
    """Return what a configuration would say of the region.

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
    elif kind == "mask":
        check_nifti_file(mask_path)
        value = {"mask": str(mask_path), **extra} if extra else str(mask_path)
    else:
        value = extra
    region_values.check_labels(region_values.read_value(value, Path(dataset.root)))
    return value


def check_region_name(name: str) -> None:
    """Check a region's name.

    :raises InputError: empty, too long, or with characters that cannot be printed.
    """
    longest = Region._meta.get_field("name").max_length or 0
    if not name.strip() or len(name) > longest or not name.isprintable():
        raise InputError("name", f"{name[:longest]!r} cannot name a region", f"1 to {longest} characters")
