"""Time series of regions in tables: the same fit as of the same numbers in an image."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import yaml

from almond.cli.main import main
from almond.encoding.regions.timeseries import find_tables, import_timeseries
from almond.errors import InputError

TR = 1.5


def write_table(path, columns, separator="\t"):
    rows = [
        separator.join(columns),
        *(separator.join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def courses(rng, volumes=40, names=("LB_1", "LB_2", "CM")):
    return {name: [float(value) for value in rng.normal(100, 3, volumes)] for name in names}


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(3)
    made = tmp_path / "tables"
    made.mkdir()
    for subject in ("01", "02"):
        for run in (1, 2):
            name = f"sub-{subject}_task-film_run-{run}"
            write_table(made / f"{name}_timeseries.tsv", courses(rng))
            (made / f"{name}_events.tsv").write_text(
                "onset\tduration\ttrial_type\n" + "".join(f"{3 * k}\t1.5\t{'ab'[k % 2]}\n" for k in range(18))
            )
    return made


def test_columns_become_voxels_and_regions(folder, tmp_path):
    settings = import_timeseries(
        find_tables([folder / "sub-01_task-film_run-2_timeseries.tsv"]),
        tmp_path / "out",
        tr=TR,
        patterns={"LB": "LB_*", "CM": "CM"},
    )
    image = nibabel.load(tmp_path / "out" / settings["runs"][0]["bold"])
    table = np.loadtxt(folder / "sub-01_task-film_run-2_timeseries.tsv", skiprows=1)
    assert image.shape == (3, 1, 1, 40)
    assert image.header.get_zooms()[3] == pytest.approx(TR)
    np.testing.assert_array_equal(image.get_fdata()[:, 0, 0], table.T)
    masks = {
        name: nibabel.load(tmp_path / "out" / path).get_fdata().ravel().tolist()
        for name, path in settings["regions"].items()
    }
    assert masks == {"LB": [1, 1, 0], "CM": [0, 0, 1]}
    assert settings["runs"][0]["subject"] == "01"


def test_one_command_makes_runs_that_fit(folder, tmp_path, capsys):
    out = tmp_path / "made"
    command = ["import-timeseries", str(folder), "--tr", str(TR), "--out", str(out), "--region", "LB=LB_*"]
    # Events lie between the tables; of a folder only time series are read.
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in told["runs"]] == ["task-film_run-1", "task-film_run-2"] * 2
    config = yaml.safe_load((out / "runs.yaml").read_text())
    config |= {"features": {"kind": "events"}, "model": "ridge", "folds": 2, "crossvalidation": "runs"}
    (out / "fit.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", str(out / "fit.yaml")]) == 0
    assert len(list((out / "artifacts").glob("*/artifact.json"))) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x_timeseries.tsv": {"a": [1.0, 2.0]}}, "does not say whose it is"),
        ({"sub-03_timeseries.tsv": {"LB_1": [1.0, 2.0]}}, "differ in CM, LB_2"),
        ({"sub-04_timeseries.tsv": {"LB_1": [1.0], "LB_2": [1.0], "CM": [1.0]}}, "has 1 volumes"),
        (
            {"sub-05_timeseries.tsv": {"LB_1": [1.0, "n/a"], "LB_2": [1, 2], "CM": [1, 2]}},
            "row 3, column LB_1",
        ),
        ({"sub-01_task-film_run-01_timeseries.tsv": {}}, "is the same run as"),
    ],
)
def test_tables_that_do_not_fit_are_named(folder, tmp_path, change, says):
    for name, columns in change.items():
        write_table(folder / name, columns or courses(np.random.default_rng(1)))
    with pytest.raises(InputError, match=says):
        import_timeseries(find_tables([folder]), tmp_path / "out", tr=TR)
    assert not (tmp_path / "out").exists()


def test_settings_that_mean_nothing_are_named(folder, tmp_path):
    tables = find_tables([folder])
    for tr, patterns, says in (
        (0.0, None, "--tr"),
        (TR, {"LB": "LB_9"}, "matches no column"),
        (TR, {"LB": "LB_*", "all": "*"}, "two regions"),
        (TR, {"a/b": "CM"}, "cannot name a file"),
    ):
        with pytest.raises(InputError, match=says):
            import_timeseries(tables, tmp_path / "out", tr=tr, patterns=patterns)
    with pytest.raises(InputError, match="file not found"):
        find_tables([tmp_path / "nothing.tsv"])
    assert main(["import-timeseries", str(folder), "--tr", "2", "--out", "x", "--region", "LB"]) == 1
