"""Files that leave the encoding pages: artifacts, mean weights, maps. Reads numpy files and no image."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from django.http import FileResponse, Http404

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.artifacts.mean_weight_files import as_csv, file_name
from almond.errors import InputError
from encoder.models import EncoderVersion

MAP_TYPES = {
    "slices.png": "image/png",
    "heldout_r.nii.gz": "application/gzip",
    "maps.json": "application/json",
}


def zipped(files: Sequence[tuple[str, bytes]], name: str) -> FileResponse:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for inner, data in files:
            archive.writestr(inner, data)
    stream.seek(0)
    return FileResponse(stream, as_attachment=True, filename=name, content_type="application/zip")


def artifact_zip(version: EncoderVersion) -> FileResponse:
    """The artifact's folder as a zip file named by its digest."""
    folder = Path(version.path)
    if not folder.is_dir():
        raise Http404("the artifact's folder is not on this server")
    files = sorted(found for found in folder.iterdir() if found.is_file())
    name = f"{version.region.name}-sub-{version.subject}-{version.digest[:12]}.zip"
    return zipped([(f"{version.digest}/{file.name}", file.read_bytes()) for file in files], name)


def betas_zip(versions: Sequence[EncoderVersion], name: str) -> FileResponse:
    """Mean weights of each version as the published analysis names and writes them.

    :raises InputError: no version, a model without weights per feature, or an artifact that changed.
    """
    if not versions:
        raise InputError("betas", "nothing is fitted yet", "one or more fitted regions")
    files = {
        file_name(version.subject, version.region.name): as_csv(
            load_artifact(Path(version.path)).mean_weights
        )
        for version in versions
    }
    return zipped(list(files.items()), name)


def file_of(folder: Path, name: str, content_type: str, *, attach: str = "") -> FileResponse:
    """One file of a folder of ours; 404 for a name that leads out of it or is not there."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise Http404
    return FileResponse(
        path.open("rb"), as_attachment=bool(attach), filename=attach, content_type=content_type
    )


def maps_zip(versions: Sequence[EncoderVersion], name: str) -> FileResponse:
    """Every map of r that is drawn, as NIfTI."""
    files = [
        (
            f"sub-{one.subject}_{one.region.name}_heldout_r.nii.gz",
            (one.pictures / "heldout_r.nii.gz").read_bytes(),
        )
        for one in versions
        if (one.pictures / "heldout_r.nii.gz").is_file()
    ]
    if not files:
        raise InputError("maps", "none are drawn yet", "fitted regions whose maps were drawn")
    return zipped(files, name)
