"""The shared-subject model: against ridge and a known space, on brains with little data, on wrong input."""

import dataclasses

import numpy as np
import pytest

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.config.multisubject import SharedSettings
from almond.encoding.models.folds import Fold, correlation, inner_folds, make_folds
from almond.encoding.models.ridge import fit_ridge, relative_penalties
from almond.encoding.multisubject.films import allowed_rows, same_film
from almond.encoding.multisubject.shared import (
    TrainingPart,
    fit_map,
    shared_time_courses,
    space_from_features,
    space_from_film,
)
from almond.encoding.multisubject.shared_fit import Spaces
from almond.encoding.pipeline.families import fit_family
from almond.errors import Cancelled, InputError
from almond.progress import Silent
from almond.rng import generator
from tests.almond.family_subjects import configured, simulated
from tests.almond.sections import section_of

FACTORS = tuple(10.0**power for power in range(-3, 4))


@pytest.fixture(scope="module")
def subjects():
    return simulated(4, seed=3)


@pytest.fixture(scope="module")
def many():
    return simulated(5, seed=3, n_runs=3, n_volumes=220)


def test_all_dimensions_and_one_subject_are_ridge():
    rng = generator(1, "ridge")
    x, y = rng.standard_normal((120, 7)), rng.standard_normal((120, 9))
    y += x @ rng.standard_normal((7, 9))
    folds = [Fold(np.arange(0, 80), np.arange(85, 120)), Fold(np.arange(45, 120), np.arange(0, 40))]
    space = space_from_features([TrainingPart(x, y, folds)], 7, FACTORS).evened()
    found = fit_map(space, x, y, FACTORS, folds)
    expected = fit_ridge(x, y, relative_penalties(x, FACTORS), folds)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.intercept, expected.intercept, rtol=1e-8, atol=1e-10)


def test_the_space_is_that_of_reduced_rank_regression():
    """Independent road: principal components of the fitted values of all subjects, by a dense SVD."""
    rng = generator(2, "rank")
    parts = []
    for size in (5, 8):
        x = rng.standard_normal((90, 6)) @ rng.standard_normal((6, 6))
        parts.append(
            TrainingPart(x, x @ rng.standard_normal((6, size)) + rng.standard_normal((90, size)), ())
        )
    space = space_from_features(parts, 3, (0.01,))
    weights = [
        fit_ridge(part.x, part.y / np.sqrt(part.y.shape[1]), relative_penalties(part.x, (0.01,))).weights
        for part in parts
    ]
    centred = np.concatenate([part.x - part.x.mean(axis=0) for part in parts])
    fitted = centred @ np.concatenate(weights, axis=1)
    left, values, _ = np.linalg.svd(fitted, full_matrices=False)
    courses = centred @ space.weights
    projected = left[:, :3] @ (left[:, :3].T @ courses)
    np.testing.assert_allclose(projected, courses, atol=1e-8)
    np.testing.assert_allclose(space.variance, values[:3] ** 2 / (values**2).sum(), rtol=1e-8)


def test_both_ways_find_a_space_that_is_there():
    rng = generator(3, "there")
    x = rng.standard_normal((400, 12))
    truth = np.linalg.qr(rng.standard_normal((12, 2)))[0]
    parts = [
        TrainingPart(x, x @ truth @ rng.standard_normal((2, 20)) + rng.standard_normal((400, 20)), ())
        for _ in range(4)
    ]
    for space in (space_from_features(parts, 2, (0.1,)), space_from_film(parts, 2, (0.1,))):
        basis = np.linalg.qr(space.weights)[0]
        assert np.linalg.svd(truth.T @ basis)[1].min() > 0.98


def test_shared_time_courses_are_those_all_subjects_have():
    """A course that one subject alone has, however large, comes after one that all have."""
    rng = generator(4, "courses")
    common, own = rng.standard_normal((300, 1)), rng.standard_normal((300, 3))
    responses = [
        common @ rng.standard_normal((1, 10))
        + 3 * own[:, [i]] @ rng.standard_normal((1, 10))
        + 0.3 * rng.standard_normal((300, 10))
        for i in range(3)
    ]
    courses, share = shared_time_courses(responses, 2)
    assert abs(np.corrcoef(courses[:, 0], common[:, 0])[0, 1]) > 0.95
    assert share[0] > 1.5 * share[1]
    with pytest.raises(InputError, match=r"shared\.dimensions"):
        shared_time_courses(responses, 40)


def test_little_data_of_a_new_subject_and_then_more(many):
    """With 60 volumes the shared model beats the subject's own ridge; with all of them hardly."""
    gains = {60: [], 400: []}
    for new in many:
        settings = SharedSettings(dimensions=8, new_subjects=(new.subject,))
        spaces = Spaces(many, {one.subject: one.x for one in many}, settings, FACTORS, 10.0)
        fold = make_folds("blocks", new.lengths, n_folds=4, gap=10.0, tr=new.tr).folds[-1]
        space = spaces.without(new, fold.train)
        for count, gained in gains.items():
            rows = fold.train[:count]
            shared = spaces.map(space, new, rows).predict(new.x[fold.test])
            penalties = relative_penalties(new.x[rows], FACTORS)
            own = fit_ridge(new.x[rows], new.bold[rows], penalties, spaces.inner(new, rows))
            alone = new.x[fold.test] @ own.weights + own.intercept
            measured = new.bold[fold.test]
            gained.append((correlation(shared, measured) - correlation(alone, measured)).mean())
    assert np.mean(gains[60]) > 0.04
    assert min(gains[60]) > -0.01
    assert -0.02 < np.mean(gains[400]) < 0.5 * np.mean(gains[60])


@pytest.mark.parametrize("space", ["features", "film"])
def test_nothing_of_a_held_out_moment_is_used(subjects, space):
    """BOLD of all subjects at the held-out moments is replaced by noise: nothing in the predictions moves."""
    one = subjects[0]
    fold = make_folds("blocks", one.lengths, n_folds=4, gap=10.0, tr=one.tr).folds[1]
    damaged = []
    for other in subjects:
        bold = other.bold.copy()
        bold[fold.test] = 1e3 * generator(5, "damage").standard_normal(bold[fold.test].shape)
        damaged.append(dataclasses.replace(other, bold=bold))
    found = []
    for data in (subjects, damaged):
        settings = SharedSettings(dimensions=4, space=space)
        spaces = Spaces(data, {item.subject: item.x for item in data}, settings, FACTORS, 10.0)
        fitted = spaces.map(spaces.without(data[0], fold.train), data[0], fold.train)
        found.append(fitted.predict(data[0].x[fold.test]))
    np.testing.assert_array_equal(*found)


def test_who_saw_the_same_film():
    first, second = simulated(2, seed=6, n_volumes=60)
    assert same_film(first, second)
    other = simulated(2, seed=6, n_volumes=60, own_films=True)[1]
    assert not same_film(first, other)
    # One volume fewer in the first run: the same film, and every later row has another number.
    kept = np.delete(np.arange(120), 59)
    short = dataclasses.replace(second, x=second.x[kept], bold=second.bold[kept], lengths=(59, 60))
    assert same_film(first, short)
    rows = allowed_rows(first, np.array([0, 58, 59, 60, 119]), short)
    assert rows.tolist() == [0, 58, 59, 118]


def test_subjects_with_other_films_are_used_whole():
    subjects = simulated(3, seed=7, n_volumes=120, own_films=True)
    settings = SharedSettings(dimensions=4)
    spaces = Spaces(subjects, {one.subject: one.x for one in subjects}, settings, (1.0,), 10.0)
    train = np.arange(150)
    spaces.without(subjects[0], train)
    mine = [spaces._part(subjects[0], train)]
    others = [spaces._part(one, np.arange(240)) for one in subjects[1:]]
    expected = space_from_features(mine + others, 4, (1.0,))
    (found,) = spaces.known.values()
    np.testing.assert_array_equal(found.weights, expected.weights)


def test_artifacts_are_ordinary_encoders_and_are_made_once(subjects, tmp_path):
    noise = [
        dataclasses.replace(one, null_x=generator(8, "noise", one.subject).standard_normal((400, 30)))
        for one in subjects
    ]
    settings = SharedSettings(dimensions=6, new_subjects=("04",), volumes=100)
    config = configured(tmp_path, shared=settings, folds=4)
    fitted = fit_family("shared", config, noise, tmp_path, Silent())
    assert len(fitted) == 4 * 6
    new = next(item for item in fitted if item.subject == "04" and item.region == "VC")
    artifact = load_artifact(new.path)
    assert (artifact.model, artifact.weights.shape) == ("shared", (16, 6))
    assert artifact.provenance["shared"]["trained_on"] == ["01", "02", "03"]
    assert artifact.provenance["shared"]["new_subject"]
    assert artifact.metrics["n_volumes"] == 100
    assert np.linalg.matrix_rank(artifact.weights) <= 6
    assert new.metrics["heldout_r"]["mean"] > 0.25
    assert abs(new.metrics["null_control"]["heldout_r"]) < 0.12
    assert new.metrics["heldout_r2"]["mean"] == pytest.approx(
        np.mean(new.metrics["heldout_r2_voxels"]), abs=1e-5
    )
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = fit_family("shared", config, noise, tmp_path, Silent())
    assert [item.digest for item in again] == [item.digest for item in fitted]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_stopped_fit_goes_on(subjects, tmp_path):
    class StopAtSecond:
        def report(self, fraction, message=""):
            if message.startswith("sub-02"):
                raise Cancelled("stop")

    config = configured(tmp_path, shared=SharedSettings(dimensions=4), folds=3)
    with pytest.raises(Cancelled):
        fit_family("shared", config, subjects[:2], tmp_path, StopAtSecond())
    done = {path.name for path in tmp_path.iterdir() if len(path.name) == 64}
    assert len(done) == 6
    fitted = fit_family("shared", config, subjects[:2], tmp_path, Silent())
    assert done < {item.digest for item in fitted}


def test_a_new_subjects_volumes_follow_the_test_block(subjects):
    from almond.encoding.multisubject.shared_fit import _SubjectFit

    settings = SharedSettings(new_subjects=("01",), volumes=50)
    spaces = Spaces(subjects, {}, settings, FACTORS, 10.0)
    job = _SubjectFit(configured("."), spaces, None, subjects[0], {})
    rows = np.arange(300)
    assert job.own_rows(rows[:200], rows[200:]).tolist() == list(range(50))
    assert job.own_rows(np.r_[0:50, 120:300], rows[57:113]).tolist() == list(range(120, 170))
    with pytest.raises(InputError, match="at most 40"):
        job.own_rows(rows[:40], rows[40:])


def test_wrong_input_is_refused(subjects, tmp_path):
    def fitting(data=subjects, **shared):
        fit_family("shared", configured(tmp_path, shared=SharedSettings(**shared)), data, tmp_path, Silent())

    with pytest.raises(InputError, match="has no run"):
        fitting(new_subjects=("99",))
    with pytest.raises(InputError, match="every subject"):
        fitting(new_subjects=("01", "02", "03", "04"))
    with pytest.raises(InputError, match="at most"):
        fitting(dimensions=17)
    with pytest.raises(InputError, match="another film"):
        fitting(simulated(2, seed=6, n_volumes=60, own_films=True), space="film", dimensions=2)
    twice = dataclasses.replace(subjects[0], x=np.tile(subjects[0].x, 2))
    with pytest.raises(InputError, match="delays or derivatives"):
        fitting([twice])
    with pytest.raises(InputError, match="each subject once"):
        fitting([subjects[0], subjects[0]])
    with pytest.raises(InputError, match="rows of features"):
        dataclasses.replace(subjects[0], x=subjects[0].x[:-1])
    with pytest.raises(InputError, match="'forest' is not known"):
        fit_family("forest", configured(tmp_path), subjects, tmp_path, Silent())
    with pytest.raises(InputError, match="learns from each subject alone"):
        fit_family("ridge", configured(tmp_path), subjects, tmp_path, Silent())
    with pytest.raises(InputError, match="maps to voxels"):
        fit_family("shared", configured(tmp_path, target="mean"), subjects, tmp_path, Silent())
    assert list(tmp_path.iterdir()) == []


def test_settings_report_every_error_with_its_path(tmp_path):
    assert section_of(tmp_path, shared=None) == (SharedSettings(), [])
    right = {"dimensions": 4, "new_subjects": ["07"], "volumes": 90, "penalties": [1]}
    settings, problems = section_of(tmp_path, shared=right)
    expected = SharedSettings(dimensions=4, new_subjects=("07",), volumes=90, penalties=(1.0,))
    assert (settings, problems) == (expected, [])
    wrong = {"dimension": 4, "volumes": 3, "space": "sea", "prior": "none", "penalties": -1}
    _, problems = section_of(tmp_path, shared=wrong)
    assert {problem.split(":")[0] for problem in problems} == {
        "shared.dimension",
        "shared.volumes",
        "shared.penalties",
        "shared.space",
        "shared.prior",
    }
    assert section_of(tmp_path, shared=["x"])[1] == ["shared: is ['x'], not a mapping"]
    _, problems = section_of(tmp_path, shared={"volumes": 90})
    assert problems == ["shared.volumes: limits the data of new subjects, but new_subjects names none"]


def test_inner_blocks_are_those_of_every_other_model(subjects):
    spaces = Spaces(subjects, {}, SharedSettings(), FACTORS, 10.0)
    rows = np.arange(40, 400)
    expected = inner_folds(Fold(rows, rows[:0]), (200, 200), n_folds=4, gap=10.0, tr=1.5)
    for one, other in zip(spaces.inner(subjects[0], rows), expected, strict=True):
        np.testing.assert_array_equal(one.test, other.test)
