"""Feature spaces: added, checked, and noted on first use. Changes are audited."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.digest import digest_file
from almond.encoding.config.features import TABLES
from almond.errors import InputError
from encoder.models import FeatureSpace
from encoder.services import feature_values


@transaction.atomic
def create_feature_space(
    *,
    name: str,
    by: User | None,
    kind: str = "world",
    path: Path | str = "",
    spec: Mapping[str, Any] | None = None,
) -> FeatureSpace:
    """Add a feature space. The contents of a table or network are checked against the runs when it is used.

    :raises InputError: see ``check_feature_space``.
    """
    check_feature_space(kind=kind, path=path, spec=spec or {})
    digest = digest_file(Path(path)) if kind == "table" and os.path.isfile(path) else ""
    space = FeatureSpace.objects.create(name=name, kind=kind, path=str(path), spec=spec or {}, digest=digest)
    record(verb="create", subject=space, by=by, digest=digest)
    return space


def check_feature_space(*, kind: str, path: Path | str, spec: Mapping[str, Any]) -> None:
    """Check the description of a feature space.

    :raises InputError: a file that is no table, or settings that the kind does not take.
    """
    if kind == "table":
        check_table_file(Path(path))
    value = {"kind": kind, **spec, **({"path": str(path)} if path else {})}
    feature_values.read_value(value)


def check_table_file(path: Path) -> Path:
    """Check the path of a table: a file, or a pattern with ``{subject}`` or ``{run}``, filled in by each fit.

    :raises InputError: no such file, or an ending of another kind of file.
    """
    pattern = "{subject}" in str(path) or "{run}" in str(path)
    if path.suffix not in TABLES or not (pattern or os.path.isfile(path)):
        raise InputError(
            path,
            "is not a table of features",
            "a .csv, .tsv, .npy or .npz file, a .mat or a .parquet on this server",
        )
    return path


@transaction.atomic
def note_feature_space(
    *,
    space: FeatureSpace,
    digest: str,
    dimension: int | None,
    by: User | None,
    files: Mapping[str, str] | None = None,
) -> FeatureSpace:
    """Store digests and dimension when a feature space is first used, and compare them from then on.

    :param digest: of the feature space; a table keeps the digest of its file.
    :param files: path -> digest of the files that the features depend on.
    :raises InputError: the digest differs from the stored one.
    """
    if space.is_table:
        digest = space.digest or digest
    if space.digest and space.digest != digest:
        raise InputError(
            space.name, "its weights or table changed since it was first used", "the same file as before"
        )
    known = {**(files or {}), **space.file_digests}
    if (space.digest, space.dimension, space.file_digests) != (digest, dimension, known):
        space.digest, space.dimension, space.file_digests = digest, dimension, known
        space.save(update_fields=["digest", "dimension", "file_digests"])
        record(verb="note", subject=space, by=by, digest=digest, dimension=dimension)
    return space
