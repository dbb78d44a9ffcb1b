"""Runs from the field: each case with its right value and remark, or the error that names file and count."""

import json
import shutil
from pathlib import Path

import pytest

from almond.cli.main import main
from almond.encoding.pipeline.fit import fit, load_config
from almond.errors import InputError
from almond.progress import Silent

CASES = Path(__file__).parent / "cases" / "encoder"
CLEAN = 0.709
FILES = [f"sub-01_task-x_run-{number}" for number in (1, 2)]


def fitted(case, out, **changes):
    """The held-out r of a case and its remarks, as (kind, about, text)."""
    config = load_config(CASES / case / "c.yaml").model_copy(update={"output": out, **changes})
    (item,) = fit(config, progress=Silent()).artifacts
    remarks = [
        (row["kind"], row["about"], f"{row['source']} {row['text']}")
        for row in item.metrics.get("remarks", ())
    ]
    return item.metrics["heldout_r"]["mean"], remarks


def test_undamaged_runs_give_their_number_without_remarks(tmp_path):
    r, remarks = fitted("clean", tmp_path)
    assert r == pytest.approx(CLEAN, abs=0.0005)
    assert remarks == []
    assert fitted("clean", tmp_path, strict=True)[0] == r


def test_start_time_moves_events_as_by_hand(tmp_path):
    r, remarks = fitted("start-time", tmp_path / "out")
    assert [remark[:2] for remark in remarks] == [
        ("start-time", "task-x_run-1"),
        ("start-time", "task-x_run-2"),
    ]
    for name, (_, _, text) in zip(FILES, remarks, strict=True):
        assert text.startswith(f"{name}_bold.nii.gz stands for 1.5 s after the start of each volume")
    moved = tmp_path / "moved"
    shutil.copytree(CASES / "start-time", moved)
    (moved / "ds" / "task-x_bold.json").write_text('{"RepetitionTime": 3.0}')
    for path in moved.glob("ds/sub-01/func/*_events.tsv"):
        head, *rows = path.read_text().splitlines()
        cells = [row.split("\t") for row in rows]
        changed = [
            f"{float(onset) - 1.5}\t{rest}" for onset, rest in ((c[0], "\t".join(c[1:])) for c in cells)
        ]
        path.write_text("\n".join([head, *changed, ""]))
    by_hand, none = fitted(moved, tmp_path / "by-hand")
    assert r == pytest.approx(by_hand, abs=0.001)
    assert r == pytest.approx(0.699, abs=0.001)
    assert none == []


def test_uneven_volumes_are_refused_by_the_name_of_the_field(tmp_path):
    with pytest.raises(InputError, match=rf"{FILES[0]}_bold.nii.gz: .*VolumeTiming .* 0.6 to 2.7 s"):
        fitted("volume-timing", tmp_path)


def test_events_without_duration_are_impulses(tmp_path):
    r, remarks = fitted("zero-duration", tmp_path / "out")
    assert [(kind, text.split(";")[0]) for kind, _, text in remarks] == [
        ("events-duration", f"{FILES[0]}_events.tsv has 6 of 11 events of duration 0"),
        ("events-duration", f"{FILES[1]}_events.tsv has 7 of 13 events of duration 0"),
    ]
    config = load_config(CASES / "zero-duration" / "c.yaml")
    houses = config.features.model_copy(update={"conditions": ("houses",)})
    alone, _ = fitted("zero-duration", tmp_path / "out", spaces={"features": houses})
    assert r == pytest.approx(0.567, abs=0.001)
    assert r > alone + 0.05


def test_onsets_in_milliseconds_are_named_with_their_number(tmp_path):
    message = rf"{FILES[1]}_events.tsv: has 13 of 13 events outside of the run of 180 s .* in milliseconds"
    with pytest.raises(InputError, match=message):
        fitted("onsets-in-ms", tmp_path)


def test_header_against_sidecar_and_configuration(tmp_path, capsys):
    r, remarks = fitted("header-says-2000-s", tmp_path)
    assert r == pytest.approx(CLEAN, abs=0.0005)
    assert [(kind, text) for kind, _, text in remarks] == [
        (
            "repetition-time",
            f"{name}_bold.nii.gz has a repetition time of 2000 s in its header; "
            "2 s of sidecar and tr: were used",
        )
        for name in FILES
    ]
    # What was fitted before is no way around strict.
    config, out = str(CASES / "header-says-2000-s" / "c.yaml"), str(tmp_path)
    assert main(["fit", config, "--out", out, "--strict"]) == 1
    assert "sub-01: has remarks: task-x_run-1: sub-01" in capsys.readouterr().err
    assert main(["fit", config, "--out", out]) == 0
    assert "remark: sub-01 task-x_run-1: sub-01_task-x_run-1_bold.nii.gz has" in capsys.readouterr().out
    assert main(["fit", config, "--out", out, "--json"]) == 0
    (artifact,) = json.loads(capsys.readouterr().out)["artifacts"]
    assert [row["about"] for row in artifact["metrics"]["remarks"]] == ["task-x_run-1", "task-x_run-2"]
