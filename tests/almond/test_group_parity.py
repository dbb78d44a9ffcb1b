"""Classification and its clusters against reference numbers of the published algorithm run elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from almond.errors import InputError
from almond.group.region_images.clusters import cluster_confusion, clustered_null, published_null
from almond.group.region_images.plsda import Reclassifier, leave_one_subject_out_plsda
from almond.progress import Silent
from almond.rng import generator
from almond.stats.permutation import shuffle_within

FIXTURE = Path(__file__).parent / "fixtures" / "plsda_loso.npz"


@pytest.fixture(scope="module")
def reference():
    with np.load(FIXTURE) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("components", [3, 7])
def test_outputs_and_classes_equal_the_reference(reference, components):
    found = leave_one_subject_out_plsda(
        reference["da_X"], reference["da_lab"], reference["da_subj"], components
    )
    assert np.abs(found.scores - reference[f"da_yhat_{components}"]).max() < 1e-10
    assert (found.predicted + 1 == reference[f"da_pred_{components}"]).all()


def test_clusters_equal_the_reference(reference):
    predicted, true = (reference[name].astype(int) - 1 for name in ("da_pred_7", "da_lab"))
    found = cluster_confusion(predicted, true, 7)
    assert found.number == int(reference["ccm_optimalK"][0]) == 6
    theirs = reference["ccm_optimalY"]
    ours = np.array(found.solution.members)
    assert ((ours[:, None] == ours) == (theirs[:, None] == theirs)).all()
    assert found.accuracy == pytest.approx(float(reference["ccm_multi"][0]), abs=1e-15)
    assert found.solution.accuracy == pytest.approx(float(reference["ccm_acc"][0]), abs=1e-15)
    for level, accuracy, told in zip(
        found.levels, reference["ccm_clustacc"], reference["ccm_numsig"], strict=True
    ):
        assert level.accuracy == pytest.approx(float(accuracy), abs=1e-15)
        assert sum(level.separable) == told
        theirs = np.sort(reference[f"ccm_p_{level.number}"])
        np.testing.assert_allclose(np.sort(level.p), theirs, rtol=1e-9, atol=1e-15)


def test_the_quick_way_for_permutations_is_the_same_classifier(reference):
    x, subjects = reference["da_X"], reference["da_subj"]
    labels = reference["da_lab"].astype(int) - 1
    rng = generator(3, "shuffle")
    for components in (3, 7):
        quick = Reclassifier(x, subjects, components)
        assert (quick.hat is None) == (components == 3)
        shuffled = shuffle_within(labels, subjects, 1, rng)[0]
        slow = leave_one_subject_out_plsda(x, shuffled, subjects, components)
        assert (quick.predict(shuffled, 7) == slow.predicted).all()


def test_shuffling_keeps_every_subjects_labels(reference):
    labels, subjects = reference["da_lab"].astype(int) - 1, reference["da_subj"]
    shuffled = shuffle_within(labels, subjects, 1, generator(4, "shuffle"))[0]
    assert (shuffled != labels).any()
    for subject in np.unique(subjects):
        own = subjects == subject
        assert sorted(shuffled[own]) == sorted(labels[own])


def test_merging_raises_chance_and_the_null_knows(reference):
    x, subjects = reference["da_X"], reference["da_subj"]
    labels = reference["da_lab"].astype(int) - 1
    found = leave_one_subject_out_plsda(x, labels, subjects, 7)
    clusters = cluster_confusion(found.predicted, found.true, 7)
    null = clustered_null(
        x, labels, subjects, 7, clusters, permutations=200, rng=generator(5, "null"), progress=Silent()
    )
    assert null.p == null.p_merged == pytest.approx(1 / 201)
    assert null.accuracy.mean() == pytest.approx(1 / 7, abs=0.02)
    # Six clusters that were looked for in noise: above the 9/49 of fixed ones, far above 1/7.
    assert 0.17 < null.merged.mean() < 0.26
    assert null.merged.mean() > null.accuracy.mean() + 0.03
    assert (null.numbers == 0).mean() > 0.5


def test_chance_as_published_is_above_one_in_seven():
    """The study reports about 22 % for seven classes and 560 images."""
    found = published_null(560, 7, iterations=200, rng=generator(8, "published"))
    assert np.isfinite(found).all()
    assert 0.18 < found.mean() < 0.30


def test_nothing_is_separable_in_noise():
    rng = generator(6, "noise")
    true = np.repeat(np.arange(5), 40)
    found = cluster_confusion(rng.permutation(true), true, 5)
    assert found.number is None
    assert found.solution is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"components": 8}, "components"),
        ({"labels": ["a"] * 336}, "1 targets"),
        ({"subjects": [1] * 336}, "1 subjects"),
    ],
)
def test_designs_without_an_answer_are_refused(reference, change, said):
    given = {
        "labels": reference["da_lab"],
        "subjects": reference["da_subj"],
        "components": 7,
        **change,
    }
    with pytest.raises(InputError, match=said):
        leave_one_subject_out_plsda(reference["da_X"], **given)


def test_a_class_that_never_occurs_is_refused():
    with pytest.raises(InputError, match="each seen"):
        cluster_confusion(np.array([0, 1, 0]), np.array([0, 1, 0]), 3)
