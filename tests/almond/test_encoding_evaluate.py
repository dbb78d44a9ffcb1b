"""Held-out performance and its controls, against scikit-learn, scipy, statsmodels and known truths."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import r2_score
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.tsa.arima_process import arma_generate_sample

from almond.encoding.evaluation.cross_validate import CrossValidation
from almond.encoding.evaluation.heldout import Engine, FoldScheme, heldout_metrics, order_predictions
from almond.encoding.evaluation.noise_ceiling import EqualRuns, Presentations, powers, run_powers
from almond.encoding.evaluation.noise_features import ar1_noise, time_constant
from almond.encoding.evaluation.permutation import shifted_rows
from almond.encoding.models.estimators import RegionFit, Ridge
from almond.encoding.models.folds import make_folds
from almond.encoding.pipeline.fit import fit, parse_config
from almond.errors import InputError
from almond.progress import Silent
from almond.rng import generator
from tests.almond.encoding_data import configured, slow, write_runs


def test_metrics_equal_scipy_and_scikit_learn():
    rng = generator(1, "metrics")
    measured, predicted = rng.normal(size=(90, 5)), rng.normal(size=(90, 5))
    predicted += measured * np.arange(5)
    folds = make_folds("blocks", [90], n_folds=3, gap=2.0, tr=1.0)
    solved = RegionFit([predicted[fold.test] for fold in folds.folds], [{"components": 1}] * 3, None)
    found = heldout_metrics(solved, measured, folds, 2.0)
    tests = [fold.test for fold in folds.folds]
    r = [[pearsonr(predicted[rows, v], measured[rows, v])[0] for v in range(5)] for rows in tests]
    r2 = [r2_score(measured[rows], predicted[rows], multioutput="raw_values") for rows in tests]
    np.testing.assert_allclose(found["heldout_r_voxels"], np.mean(r, axis=0), atol=1e-6)
    np.testing.assert_allclose(found["heldout_r2_voxels"], np.mean(r2, axis=0), atol=1e-6)
    assert found["heldout_r2"]["mean"] == pytest.approx(np.mean(r2), abs=1e-9)
    assert found["heldout_r_folds"] == pytest.approx(np.mean(r, axis=1))
    means = [pearsonr(predicted[rows].mean(1), measured[rows].mean(1))[0] for rows in tests]
    assert found["heldout_r_region_mean"] == pytest.approx(np.mean(means))
    np.testing.assert_array_equal(order_predictions(solved, folds, 90), predicted)


@pytest.mark.parametrize("constant", [2.0, 8.0, 25.0])
def test_the_time_constant_of_features_is_found(constant):
    rng = generator(2, "time constant")
    coefficient = np.exp(-1 / constant)
    parts = [
        np.stack(
            [
                arma_generate_sample([1, -coefficient], [1], 4000, distrvs=rng.standard_normal, burnin=300)
                for _ in range(12)
            ],
            axis=1,
        )
        for _ in range(2)
    ]
    assert time_constant(parts) == pytest.approx(constant, rel=0.1)


def test_noise_is_as_slow_as_asked_and_stationary():
    made = ar1_noise(generator(3, "noise"), 400, 3000, 10.0)
    np.testing.assert_allclose(made.std(axis=1)[[0, 1, 5, 50, 399]], 1.0, atol=0.06)
    assert np.mean(made[:-1] * made[1:]) == pytest.approx(np.exp(-0.1), abs=0.02)
    assert time_constant([made[:, :64]]) == pytest.approx(10.0, rel=0.15)
    white = ar1_noise(generator(3, "white"), 2000, 3, 0.0)
    assert abs(np.mean(white[:-1] * white[1:])) < 0.05
    assert time_constant([np.ones((30, 2))]) == 0.0


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory):
    """Slow features, slow BOLD, and no relation between them; two runs of one subject."""
    folder = tmp_path_factory.mktemp("unrelated")
    rng = generator(4, "unrelated")
    write_runs(folder, [100 + slow(rng, 600, 20, 12.0) for _ in range(2)])
    np.save(folder / "features.npy", slow(rng, 1200, 150, 10.0))
    return folder


@pytest.mark.parametrize("model", ["pls", "ridge"])
def test_noise_shows_what_random_folds_inflate(unrelated, model):
    shared = {"null_control": {"features": 150}, "model": model, "components": 10, "penalties": 0.01}
    changes = {**shared, "folds": 5, "gap": 40, "output": f"out-{model}"}
    reached = {}
    for kind in ("random", "blocks", "runs"):
        config = configured(unrelated, crossvalidation=kind, **changes)
        (item,) = fit(config, progress=Silent()).artifacts
        reached[kind] = item.metrics
    control = {kind: of["null_control"]["heldout_r"] for kind, of in reached.items()}
    assert control["random"] > 0.2
    assert max(abs(control["blocks"]), abs(control["runs"])) < 0.08
    # The control does what unrelated features of the same kind do.
    assert control["random"] == pytest.approx(reached["random"]["heldout_r"]["mean"], abs=0.1)
    said = reached["random"]["null_control"]
    assert said["features"] == 150
    assert said["time_constant"] == pytest.approx(20.0, rel=0.25)
    assert abs(said["heldout_r_blocks"]) < 0.08
    warning = reached["random"]["warning"]
    assert f"{control['random']:.3f} with these folds" in warning
    assert f"{said['heldout_r_blocks']:.3f} with contiguous blocks" in warning
    assert "neighbouring volumes" in warning
    assert "warning" not in reached["blocks"]
    assert "heldout_r_blocks" not in reached["blocks"]["null_control"]


def test_the_control_does_not_depend_on_which_regions_wait(unrelated):
    half = np.zeros((20, 1, 1), np.uint8)
    half[:8] = 1
    image = nibabel.load(unrelated / "mask.nii.gz")
    nibabel.save(nibabel.Nifti1Image(half, image.affine), unrelated / "half.nii.gz")
    both = {"half": "half.nii.gz", "ROI": "mask.nii.gz"}
    changes = {"null_control": {"features": 40}, "model": "pls", "components": 3}
    alone = fit(configured(unrelated, output="a", **changes), progress=Silent()).artifacts[0]
    together = fit(configured(unrelated, output="b", regions=both, **changes), progress=Silent()).artifacts[1]
    # Regions are fitted in one go: the same numbers within rounding, which differs with who is beside them.
    for name in ("null_control", "heldout_r", "heldout_r2", "chosen"):
        assert alone.metrics[name] == pytest.approx(together.metrics[name], abs=1e-11)


def repeated(rng, stimuli, repeats, signal, voxels=400):
    truth = rng.normal(size=(stimuli, voxels)) * signal
    shown = np.repeat(np.arange(stimuli), repeats)
    return truth, shown, truth[shown] + rng.normal(size=(len(shown), voxels))


def test_the_ceiling_is_the_correlation_of_a_perfect_model():
    rng = generator(5, "ceiling")
    for signal in (0.3, 1.0, 2.0):
        truth, shown, responses = repeated(rng, 60, 6, signal)
        found = powers(responses, shown)
        assert found.signal.mean() == pytest.approx(signal**2, rel=0.05)
        assert found.noise.mean() == pytest.approx(1.0, rel=0.05)
        perfect = [pearsonr(truth[shown, v], responses[:, v])[0] for v in range(100)]
        assert found.ceiling.mean() == pytest.approx(np.mean(perfect), abs=0.03)
    _, shown, nothing = repeated(rng, 60, 6, 0.0)
    assert powers(nothing, shown).signal.mean() == pytest.approx(0.0, abs=0.01)


def test_powers_are_the_mean_squares_of_statsmodels():
    rng = generator(6, "anova")
    _, shown, responses = repeated(rng, 12, 4, 0.8, voxels=1)
    table = pd.DataFrame({"stimulus": shown.astype(str), "r": responses[:, 0]})
    squares = anova_lm(ols("r ~ stimulus", table).fit())["mean_sq"]
    found = powers(responses, shown)
    assert found.noise[0] == pytest.approx(squares["Residual"])
    assert found.signal[0] == pytest.approx((squares["stimulus"] - squares["Residual"]) / 4)


def test_unequal_repeats_and_stimuli_shown_once():
    rng = generator(7, "unequal")
    counts = np.array([1, 1, 2, 3, 5, 9] * 8)
    shown = np.repeat(np.arange(len(counts)), counts)
    truth = rng.normal(size=(len(counts), 3000))
    found = powers(truth[shown] + 2 * rng.normal(size=(len(shown), 3000)), shown)
    assert found.signal.mean() == pytest.approx(1.0, rel=0.05)
    assert found.noise.mean() == pytest.approx(4.0, rel=0.05)
    with pytest.raises(InputError, match="two or more"):
        powers(truth[:4], np.array([0, 0, 1, 2]))


def test_the_power_of_equal_runs_is_sahani_and_lindens():
    rng = generator(8, "runs")
    runs = rng.normal(size=(4, 50, 3)) + rng.normal(size=(50, 3)) + rng.normal(size=(4, 1, 3)) * 5
    count = len(runs)
    mean_of = runs.var(axis=1, ddof=1).mean(axis=0)
    of_mean = runs.mean(axis=0).var(axis=0, ddof=1)
    signal = (count * of_mean - mean_of) / (count - 1)
    found = run_powers(runs)
    np.testing.assert_allclose(found.signal, signal, rtol=1e-10)
    np.testing.assert_allclose(found.signal + found.noise, mean_of, rtol=1e-10)
    with pytest.raises(InputError, match="one run only"):
        run_powers(runs[:1])


def test_normalised_r_is_one_for_the_truth():
    rng = generator(9, "normalised")
    truth, shown, responses = repeated(rng, 80, 5, 1.0)
    rows = tuple(np.array([2 * n, 2 * n + 1]) for n in range(len(shown)))
    course, shape = np.repeat(responses, 2, axis=0), np.repeat(truth[shown], 2, axis=0)
    found = Presentations("stim_file", rows, shown).ceiling(course, shape)
    assert found["normalised_r"] == pytest.approx(1.0, abs=0.02)
    assert (found["stimuli"], found["presentations"]) == (80, 400)
    runs = np.tile(truth, (3, 1))
    found = EqualRuns(3, 80).ceiling(runs + rng.normal(size=runs.shape), runs)
    assert found["normalised_r"] == pytest.approx(1.0, abs=0.02)
    assert found["r_max"] == pytest.approx(np.sqrt(0.5), abs=0.02)
    flat = EqualRuns(3, 80).ceiling(
        rng.normal(size=runs.shape) * 1e-3 + np.arange(3).repeat(80)[:, None], runs
    )
    assert flat["r_max"] < 0.2


@pytest.fixture
def related(tmp_path):
    """Three equal runs of a film of 5 features, seen three times; TR 2 s."""
    rng = generator(10, "related")
    film = slow(rng, 120, 5, 4.0)
    truth = film @ rng.normal(size=(5, 12))
    truth /= truth.std(axis=0)
    write_runs(tmp_path, [truth + rng.normal(size=truth.shape) for _ in range(3)])
    np.save(tmp_path / "features.npy", np.tile(film, (3, 1)))
    return tmp_path


def test_runs_that_repeat_give_a_ceiling_that_the_true_features_reach(related):
    changes = {"runs": 3, "repeats": {"by": "runs"}, "crossvalidation": "runs", "detrend": "none"}
    (item,) = fit(configured(related, **changes), progress=Silent()).artifacts
    found = item.metrics["noise_ceiling"]
    assert found["r_max"] == pytest.approx(np.sqrt(0.5), abs=0.06)
    assert 0.93 < found["normalised_r"] < 1.03
    assert found["heldout_r"] == pytest.approx(item.metrics["heldout_r"]["mean"], abs=0.01)
    assert len(found["r_max_voxels"]) == 12


def test_every_metric_is_described(related):
    changes = {"runs": 3, "repeats": {"by": "runs"}, "crossvalidation": "random", "permutations": 2}
    (item,) = fit(configured(related, null_control={"features": 5}, **changes), progress=Silent()).artifacts
    document = (Path(__file__).parents[2] / "docs" / "fit.md").read_text()
    described = document[document.index("| metric | meaning |") :]
    assert {"null_control", "noise_ceiling", "permutation", "warning"} < set(item.metrics)
    for name in item.metrics:
        assert f"`{name}`" in described, name
    for name in item.metrics["null_control"]:
        assert name == "kind" or f"`{name}`" in described, name


def test_repeats_of_events(related):
    onsets = np.arange(8, 232, 8.0)
    for run in range(3):
        names = generator(run, "order").permutation([f"{n % 7}.png" for n in range(len(onsets))])
        events = pd.DataFrame({"onset": onsets, "duration": 2.0, "picture": names})
        events.to_csv(related / f"events{run}.tsv", sep="\t", index=False)
    runs = [
        {"subject": "s1", "run": n, "bold": f"run{n}.nii.gz", "events": f"events{n}.tsv"} for n in range(3)
    ]
    mapping = {"repeats": {"by": "picture", "window": [2, 6]}}
    config = configured(related, 3, **mapping)
    parsed = parse_config({"runs": runs, "features": "events", "regions": {"r": "mask.nii.gz"}}, related)
    (item,) = fit(config.model_copy(update={"runs": parsed.runs}), progress=Silent()).artifacts
    found = item.metrics["noise_ceiling"]
    assert (found["stimuli"], found["presentations"], found["by"]) == (7, 84, "picture")
    assert found["r_max"] < 0.4  # pictures have nothing to do with this BOLD
    far = configured(related, 3, repeats={"by": "picture", "window": [500, 510]})
    with pytest.raises(InputError, match=r"no volume lies 500 to 510 s"):
        fit(far.model_copy(update={"runs": parsed.runs}), progress=Silent())


def test_shifted_rows_are_a_permutation_that_keeps_neighbours():
    rng = generator(11, "rows")
    lengths = [40, 60, 40]
    for _ in range(20):
        rows = shifted_rows(rng, lengths, 6)
        assert sorted(rows) == list(range(140))
        first = 0
        for length in lengths:
            part = rows[first : first + length]
            assert len(set(np.repeat(np.arange(3), lengths)[part])) == 1
            assert (np.diff(part) == 1).sum() == length - 2
            turned = (part[0] - part.min()) % length
            assert 6 <= turned <= length - 6
            first += length


def test_permutations_find_signal_and_only_signal(related, unrelated):
    changes = {"permutations": 39, "detrend": "none", "penalties": 0.1}
    (real,) = fit(configured(related, 3, **changes), progress=Silent()).artifacts
    found = real.metrics["permutation"]
    assert (found["p"], found["n"]) == (pytest.approx(1 / 40), 39)
    assert abs(found["heldout_r"]["mean"]) < 0.1
    assert found["heldout_r"]["largest"] < real.metrics["heldout_r"]["mean"]
    (none,) = fit(configured(unrelated, output="perm", **changes), progress=Silent()).artifacts
    assert none.metrics["permutation"]["p"] > 0.05


def test_p_values_are_uniform_when_nothing_is_there():
    """The whole of it on 60 unrelated data sets: p below .2 in about a fifth."""
    rng = generator(12, "uniform")
    ps = []
    for number in range(60):
        x, y = slow(rng, 120, 4, 5.0), slow(rng, 120, 3, 5.0)
        folds = make_folds("blocks", [60, 60], n_folds=3, gap=5.0, tr=1.0)
        trial = CrossValidation(
            "s",
            Ridge((0.1,)),
            x,
            y,
            [np.arange(3)],
            FoldScheme(folds, (60, 60), 5.0, 1.0),
            Engine(),
            number,
            permutations=19,
        )
        ((_, metrics),) = trial.run(Silent())
        ps.append(metrics["permutation"]["p"])
    assert 0.08 < np.mean(np.array(ps) <= 0.2) < 0.35
    assert 0.4 < np.mean(ps) < 0.65
