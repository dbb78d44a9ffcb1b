"""The section of a report that lists what was doubtful about the inputs of fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from almond.remarks import Remark
from almond.report.document import Section, Table

MANY = 12
"""Rows from which on the table is folded."""


def remarks_section(rows: Sequence[Mapping[str, str]]) -> tuple[Section, ...]:
    """Write the rows of ``almond.remarks.remark_rows`` as a section; none where there is no remark."""
    if not rows:
        return ()
    cells = []
    for row in rows:
        remark = Remark(row["kind"], row["source"], row["about"], row["text"])
        said = f"{remark.source} {remark.text}"
        cells.append((f"sub-{row['subject']}", remark.about, remark.heading, said))
    count = f"{len(cells)} remark{'' if len(cells) == 1 else 's'}"
    return (
        Section(
            title="Remarks",
            paragraphs=(
                "What was doubtful about the runs and regions when these encoders were fitted, and what was "
                "done. docs/remarks.md has a section under each kind\u2019s name.",
            ),
            tables=(
                Table(
                    ("subject", "run or region", "kind", "remark"),
                    tuple(cells),
                    text=(0, 1, 2, 3),
                    wrapped=(1, 2, 3),
                    folded=count if len(cells) > MANY else "",
                ),
            ),
        ),
    )
