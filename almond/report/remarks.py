"""The section of a report that lists what was doubtful about the inputs of fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from almond.remarks import shared_remarks
from almond.report.document import Section, Table


def remarks_section(rows: Sequence[Mapping[str, str]]) -> tuple[Section, ...]:
    """Write the rows of ``almond.remarks.remark_rows`` as a section; none where there is no remark."""
    if not rows:
        return ()
    remarks = shared_remarks(rows)
    said = tuple((remark.heading, remark.text, str(len(remark.places))) for remark in remarks)
    where = tuple((remark.heading, place) for remark in remarks for place in remark.places)
    return (
        Section(
            title="Remarks",
            paragraphs=(
                "What was doubtful about the runs and regions when these encoders were fitted, and what was "
                "done. docs/remarks.md has a section under each kind\u2019s name.",
            ),
            tables=(
                Table(("kind", "remark", "files"), said, text=(0, 1), wrapped=(0, 1)),
                Table(("kind", "where"), where, text=(0, 1), wrapped=(0, 1), folded="files of each remark"),
            ),
        ),
    )
