"""Every change to datasets, encoders and targets: each is audited, and long work is handed to jobs."""

from encoder.services.datasets import create_dataset
from encoder.services.encoders import create_encoder
from encoder.services.feature_spaces import create_feature_space, note_feature_space
from encoder.services.fits import (
    drawing_jobs,
    fit_jobs,
    newest_versions,
    record_version,
    start_drawing,
    start_fit,
)
from encoder.services.imported_weights import ask_for_import, import_weights
from encoder.services.regions import add_region
from encoder.services.reports import ask_for_report, finish_report, is_written, start_report
from encoder.services.targets import (
    ask_for_target,
    finish_target,
    fitted_subjects,
    make_judge,
    make_target,
    make_targets_of_each,
    others_of,
)

__all__ = [
    "add_region",
    "ask_for_import",
    "ask_for_report",
    "ask_for_target",
    "create_dataset",
    "create_encoder",
    "create_feature_space",
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
    "newest_versions",
    "note_feature_space",
    "others_of",
    "record_version",
    "start_drawing",
    "start_fit",
    "start_report",
]
