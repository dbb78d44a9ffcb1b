"""Where the files of the encoding pages lie below the lab's home."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


def artifact_root() -> Path:
    """Where fitted encoders lie, each in a folder named by its digest."""
    return Path(settings.ALMOND_HOME) / "artifacts"


def picture_root() -> Path:
    """Where maps of fitted regions lie, each in a folder named by the artifact's digest."""
    return Path(settings.ALMOND_HOME) / "maps"


def report_root() -> Path:
    """Where reports over the subjects of an encoder lie, a folder for each."""
    return Path(settings.ALMOND_HOME) / "encoder-reports"


def target_root() -> Path:
    """Where targets lie, each as JSON and npz named by its digest."""
    return Path(settings.ALMOND_HOME) / "targets"
