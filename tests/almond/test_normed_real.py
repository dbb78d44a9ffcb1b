"""The whole validation on real images with real norms (OASIS: Kurdi, Lozano & Banaji, 2017).

Runs where ``ALMOND_REAL_DATA`` names a folder that holds ``oasis``: OASIS.csv as published and pictures.
The encoders are fitted on simulated brains with the network that comes with Almond, from start to end.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import yaml
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from almond.cli.main import main
from almond.encoding.artifacts.catalogue import collect
from almond.encoding.config.fit_config import load_config
from almond.encoding.features.kinds.world import open_world
from almond.encoding.pipeline.fit import fit
from almond.pictures.reading import read_image
from almond.progress import Silent
from almond.stimuli import lowlevel
from almond.world.brains import simulate_dataset

OASIS = Path(os.environ.get("ALMOND_REAL_DATA", "")) / "oasis"
REGIONS = ("LB", "CM", "SF", "AStr", "VC")
SUBREGIONS = ("LB", "CM", "SF", "AStr")

pytestmark = pytest.mark.skipif(
    "ALMOND_REAL_DATA" not in os.environ or not OASIS.is_dir(), reason="ALMOND_REAL_DATA has no oasis"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The configuration's path and the report's folder."""
    base = tmp_path_factory.mktemp("oasis")
    world = simulate_dataset(
        base / "brains", n_subjects=4, n_runs=2, n_volumes=120, tr=2.0, seed=5, progress=Silent()
    )
    path = base / "validate.yaml"
    config = {
        "dataset": "brains",
        "features": "world",
        "regions": {name: str(world.regions[name]) for name in REGIONS},
        "components": 4,
        "folds": 2,
        "null_control": False,
        "validation": {
            "sets": {"oasis": {"images": str(OASIS / "images"), "norms": str(OASIS / "OASIS.csv")}},
            "control": "VC",
            "subregions": list(SUBREGIONS),
            "permutations": 199,
            "out": "report",
        },
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    fit(load_config(path), progress=Silent())
    assert main(["validate", str(path)]) == 0
    return path, base / "report"


@pytest.fixture(scope="module")
def frame(made: tuple[Path, Path]) -> pd.DataFrame:
    """Every prediction with its ratings and low-level features, by other means than the report's."""
    path, _ = made
    norms = pd.read_csv(OASIS / "OASIS.csv", lineterminator="\r").set_index("Theme")
    pictures = sorted((OASIS / "images").iterdir())
    pixels = [read_image(picture) for picture in pictures]
    features = open_world().extract(pixels).astype(np.float64)
    low = pd.DataFrame([lowlevel.measure(image) for image in pixels])
    rows = []
    for stored in collect(load_config(path)):
        weights = stored.load().weights.mean(axis=1)
        one = low.copy()
        one["image"] = [picture.name for picture in pictures]
        one["v"] = norms.loc[[picture.stem for picture in pictures], "Valence_mean"].to_numpy()
        one["a"] = norms.loc[[picture.stem for picture in pictures], "Arousal_mean"].to_numpy()
        one["prediction"] = features @ weights
        one["region"], one["subject"] = stored.region, stored.subject
        rows.append(one)
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def coefficients(frame: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (region, subject), part in frame.groupby(["region", "subject"]):
        z = part.drop(columns=["image", "region", "subject"]).apply(stats.zscore, ddof=1)
        formula = (
            "prediction ~ v + a + v:a + median_red + median_green + median_blue + power_high + power_low"
        )
        for name, chosen in (("all", z), ("neutral", z[z["v"].abs() < 1]), ("negative", z[z["v"] < 0])):
            fitted = smf.ols(formula, chosen).fit().params
            rows.append({"region": region, "subject": subject, "part": name, **fitted})
    return pd.DataFrame(rows)


def test_the_report_is_whole(made: tuple[Path, Path]) -> None:
    _, folder = made
    data = json.loads((folder / "result.json").read_text())
    assert data["sets"]["oasis"]["images"] == len(list((OASIS / "images").iterdir())) == 120
    assert data["sets"]["oasis"]["rows_without_image"] == 780
    assert data["not_run"] == []
    assert data["regions"] == list(REGIONS)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for title in (
        "Do predicted responses correlate with the ratings?",
        "How do predictions change over the deciles of a rating?",
        "Valence, arousal and their interaction, controlling for low-level features",
        "The same on negative, neutral and positive images",
        "Compared with VC",
        "Do the subregions differ?",
        "Maps over voxels",
    ):
        assert title in page
    assert page.count("<svg") == 7
    assert not re.search(r"\bnan\b", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))


def test_every_prediction(made: tuple[Path, Path], frame: pd.DataFrame) -> None:
    _, folder = made
    written = pd.read_csv(folder / "tables" / "predictions.csv", dtype={"subject": str})
    keys = ["image", "subject", "region"]
    both = written.merge(frame[[*keys, "prediction"]], on=keys, suffixes=("", "_again"))
    assert len(both) == len(written) == 120 * 4 * len(REGIONS)
    np.testing.assert_allclose(both["prediction"], both["prediction_again"], rtol=1e-5, atol=1e-9)
    total = written.groupby(["image", "region"])["prediction"].transform("sum")
    np.testing.assert_allclose(
        written["prediction_by_others"], (total - written["prediction"]) / 3, rtol=1e-9, atol=1e-12
    )


def test_correlations_and_coefficients(
    made: tuple[Path, Path], frame: pd.DataFrame, coefficients: pd.DataFrame
) -> None:
    _, folder = made
    data = json.loads((folder / "result.json").read_text())
    for row in data["correlations"]:
        part = frame[frame["region"] == row["region"]].groupby("subject")
        r = part.apply(
            lambda one, key=row["rating"][0]: one["prediction"].corr(one[key]), include_groups=False
        )
        assert row["fisher_z"]["t"] == pytest.approx(stats.ttest_1samp(np.arctanh(r), 0).statistic, rel=1e-4)
    names = {"valence": "v", "arousal": "a", "valence:arousal": "v:a"}
    checked = 0
    for row in data["regression"]:
        expected = coefficients.query("region == @row['region'] and part == @row['part']")
        column = names.get(row["name"], row["name"])
        if len(expected) and column in expected:
            t = stats.ttest_1samp(expected[column], 0).statistic
            assert row["subjects"]["t"] == pytest.approx(t, rel=1e-3)
            checked += 1
    assert checked == len(REGIONS) * 3 * 8
    whole = coefficients.query("part == 'all'").pivot(index="subject", columns="region", values="v")
    for row in data["control"]:
        if row["name"] == "valence":
            t = stats.ttest_rel(whole[row["region"]], whole["VC"]).statistic
            assert row["subjects"]["t"] == pytest.approx(t, rel=1e-3)


def test_deciles_and_subregions(
    made: tuple[Path, Path], frame: pd.DataFrame, coefficients: pd.DataFrame
) -> None:
    _, folder = made
    data = json.loads((folder / "result.json").read_text())
    long = coefficients.query("part == 'all' and region != 'VC'")
    expected = AnovaRM(long, "v", "subject", within=["region"]).fit().anova_table
    assert data["subregions"][0]["anova"]["f"] == pytest.approx(expected["F Value"].iloc[0], rel=1e-3)
    z = frame.groupby(["region", "subject"])["prediction"].transform(stats.zscore, ddof=1)
    for row in data["deciles"]:
        rating = frame[row["rating"][0]]
        one = frame["region"] == row["region"]
        edges = np.percentile(rating[one], np.arange(10, 100, 10), method="hazen")
        group = np.digitize(rating[one], edges)
        wide = pd.crosstab(frame.loc[one, "subject"], group, values=z[one], aggfunc="mean")
        friedman = stats.friedmanchisquare(*wide.to_numpy().T)
        assert row["friedman"]["statistic"] == pytest.approx(friedman.statistic)
        t = stats.ttest_1samp(wide.to_numpy() @ np.linspace(-1, 1, 10), 0).statistic
        assert row["contrast"]["t"] == pytest.approx(t, rel=1e-3)


def test_a_map(made: tuple[Path, Path]) -> None:
    path, folder = made
    pictures = sorted((OASIS / "images").iterdir())
    features = open_world().extract([read_image(picture) for picture in pictures]).astype(np.float64)
    norms = pd.read_csv(OASIS / "OASIS.csv", lineterminator="\r").set_index("Theme")
    valence = norms.loc[[picture.stem for picture in pictures], "Valence_mean"].to_numpy()
    artifacts = [one.load() for one in collect(load_config(path)) if one.region == "SF"]
    z = [
        [np.arctanh(np.corrcoef(column, valence)[0, 1]) for column in artifact.predict(features).T]
        for artifact in artifacts
    ]
    image = nibabel.load(folder / "maps" / "SF_valence_t.nii.gz")
    found = np.asanyarray(image.dataobj)
    bold = nibabel.load(next((path.parent / "brains").rglob("*_bold.nii.gz")))
    assert found.shape == bold.shape[:3]
    np.testing.assert_allclose(image.affine, bold.affine)
    expected = stats.ttest_1samp(z, 0).statistic
    np.testing.assert_allclose(found[tuple(artifacts[0].voxels.T)], expected, rtol=1e-3)
    assert np.isfinite(found).sum() == len(artifacts[0].voxels)
