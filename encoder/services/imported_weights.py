"""Encoders of weights that were fitted elsewhere and are read from files. Changes are audited."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.encoding.config.prediction import SUFFIX
from almond.errors import InputError
from almond.files.folders import normalised
from encoder import choices
from encoder.models import Dataset, Encoder, FeatureSpace, Region
from jobs.services import enqueue


@transaction.atomic
def import_weights(
    *,
    name: str,
    folder: Path | str,
    feature_space: FeatureSpace,
    by: User | None,
    suffix: str = SUFFIX,
    names: Mapping[str, str] | None = None,
) -> Encoder:
    """Create an encoder of weights in files named as in the published analysis, and enqueue reading them.

    :param suffix: how the names of the files end.
    :param names: region of ours -> name in the files.
    :raises InputError: a name that is taken, or a folder without weights.
    """
    ours = dict(names or {})
    check_import(name=name, folder=Path(folder), suffix=suffix, names=ours)
    pairs = weights_in(Path(folder), suffix=suffix, names=ours)
    subjects = sorted({subject for subject, _ in pairs})
    dataset = Dataset.objects.create(
        name=name,
        root=str(folder),
        kind=Dataset.Kind.WEIGHTS,
        subjects=subjects,
        description="Weights that were fitted elsewhere; their BOLD runs are not on this server.",
    )
    encoder = Encoder.objects.create(
        name=name,
        dataset=dataset,
        feature_space=feature_space,
        model=choices.IMPORTED,
        config={"weights": {"suffix": suffix, "names": ours}},
    )
    for region in sorted({region for _, region in pairs}):
        encoder.regions.add(dataset.regions.create(name=region, kind=choices.WEIGHTS_ONLY))
    record(verb="create", subject=encoder, by=by, folder=str(folder), files=len(pairs))
    ask_for_import(encoder=encoder, by=by)
    return encoder


def ask_for_import(*, encoder: Encoder, by: User | None) -> None:
    """Enqueue the job that reads an encoder's weights."""
    enqueue(
        kind="encoder.import_betas",
        arguments={"encoder": encoder.pk},
        by=by,
        key=f"encoder.import_betas:{encoder.pk}",
    )


def check_import(*, name: str, folder: Path, suffix: str, names: Mapping[str, str]) -> None:
    """Check an import.

    :raises InputError: a name that is taken, or a folder without weights.
    """
    if Encoder.objects.filter(name=name).exists() or Dataset.objects.filter(name=name).exists():
        raise InputError("name", f"{name} is the name of another encoder or dataset", "a name of its own")
    longest = Region._meta.get_field("name").max_length or 0
    for _, region in weights_in(folder, suffix=suffix, names=names):
        if len(region) > longest:
            raise InputError("names", f"{region[:longest]}… is too long", f"1 to {longest} characters")


def weights_in(folder: Path, *, suffix: str, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """List (subject, region) of every file of weights in a folder, from the file names alone.

    :raises InputError: no folder, or no file with such a name.
    """
    if not os.path.isdir(folder):
        raise InputError("folder", "is not a folder on this server", "a folder of mean weights")
    end = re.escape(suffix)
    pattern = re.compile(rf"(?:meanbeta_sub-([^_]+)_(.+)_{end}\.csv|beta_sub-([^_]+)_(.+)_{end}\.mat)")
    ours = {theirs: name for name, theirs in names.items()}
    pairs = set()
    for file in sorted(map(normalised, os.listdir(folder))):
        if match := pattern.fullmatch(file):
            theirs = match[2] or match[4]
            pairs.add((match[1] or match[3], ours.get(theirs, theirs)))
    if not pairs:
        raise InputError("folder", "holds no weights", f"files like meanbeta_sub-1_LB_{suffix}.csv")
    return sorted(pairs)
