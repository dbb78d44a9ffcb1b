"""The section ``evaluation``: every error with its path, defaults, contrasts."""

import subprocess
import sys

import pytest

from almond.encoding.config.evaluation import EvaluationSettings
from almond.group.contrasts import contrast_weights
from tests.almond.sections import section_of

REGIONS = ("Amy", "LB", "CM", "SF", "AStr", "VC")


def parsed(tmp_path, value, regions=REGIONS):
    return section_of(tmp_path, regions=regions, evaluation=value)


def test_defaults_and_the_published_contrasts(tmp_path):
    found, problems = parsed(tmp_path, None)
    assert (found, problems) == (EvaluationSettings(), [])
    found, problems = parsed(
        tmp_path,
        {
            "whole": "Amy",
            "subregions": ["LB", "CM", "SF", "AStr"],
            "controls": "VC",
            "random_regions": {"splits": 20},
            "out": "group",
        },
    )
    assert problems == []
    assert found.controls == ("VC",)
    assert (found.random_regions.of, found.random_regions.splits, found.random_regions.parts) == (
        "Amy",
        20,
        4,
    )
    assert found.out == tmp_path / "group"
    contrasts = contrast_weights(found, found.subregions)
    assert list(contrasts) == ["LB vs others", "CM vs SF and AStr", "SF vs AStr"]
    rows = [list(weights.values()) for weights in contrasts.values()]
    for index, row in enumerate(rows):
        assert sum(row) == pytest.approx(0)
        for other in rows[index + 1 :]:
            assert sum(a * b for a, b in zip(row, other, strict=True)) == pytest.approx(0)


def test_contrasts_of_other_subregions(tmp_path):
    three, _ = parsed(tmp_path, {"subregions": ["LB", "CM", "VC"]})
    assert contrast_weights(three, three.subregions)["CM vs others"] == {"LB": -0.5, "CM": 1.0, "VC": -0.5}
    two, _ = parsed(tmp_path, {"subregions": ["LB", "CM"]})
    assert contrast_weights(two, two.subregions) == {"LB vs CM": {"LB": 1.0, "CM": -1.0}}
    own, _ = parsed(tmp_path, {"subregions": ["LB", "CM", "SF"], "contrasts": {"x": {"LB": 2, "SF": -2}}})
    assert contrast_weights(own, own.subregions) == {"x": {"LB": 2.0, "CM": 0.0, "SF": -2.0}}


def test_every_error_at_once_with_its_path(tmp_path):
    (tmp_path / "table.csv").write_text("image,region,subject\n")
    found, problems = parsed(
        tmp_path,
        {
            "whole": 3,
            "subregions": ["LB", "LB"],
            "fdr": 1.5,
            "least_subjects": 2,
            "correction": "bonferoni",
            "random_regions": {"of": "Amy", "parts": 1, "split": 3},
            "contrasts": {"a": {"LB": 1, "CM": -1}, "b": {"LB": 1}},
            "stimuli": {"table": "table.csv"},
            "fdrr": 0.1,
        },
    )
    assert found is None
    text = "\n".join(problems)
    for said in (
        "evaluation.fdrr: unknown setting; did you mean fdr?",
        "evaluation.whole: is 3, not text",
        "evaluation.subregions: holds a name twice",
        "evaluation.fdr: is 1.5",
        "evaluation.least_subjects: is 2",
        "evaluation.correction: is 'bonferoni'",
        "evaluation.random_regions.parts: is 1",
        "evaluation.random_regions.split: unknown setting; did you mean splits?",
        "evaluation.contrasts.a.CM: is not one of the subregions",
        "evaluation.contrasts.b: has weights that do not sum to 0",
        "evaluation.stimuli: gives neither images nor their features",
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "evaluation: is [], not a mapping"),
        ({"subregions": ["LB"]}, "two or more can be compared"),
        ({"whole": "amy"}, "evaluation.whole: amy is no region; did you mean Amy?"),
        ({"controls": ["V1"]}, "evaluation.controls: V1 is no region"),
        ({"random_regions": {}}, "evaluation.random_regions.of: is missing"),
        ({"random_regions": {"of": "X"}}, "evaluation.random_regions.of: X is no region"),
        ({"random_regions": 4}, "evaluation.random_regions: is 4, not a mapping"),
        ({"contrasts": {"a": 1}, "subregions": ["LB", "CM"]}, "evaluation.contrasts.a: is 1, not a mapping"),
        ({"stimuli": {"table": "gone.csv", "images": "."}}, "evaluation.stimuli.table: file not found"),
        ({"stimuli": {"table": 3, "features": "x.npz"}}, "evaluation.stimuli.features: file not found"),
    ],
)
def test_errors_one_by_one(tmp_path, value, said):
    found, problems = parsed(tmp_path, value)
    assert found is None
    assert any(said in problem for problem in problems), problems


def test_names_are_looked_up_only_where_regions_are_known(tmp_path):
    found, problems = parsed(tmp_path, {"whole": "anything"}, regions=())
    assert problems == []
    assert found.whole == "anything"


def test_the_module_is_light():
    code = (
        "import sys, almond.encoding.config.evaluation; "
        "print([n for n in ('torch','nibabel','scipy','sklearn','himalaya','h5py','av') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
