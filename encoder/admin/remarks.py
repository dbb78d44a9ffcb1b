"""What was doubtful about the inputs of fits, for the pages of encoders and versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from almond.remarks import Remark, remark_rows
from encoder.models import EncoderVersion


@dataclass
class RemarkGroup:
    """Remarks of one kind: its heading, and (subject, run or region, text) of each."""

    heading: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)


def remark_groups(versions: Iterable[EncoderVersion]) -> list[RemarkGroup]:
    """Group the remarks of fitted regions by kind; what several regions share stands there once."""
    groups: dict[str, RemarkGroup] = {}
    for row in remark_rows({**version.metrics, "subject": version.subject} for version in versions):
        remark = Remark(row["kind"], row["source"], row["about"], row["text"])
        group = groups.setdefault(remark.kind, RemarkGroup(remark.heading))
        group.rows.append((row["subject"], remark.about, f"{remark.source} {remark.text}."))
    return list(groups.values())
