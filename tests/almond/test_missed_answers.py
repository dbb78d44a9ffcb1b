"""Answers that missed a deadline: in the tables of an export, and in no number of the analysis."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from almond.analysis.analyse import analyse_export
from almond.analysis.study_data import read_study
from almond.errors import InputError
from tests.almond.export_maker import make_export, reseal
from tests.almond.screened_export import read, write


def missed_of(rows: pd.DataFrame) -> pd.Series:
    """Every seventh trial of a table."""
    return rows["response_id"].map({name: n for n, name in enumerate(rows["response_id"].unique())}) % 7 == 3


def with_missed(folder: Path, *, left_out: bool) -> Path:
    """Make an export in which some answers missed the deadline, or of which these are left out."""
    export = make_export(folder)
    for table, emptied in (("ratings", ["value"]), ("choices", ["chosen", "aligned"])):
        rows = read(export, table)
        late = missed_of(rows)
        if left_out:
            write(export, table, rows[~late])
            continue
        rows.loc[late, emptied] = ""
        write(export, table, rows.assign(missed=late.astype(int)))
    reseal(export)
    return export


def test_the_analysis_is_that_of_the_answers_that_were_given(tmp_path: Path) -> None:
    marked = analyse_export(with_missed(tmp_path / "marked", left_out=False), permutations=49).data
    without = analyse_export(with_missed(tmp_path / "without", left_out=True), permutations=49).data
    for name in ("questions", "headline", "ratings"):
        if name in without:
            assert marked[name] == without[name]
    told = [row for row in marked["sample"]["exclusions"] if row["rule"] == "an answer before the deadline"]
    assert [(row["what"], row["count"] > 0) for row in told] == [("responses", True)]
    assert not any("deadline" in row["rule"] for row in without["sample"]["exclusions"])


def test_missed_answers_stand_apart(tmp_path: Path) -> None:
    data = read_study(with_missed(tmp_path / "export", left_out=False))
    assert data.ratings["value"].notna().all()
    assert len(data.missed["ratings"]) > 0
    assert len(data.missed["choices"]) > 0
    assert data.choices["aligned"].isin([0, 1]).all()


def test_an_empty_rating_that_missed_nothing_is_refused(tmp_path: Path) -> None:
    export = make_export(tmp_path / "export")
    rows = read(export, "ratings")
    rows.loc[3, "value"] = ""
    write(export, "ratings", rows.assign(missed=0))
    reseal(export)
    with pytest.raises(InputError, match="column value, row 5"):
        read_study(export)
