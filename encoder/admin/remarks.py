"""What was doubtful about the inputs of fits, for the pages of encoders and versions."""

from __future__ import annotations

from collections.abc import Iterable

from almond.remarks import SharedRemark, remark_rows, shared_remarks
from encoder.models import EncoderVersion


def remarks_of_versions(versions: Iterable[EncoderVersion]) -> list[SharedRemark]:
    """Collect the remarks of fitted regions; what several files or regions share is said once."""
    rows = remark_rows({**version.metrics, "subject": version.subject} for version in versions)
    return sorted(shared_remarks(rows), key=lambda said: said.heading)
