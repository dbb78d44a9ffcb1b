"""Downloads of the encoding pages: artifacts, mean weights, maps. Loads no image library."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.http import FileResponse, Http404

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.artifacts.mean_weight_files import as_csv, file_name
from almond.errors import InputError
from almond.files.folders import visible
from encoder.models import EncoderVersion

MAP_TYPES = {
    "slices.png": "image/png",
    "heldout_r.nii.gz": "application/gzip",
    "maps.json": "application/json",
}


def zipped(files: Sequence[tuple[str, bytes]], name: str) -> FileResponse:
    """Send (name, bytes) of each file as a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for inner, data in files:
            archive.writestr(inner, data)
    stream.seek(0)
    return FileResponse(stream, as_attachment=True, filename=name, content_type="application/zip")


def artifact_zip(version: EncoderVersion) -> FileResponse:
    """Send the artifact's folder as a zip file named by its digest."""
    folder = Path(version.path)
    if not folder.is_dir():
        raise Http404("the artifact's folder is not on this server")
    files = [file for file in visible(folder.iterdir()) if file.is_file()]
    name = f"{version.region.name}-sub-{version.subject}-{version.digest[:12]}.zip"
    return zipped([(f"{version.digest}/{file.name}", file.read_bytes()) for file in files], name)


def betas_zip(versions: Sequence[EncoderVersion], name: str) -> FileResponse:
    """Send the mean weights of each version in the file format of the published analysis.

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
    """Send one file of a folder; 404 for a name that leads out of the folder or does not exist."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise Http404
    return FileResponse(
        path.open("rb"), as_attachment=bool(attach), filename=attach, content_type=content_type
    )


def maps_zip(versions: Sequence[EncoderVersion], name: str) -> FileResponse:
    """Send every map of held-out r as NIfTI.

    :raises InputError: no map is drawn yet.
    """
    files = [
        (
            f"sub-{version.subject}_{version.region.name}_heldout_r.nii.gz",
            (version.pictures / "heldout_r.nii.gz").read_bytes(),
        )
        for version in versions
        if (version.pictures / "heldout_r.nii.gz").is_file()
    ]
    if not files:
        raise InputError("maps", "none are drawn yet", "fitted regions whose maps were drawn")
    return zipped(files, name)


def row_number(text: Any) -> int:
    """Read a row's number from an address; 404 for anything else."""
    if not str(text).isdigit():
        raise Http404
    return int(text)
