"""The validation from artifacts and images to its report, against recomputation with other libraries."""

from __future__ import annotations

import json
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from almond.cli.main import main
from almond.encoding.artifacts.catalogue import collect
from almond.encoding.config.fit_config import parse_config
from almond.encoding.features.kinds.world import open_world
from almond.errors import InputError
from almond.norms.validate import validate_norms
from almond.pictures.reading import read_image
from almond.progress import Silent
from tests.almond.normed_maker import REGIONS, SUBJECTS, make_encoders, make_world, mapping

FORMULA = "y ~ valence + arousal + valence:arousal + red + green + blue + high + low"
TERMS = {
    "valence": "valence",
    "arousal": "arousal",
    "valence:arousal": "valence:arousal",
    "power_high": "high",
}


def run(base: Path, out: str, **changes: Any) -> dict[str, Any]:
    config = parse_config(mapping(base, **changes), base)
    return validate_norms(config, collect(config), out=base / out, progress=Silent())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Any, Any]]:
    base = tmp_path_factory.mktemp("normed")
    return base, make_world(base)


@pytest.fixture(scope="module")
def report(world: tuple[Path, dict[Any, Any]]) -> tuple[Path, dict[str, Any]]:
    base, _ = world
    return base / "report", run(base, "report")


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / f"{name}.csv", dtype={"subject": str})


def zscored(values: pd.Series) -> pd.Series:
    return (values - values.mean()) / values.std()


@lru_cache
def own_coefficients(folder: Path, *, z: bool) -> pd.DataFrame:
    """Coefficients per set, subject and region by statsmodels, from the tables alone."""
    images, rows = table(folder, "images"), []
    for (name, subject, region), part in table(folder, "predictions").groupby(["set", "subject", "region"]):
        frame = part.merge(images[images["set"] == name], on="image")
        data = pd.DataFrame({key: zscored(frame[key]) for key in ("valence", "arousal")})
        for short, long in (("red", "median_red"), ("green", "median_green"), ("blue", "median_blue")):
            data[short] = zscored(frame[long])
        data["high"], data["low"] = zscored(frame["power_high"]), zscored(frame["power_low"])
        data["y"] = zscored(frame["prediction"]) if z else frame["prediction"]
        for part_name, chosen in (
            ("all", data),
            ("negative", data[data["valence"] < 0]),
            ("neutral", data[data["valence"].abs() < 1]),
            ("positive", data[data["valence"] > 0]),
        ):
            fitted = smf.ols(FORMULA, chosen).fit().params
            rows.append({"set": name, "subject": subject, "region": region, "part": part_name, **fitted})
    return pd.DataFrame(rows)


def row_of(rows: list[dict[str, Any]], **wanted: str) -> dict[str, Any]:
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_predictions_are_features_times_mean_weights(world, report) -> None:
    (base, encoders), (folder, _) = world, report
    predictions = table(folder, "predictions")
    assert len(predictions) == (48 + 44) * len(SUBJECTS) * len(REGIONS)
    names = sorted(path.name for path in (base / "first").iterdir())
    features = open_world().extract([read_image(base / "first" / name) for name in names])
    chosen = predictions.query("set == 'first' and region == 'CM' and subject == '10'")
    assert list(chosen["image"]) == names
    beta = encoders["10", "CM"].weights.mean(axis=1)
    np.testing.assert_allclose(chosen["prediction"], features.astype(float) @ beta, rtol=1e-5)
    others = np.mean([encoders[name, "CM"].weights.mean(axis=1) for name in ("1", "2", "3")], axis=0)
    np.testing.assert_allclose(chosen["prediction_by_others"], features.astype(float) @ others, rtol=1e-5)


def test_correlations_by_pandas(report) -> None:
    folder, data = report
    merged = table(folder, "predictions").merge(table(folder, "images"), on=["set", "image"])
    for region in REGIONS:
        for rating in ("valence", "arousal"):
            part = merged[merged["region"] == region]
            r = part.groupby(["subject", "set"])[["prediction", rating]].corr().iloc[0::2, -1]
            z = np.arctanh(r).groupby("subject").mean()
            found = row_of(data["correlations"], region=region, rating=rating)
            assert found["r"] == pytest.approx(np.tanh(z.mean()))
            assert found["fisher_z"]["t"] == pytest.approx(stats.ttest_1samp(z, 0).statistic)


@pytest.mark.parametrize("part", ["all", "negative", "neutral", "positive"])
def test_regressions_by_statsmodels(report, part: str) -> None:
    folder, data = report
    expected = own_coefficients(folder, z=True).query("part == @part")
    stored = table(folder, "coefficients").query("part == @part")
    for ours, theirs in TERMS.items():
        mean = expected.groupby(["region", "subject"])[theirs].mean()
        for region in REGIONS:
            test = row_of(data["regression"], region=region, part=part, name=ours)
            assert test["subjects"]["t"] == pytest.approx(stats.ttest_1samp(mean[region], 0).statistic)
            assert test["crossed"]["estimate"] == pytest.approx(mean[region].mean())
            assert test["crossed"]["se"] >= test["subjects"]["se"]
        written = stored[stored["term"] == ours].set_index(["set", "subject", "region"])["coefficient"]
        reference = expected.set_index(["set", "subject", "region"])[theirs]
        pd.testing.assert_series_equal(
            written.sort_index(), reference.sort_index(), check_names=False, rtol=1e-8
        )


def test_pairs_with_the_control_region_by_scipy(report) -> None:
    folder, data = report
    frame = own_coefficients(folder, z=True).query("part == 'all'")
    mean = frame.groupby(["region", "subject"])["valence"].mean()
    for region in ("LB", "CM", "SF"):
        found = row_of(data["control"], region=region, control="VC", name="valence")
        expected = stats.ttest_rel(mean[region], mean["VC"])
        assert found["subjects"]["t"] == pytest.approx(expected.statistic)
        assert found["subjects"]["p"] == pytest.approx(expected.pvalue)
    assert not [row for row in data["control"] if row["region"] == "VC"]


@pytest.mark.parametrize("term", ["valence", "valence:arousal"])
def test_subregions_by_statsmodels(report, term: str) -> None:
    folder, data = report
    frame = own_coefficients(folder, z=True).query("part == 'all' and region != 'VC'")
    long = frame.groupby(["region", "subject"], as_index=False)[[term]].mean().rename(columns={term: "y"})
    expected = AnovaRM(long, "y", "subject", within=["region"]).fit().anova_table
    found = row_of(data["subregions"], term=term)
    assert found["anova"]["f"] == pytest.approx(expected["F Value"].iloc[0])
    assert found["anova"]["p"] == pytest.approx(expected["Pr > F"].iloc[0])
    assert [(pair["first"], pair["second"]) for pair in found["pairs"]] == [
        ("LB", "CM"),
        ("LB", "SF"),
        ("CM", "SF"),
    ]


def test_deciles_by_pandas(report) -> None:
    folder, data = report
    images, predictions = table(folder, "images"), table(folder, "predictions")
    frame = predictions.query("set == 'first' and region == 'SF'").merge(
        images[images["set"] == "first"], on="image"
    )
    frame["y"] = frame.groupby("subject")["prediction"].transform(zscored)
    ratings = images.loc[images["set"] == "first", "valence"]
    edges = np.percentile(ratings, [20, 40, 60, 80], method="hazen")
    frame["group"] = np.digitize(frame["valence"], edges)
    wide = frame.pivot_table(index="subject", columns="group", values="y")
    found = row_of(data["deciles"], set="first", region="SF", rating="valence")
    np.testing.assert_allclose(found["means"], wide.mean())
    friedman = stats.friedmanchisquare(*wide.to_numpy().T)
    assert found["friedman"]["statistic"] == pytest.approx(friedman.statistic)
    contrast = stats.ttest_1samp(wide.to_numpy() @ np.linspace(-1, 1, 5), 0)
    assert found["contrast"]["t"] == pytest.approx(contrast.statistic)
    assert sum(found["images"]) == 48


def test_maps_hold_the_tests_of_single_voxels(world, report) -> None:
    (base, encoders), (folder, data) = world, report
    images = table(folder, "images")
    z = {}
    for name in ("first", "second"):
        own = images[images["set"] == name]
        features = open_world().extract([read_image(base / name / image) for image in own["image"]])
        for subject in SUBJECTS:
            artifact = encoders[subject, "CM"]
            for index, voxel in enumerate(map(tuple, artifact.voxels.tolist())):
                y = features.astype(float) @ artifact.weights[:, index] + artifact.intercept[index]
                rating = stats.zscore(own["valence"], ddof=1) * stats.zscore(own["arousal"], ddof=1)
                z[voxel, subject, name] = np.arctanh(np.corrcoef(y, rating)[0, 1])
    image = nibabel.load(folder / "maps" / "CM_interaction_t.nii.gz")
    found = np.asanyarray(image.dataobj)
    np.testing.assert_array_equal(image.affine[:3, 3], [-9, -9, -6])
    voxels = {voxel for voxel, _, _ in z}
    assert {tuple(map(int, place)) for place in np.argwhere(np.isfinite(found))} == voxels
    for voxel in voxels:
        have = [subject for subject in SUBJECTS if (voxel, subject, "first") in z]
        mean = [(z[voxel, subject, "first"] + z[voxel, subject, "second"]) / 2 for subject in have]
        assert found[voxel] == pytest.approx(stats.ttest_1samp(mean, 0).statistic, rel=1e-5)
    assert len({len([s for s in SUBJECTS if (voxel, s, "first") in z]) for voxel in voxels}) == 2
    row = row_of(data["voxelwise"], region="CM", regressor="interaction")
    assert row["voxels"] == len(voxels)
    passed = np.asanyarray(nibabel.load(folder / "maps" / "CM_interaction_t_uncorrected.nii.gz").dataobj)
    assert np.isfinite(passed).sum() == row["uncorrected"]


def test_the_page_is_whole_and_loads_nothing(report) -> None:
    folder, data = report
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"<]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert len(headings) == 9
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    for path in re.findall(r"\]\((figures/[^)]+)\)", markdown):
        assert (folder / path).is_file()
    assert len(list((folder / "figures").glob("*.svg"))) == 7
    assert json.loads((folder / "result.json").read_text()) == data
    assert "images random" in page


def test_an_earlier_report_is_replaced_by_the_same_bytes(world, report) -> None:
    (base, _), (folder, _) = world, report
    shutil.copytree(folder, base / "again")
    (base / "again" / "old.txt").write_text("left over")
    (base / "again" / "report.md").write_text("changed")
    run(base, "again")
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert {
        path.relative_to(base / "again") for path in (base / "again").rglob("*") if path.is_file()
    } == names
    for name in names:
        assert (base / "again" / name).read_bytes() == (folder / name).read_bytes(), name
    assert not list(base.glob(".partial-*"))


@pytest.mark.usefixtures("blank_figures")
def test_published_settings(world) -> None:
    base, _ = world
    changes = {"low_level": "paper", "decile_edges": "paper", "outcome": "raw"}
    sets = {"second": {"images": "second", "norms": "second.csv"}}
    data = run(base, "paper", **changes, sets=sets, permutations=0, voxelwise=False)
    folder = base / "paper"
    expected = own_coefficients(folder, z=False).query("part == 'all'")
    mean = expected.groupby(["region", "subject"])["valence"].mean()
    found = row_of(data["regression"], region="LB", part="all", name="valence")
    assert found["subjects"]["t"] == pytest.approx(stats.ttest_1samp(mean["LB"], 0).statistic)
    assert found["p_images"] is None
    assert data["voxelwise"] == []
    assert not (folder / "maps").exists()
    # The lowest and the highest image belong to no decile.
    assert all(sum(row["images"]) < 44 for row in data["deciles"])


@pytest.mark.usefixtures("blank_figures")
def test_features_from_a_table_stand_for_the_network(world, report) -> None:
    (base, _), (_, data) = world, report
    for name in ("first", "second"):
        paths = sorted((base / name).iterdir())
        values = open_world().extract([read_image(path) for path in paths])
        np.savez(base / f"{name}.npz", values=values, stim_file=np.array([path.name for path in paths]))
    sets = {
        name: {"norms": f"{name}.csv", "images": name, "features": f"{name}.npz"}
        for name in ("first", "second")
    }
    found = run(base, "tabled", sets=sets, voxelwise=False)
    assert found["regression"] == data["regression"]
    wrong = {"first": {**sets["first"], "features": "second.npz"}}
    with pytest.raises(InputError, match=r"no row for 'Scene 044\.png'"):
        run(base, "wrong", sets=wrong)


def test_other_folders_are_left_alone(world) -> None:
    base, _ = world
    (base / "taken").mkdir()
    (base / "taken" / "thesis.txt").write_text("mine")
    (base / "file").write_text("mine")
    for name in ("taken", "file"):
        with pytest.raises(InputError, match="holds something else"):
            run(base, name)
    assert [path.name for path in (base / "taken").iterdir()] == ["thesis.txt"]


def test_what_does_not_fit_is_said_and_nothing_written(world, tmp_path) -> None:
    base, _ = world
    cases = {
        "was not fitted": {"regions": ["LB", "Elsewhere"], "control": None, "subregions": None},
        "no encoder of ridge": {"model": "ridge"},
    }
    for message, changes in cases.items():
        with pytest.raises(InputError, match=message):
            run(base, "never", **changes)
    make_encoders(tmp_path / "encoders", subjects=("1",))
    config = parse_config({**mapping(base), "encoders": str(tmp_path / "encoders")}, base)
    with pytest.raises(InputError, match="two or more"):
        validate_norms(config, collect(config), out=base / "never", progress=Silent())
    events = parse_config({**mapping(base), "features": "events"}, base)
    with pytest.raises(InputError, match="no network looks at images"):
        validate_norms(events, collect(events), out=base / "never", progress=Silent())
    without = parse_config({key: value for key, value in mapping(base).items() if key != "validation"}, base)
    with pytest.raises(InputError, match="validation"):
        validate_norms(without, collect(without), out=base / "never", progress=Silent())
    assert not (base / "never").exists()


def test_too_few_images_leave_out_analyses_with_their_reason(world) -> None:
    base, _ = world
    small = base / "small"
    small.mkdir()
    for path in sorted((base / "first").iterdir())[:8]:
        (small / path.name).write_bytes(path.read_bytes())
    data = run(base, "few", sets={"small": {"images": "small", "norms": "first.csv"}}, deciles=10)
    assert data["regression"] == []
    assert {row["analysis"] for row in data["not_run"]} >= {
        "regression on all images",
        "deciles of valence in small",
    }
    assert data["sets"]["small"]["rows_without_image"] == 40


@pytest.mark.usefixtures("blank_figures")
def test_the_command(world, capsys) -> None:
    base, _ = world
    path = base / "validate.yaml"
    few = {"sets": {"first": {"images": "first", "norms": "first.csv"}}, "regions": ["LB", "VC"]}
    changes = {**few, "subregions": None, "permutations": 19, "voxelwise": False}
    path.write_text(json.dumps(mapping(base, **changes)))  # JSON is YAML
    assert main(["validate", str(path), "--out", str(base / "by-command"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((base / "by-command" / "result.json").read_text())
    assert main(["validate", str(path)]) == 0
    assert "Report: " in capsys.readouterr().out
    assert (base / "work" / "validation" / "report.html").is_file()
