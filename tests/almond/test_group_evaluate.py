"""The whole evaluation: from fitted encoders of simulated brains to the report, and on too little data."""

import json

import nibabel
import numpy as np
import pytest
from scipy import stats

from almond.cli.evaluate import with_weights
from almond.cli.main import main
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.artifacts.catalogue import collect, scan
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.pipeline.fit import fit, parse_config
from almond.errors import Cancelled, InputError
from almond.group.evaluate import evaluate_group
from almond.group.performance import voxel_fisher_z
from almond.progress import Silent
from almond.rng import generator
from almond.stimuli.images import write_png
from almond.world.attributes import Scene
from almond.world.brains import simulate_dataset
from almond.world.lab import REGIONS
from almond.world.scenes import LATENTS, draw_scene, latents, render

SUBREGIONS = ("LB", "CM", "SF", "AStr")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four subjects; the features are the latents, so that encoders are good and quick."""
    folder = tmp_path_factory.mktemp("group")
    made = simulate_dataset(
        folder / "brains", n_subjects=4, n_runs=2, n_volumes=150, tr=1.5, seed=21, progress=Silent()
    )
    scenes = json.loads((made.root / "stimuli" / "scenes.json").read_text())
    values = np.array([latents(Scene(**scene)) for scene in scenes.values()])
    np.savez(folder / "latents.npz", values=values, names=LATENTS, stim_file=list(scenes))
    return made


def mapping(world, **evaluation):
    masks = {name: str(path) for name, path in world.regions.items()}
    return {
        "dataset": "brains",
        "features": {"kind": "table", "path": "latents.npz"},
        "regions": {**masks, "Amy": {"union": list(SUBREGIONS)}},
        "components": [4],
        "null_control": {"features": 20},
        "output": "artifacts",
        "evaluation": {"whole": "Amy", "subregions": list(SUBREGIONS), "controls": ["VC"], **evaluation},
    }


@pytest.fixture(scope="module")
def base(world):
    config = parse_config(mapping(world), world.root.parent)
    fit(config, progress=Silent())
    return world.root.parent


@pytest.fixture(scope="module")
def stimuli(base, world):
    """Two images per subject and subregion: those of a pool that its encoder likes best."""
    rng = generator(3, "pool")
    pool = [draw_scene(rng) for _ in range(150)]
    features = np.array([latents(scene) for scene in pool])
    used, lines, rows = set(), ["image,region,subject"], []
    for one in collect(parse_config(mapping(world), base)):
        if one.region in SUBREGIONS:
            order = np.argsort(-(features @ one.load().mean_weights))
            for index in [int(i) for i in order if int(i) not in used][:2]:
                used.add(index)
                lines.append(f"{index}.png,{one.region},sub-{one.subject}")
                rows.append(index)
                write_png(base / "images" / f"{index}.png", render(pool[index]))
    (base / "stimuli.csv").write_text("\n".join(lines) + "\n")
    names = [f"{index}.png" for index in rows]
    np.savez(base / "made.npz", values=features[rows][::-1], names=LATENTS, stim_file=names[::-1])
    return base


@pytest.fixture(scope="module")
def whole(world, stimuli):
    """Everything at once, through the command's own function."""
    asked = mapping(
        world,
        random_regions={"splits": 40, "export": "betas"},
        stimuli={"table": "stimuli.csv", "images": "images", "features": "made.npz", "permutations": 39},
    )
    asked["evaluation"]["random_regions"]["splits"] = 40
    config = parse_config(asked, stimuli)
    out = stimuli / "evaluation"
    return config, out, evaluate_group(config, collect(config), out=out, progress=Silent())


def test_performance_is_what_the_artifacts_say(whole, world):
    config, out, data = whole
    result = data["models"]["pls"]
    table = np.array(result["z"]["values"])
    for one in collect(config):
        r = np.array(one.metrics["heldout_r_voxels"])
        row, column = result["subjects"].index(one.subject), result["regions"].index(one.region)
        assert table[row, column] == pytest.approx(np.nanmean(voxel_fisher_z(r)))
    rows = {row["region"]: row for row in result["performance"]}
    for region, row in rows.items():
        expected = stats.ttest_1samp(table[:, result["regions"].index(region)], 0.0)
        assert row["z"]["t"] == pytest.approx(expected.statistic)
        assert row["null_r"] < 0.25 < row["r"]
        assert row["against_null"]["p"] < 0.05
        assert row["r2"] < row["r"]
    lines = (out / "performance_z.csv").read_text().splitlines()
    assert lines[0] == "subject," + ",".join(result["regions"])
    assert len(lines) == 5
    assert (out / "performance_null_r.csv").is_file()


def test_order_of_regions_is_the_true_one(whole, world):
    result = whole[2]["models"]["pls"]
    mean = {row["region"]: row["z"]["mean"] for row in result["performance"]}
    ceiling = {name: np.mean([of[name] for of in world.ceiling.values()]) for name in REGIONS}
    order = sorted(REGIONS, key=lambda name: -ceiling[name])
    assert sorted(REGIONS, key=lambda name: -mean[name])[:2] == order[:2] == ["VC", "IT"]
    assert stats.spearmanr([mean[n] for n in REGIONS], [ceiling[n] for n in REGIONS]).statistic > 0.8
    paired = {row["region"]: row for row in result["controls"]}
    assert set(paired) == {*REGIONS, "Amy"} - {"VC"}
    assert all(row["mean"] < 0 for row in paired.values())


def test_subregions_contrasts_and_random_regions_are_there(whole):
    result = whole[2]["models"]["pls"]
    model = result["subregions"]
    assert [row["name"] for row in model["contrasts"]] == ["LB vs others", "CM vs SF and AStr", "SF vs AStr"]
    assert len(model["pairs"]) == 6
    split = result["random_regions"]
    assert split["real"] == list(SUBREGIONS)
    assert split["voxels"] == 88
    assert split["measures"]["weight_dissimilarity"]["p"] == pytest.approx(1 / 41)
    assert split["measures"]["target_accuracy"]["splits"] == 40
    files = list((whole[0].base / "betas").iterdir())
    assert len(files) == split["exported_files"] == 40 * 4 * 4


def test_maps_hold_the_t_values_on_the_grid_of_the_bold(whole, world):
    _, out, data = whole
    mask = nibabel.load(world.regions["LB"])
    found = nibabel.load(out / "maps" / "LB" / "group_t.nii.gz")
    np.testing.assert_allclose(found.affine, mask.affine)
    assert (np.isfinite(found.get_fdata()) == (mask.get_fdata() > 0)).all()
    single = nibabel.load(out / "maps" / "LB" / "sub-02_r.nii.gz").get_fdata()
    assert 0.2 < np.nanmean(single) < 0.9
    row = data["models"]["pls"]["maps"]["LB"]
    assert row["tested"] == 40
    assert row["significant"] > 20
    with np.load(out / "maps" / "LB" / "fisher_z.npz") as stored:
        assert stored["z"].shape == (4, 40)


def test_images_are_told_and_drive_their_regions(whole):
    found = whole[2]["models"]["pls"]["stimuli"]
    others = found["classification"]["others"]
    assert others["accuracy"] > 0.5
    assert others["null"]["p"] < 0.05
    assert others["null"]["accuracy"] == pytest.approx(0.25, abs=0.1)
    assert all(row["test"]["estimate"] > 0 for row in found["on_off"]["mixed"])
    assert {row["region"] for row in found["on_off"]["published"]} == set(SUBREGIONS)
    assert found["nuisance"] == ["median_red", "median_green", "median_blue", "power_high", "power_low"]
    pairs = {(row["first"], row["second"]): row["rho"] for row in found["geometry"]["comparisons"]}
    assert pairs["features", "predictions (others)"] > 0.2
    assert len(found["picture"]["x"]) == 32


def test_the_report_is_whole_and_loads_nothing(whole):
    _, out, data = whole
    assert data == json.loads((out / "result.json").read_text())
    assert data["not_run"] == []
    html = (out / "report.html").read_text()
    assert html.count("<svg") == 7
    assert "http" not in html.replace("http://www.w3.org/", "")
    for words in ("Do subregions differ?", "Random regions", "On- against off-target", "Noise r"):
        assert words in html
    markdown = (out / "report.md").read_text()
    assert "figures/performance.svg" in markdown
    for name in ("performance", "subregions", "maps", "random", "confusion", "on_off", "picture"):
        assert (out / "figures" / f"{name}.png").stat().st_size > 1000


def test_an_earlier_evaluation_is_replaced_and_any_other_folder_left_alone(base, world, tmp_path):
    config = parse_config({**mapping(world), "subjects": ["01"]}, base)
    stored = collect(config)
    out = tmp_path / "evaluation"
    evaluate_group(config, stored, out=out, progress=Silent())
    (out / "old.txt").write_text("from an earlier time")
    evaluate_group(config, stored, out=out, progress=Silent())
    assert not (out / "old.txt").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("precious")
    with pytest.raises(InputError, match="holds something else"):
        evaluate_group(config, stored, out=other, progress=Silent())
    assert [path.name for path in other.iterdir()] == ["chapter.txt"]


class Stopping:
    def report(self, fraction, message=""):
        if fraction > 0.5:
            raise Cancelled("stop")


def test_stopped_work_leaves_nothing(base, world, tmp_path):
    config = parse_config(mapping(world), base)
    with pytest.raises(Cancelled):
        evaluate_group(config, collect(config), out=tmp_path / "evaluation", progress=Stopping())
    assert list(tmp_path.iterdir()) == []


def test_two_subjects_are_described_and_what_cannot_run_says_why(base, world, tmp_path):
    config = parse_config({**mapping(world, random_regions={"splits": 10}), "subjects": ["01", "02"]}, base)
    data = evaluate_group(config, collect(config), out=tmp_path / "two", progress=Silent())
    reasons = {row["analysis"]: row["reason"] for row in data["not_run"]}
    assert "2 subjects (expected 3 or more" in reasons["t map of LB"]
    assert "2 subjects with two or more" in reasons["mixed model of subregions"]
    result = data["models"]["pls"]
    assert result["performance"][0]["z"]["df"] == 1
    assert result["subregions"] is None
    assert (tmp_path / "two" / "maps" / "LB" / "sub-01_r.nii.gz").is_file()
    assert not (tmp_path / "two" / "maps" / "LB" / "group_t.nii.gz").exists()
    assert "t map of LB did not run" in (tmp_path / "two" / "report.md").read_text()


def test_one_subject_gives_numbers_without_tests(base, world, tmp_path):
    config = parse_config({**mapping(world), "subjects": ["03"]}, base)
    data = evaluate_group(config, collect(config), out=tmp_path / "one", progress=Silent())
    assert data["models"]["pls"]["performance"][0]["z"] is None
    assert "No test over subjects" in (tmp_path / "one" / "report.html").read_text()


def imported(root, subjects=("1", "2", "3")):
    """Encoders that were never evaluated, as ``import-betas`` makes them."""
    card = FeatureSpaceCard("latents", "0" * 64, len(LATENTS))
    rng = generator(9, "imported")
    for subject in subjects:
        for region in ("a", "b", "c"):
            weights = rng.normal(size=(len(LATENTS), 1))
            nowhere = np.full((1, 3), -1, np.int64)
            artifact = EncoderArtifact(
                subject,
                region,
                "imported",
                card,
                weights,
                np.zeros(1),
                nowhere,
                np.empty((0, 3), np.int64),
                "",
            )
            save_artifact(root, artifact)
    return scan(root)


def test_encoders_without_held_out_numbers_still_judge_images(base, world, stimuli, tmp_path):
    stored = imported(tmp_path / "encoders")
    rows = [f"{i}.png,{'abc'[i % 3]},{i // 3 % 3 + 1}" for i in range(27)]
    (tmp_path / "made.csv").write_text("\n".join(["image,region,subject", *rows]) + "\n")
    features = generator(10, "images").normal(size=(27, len(LATENTS)))
    np.savez(tmp_path / "made.npz", values=features)
    asked = {"table": "made.csv", "features": "made.npz", "low_level": "none", "permutations": 10}
    config = parse_config(mapping(world), base)
    checked = parse_config(
        mapping(
            world,
            stimuli={**asked, "table": str(tmp_path / "made.csv"), "features": str(tmp_path / "made.npz")},
        ),
        base,
    )
    config = config.model_copy(update={"evaluation": checked.evaluation})
    data = evaluate_group(config, stored, out=tmp_path / "out", progress=Silent())
    reasons = {row["analysis"]: row["reason"] for row in data["not_run"]}
    assert "never evaluated" in reasons["performance"]
    found = data["models"]["imported"]["stimuli"]
    assert found["classification"]["own"]["components"] == 3
    assert found["nuisance"] == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["image,region"], "no column subject"),
        (["image,region,subject"], "no rows"),
        (["image,region,subject", "1.png,LB,01", "1.png,CM,01"], "names 1.png twice"),
        (["image,region,subject", "1.png,,01"], "row 2, column region is empty"),
        (["image,region,subject", "gone.png,LB,01"], "names gone.png"),
    ],
)
def test_broken_tables_of_images_are_named(base, world, stimuli, tmp_path, rows, said):
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    config = parse_config(
        mapping(world, stimuli={"table": str(tmp_path / "t.csv"), "images": "images"}), base
    )
    with pytest.raises(InputError, match=said):
        evaluate_group(config, collect(config), out=tmp_path / "out", progress=Silent())
    assert not (tmp_path / "out").exists()


def test_images_of_subjects_without_encoders_are_skipped_with_the_reason(base, world, stimuli, tmp_path):
    asked = {"table": "stimuli.csv", "features": "made.npz", "low_level": "none"}
    config = parse_config({**mapping(world, stimuli=asked), "subjects": ["01", "02"]}, base)
    data = evaluate_group(config, collect(config), out=tmp_path / "out", progress=Silent())
    assert any("made for sub-03 (expected subjects 01, 02)" in row["reason"] for row in data["not_run"])


def test_the_command_prints_answers_or_json(base, world, stimuli, tmp_path, capsys):
    (base / "analysis.yaml").write_text(json.dumps(mapping(world, stimuli=None)))
    assert main(["evaluate", str(base / "analysis.yaml"), "--out", str(tmp_path / "a")]) == 0
    said = capsys.readouterr().out
    assert "7 of 7 regions are predicted above zero over subjects, VC best" in said
    assert "did not run (pls): random regions" in said
    (base / "analysis.yaml").write_text(json.dumps({**mapping(world), "subjects": ["01"]}))
    assert main(["evaluate", str(base / "analysis.yaml"), "--out", str(tmp_path / "b"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "almond-evaluation/1"


def test_models_without_weights_of_regions_are_passed_over_and_named(base, world, tmp_path):
    config = parse_config({**mapping(world), "subjects": ["01"], "model": ["pls", "flow"]}, base)
    assert with_weights(config) == ("pls",)
    data = evaluate_group(config, collect(config, ["pls"]), out=tmp_path / "out", progress=Silent())
    assert {"model": "flow", "analysis": "everything"}.items() <= data["not_run"][-1].items()


def test_the_command_says_to_fit_first(base, world, tmp_path, capsys):
    asked = {**mapping(world), "folds": 4}
    (base / "other.yaml").write_text(json.dumps(asked))
    assert main(["evaluate", str(base / "other.yaml"), "--out", str(tmp_path / "a")]) == 1
    assert "python -m almond fit" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
