"""The plan of a study: whole or refused, immutable, and one digest per content."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from almond.design.plan import StudyPlan
from almond.digest import digest_bytes
from almond.errors import InputError
from almond.shapes import ShapeError
from tests.almond.design_plans import full_plan, natural_plan


def test_a_plan_survives_json():
    for plan in (full_plan(), natural_plan()):
        again = StudyPlan.from_bytes(plan.to_bytes())
        assert again == plan
        assert again.digest == plan.digest == digest_bytes(plan.to_bytes())


def test_a_plan_reads_from_json_with_spaces_and_whole_numbers_as_strengths():
    values = full_plan().to_json()
    values["stimuli"] = [{**item, "strength": 2} for item in values["stimuli"]]
    read = StudyPlan.from_json(values)
    loose = StudyPlan.from_bytes(json.dumps(values, indent=3).encode())
    assert read.digest == loose.digest


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, (*path, name))]
    if isinstance(value, list):
        return [leaf for number, item in enumerate(value) for leaf in leaves(item, (*path, number))]
    return [path]


def test_every_single_value_is_under_the_digest():
    plan = full_plan(2, 1)
    values = plan.to_json()
    digests = {plan.digest}
    for path in leaves(values):
        changed = json.loads(json.dumps(values))
        place = changed
        for step in path[:-1]:
            place = place[step]
        old = place[path[-1]]
        place[path[-1]] = f"{old}x" if isinstance(old, str) else (old or 0) + 1
        digests.add(digest_bytes(json.dumps(changed, sort_keys=True).encode()))
        try:
            assert StudyPlan.from_json(changed).digest not in digests
        except InputError:
            continue
    assert len(digests) == len(leaves(values)) + 1


def test_a_plan_cannot_be_changed():
    plan = full_plan()
    with pytest.raises(ValidationError, match="frozen"):
        plan.title = "another"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        plan.stimuli[0].direction = 0  # type: ignore[misc]


def test_a_study_without_stimuli_is_refused():
    values = {**full_plan().to_json(), "stimuli": [], "pairs": [], "blocks": []}
    with pytest.raises(InputError, match=r"stimuli: there are none\s+blocks: there are none"):
        StudyPlan.from_json(values)
    parts = {**dict(full_plan()), "stimuli": (), "pairs": ()}
    with pytest.raises(ValidationError, match="stimuli: there are none"):
        StudyPlan(**parts)


def test_all_problems_are_named_at_once_with_their_paths():
    values = full_plan().to_json()
    values["format"] = "almond-plan/9"
    values["seed"] = -1
    values["participants"] = "forty"
    values["colour"] = "blue"
    values["stimuli"][0]["sha256"] = "not a digest"
    values["stimuli"][3]["direction"] = 2
    values["stimuli"][4]["strength"] = float("nan")
    values["stimuli"][5] = "an image"
    values["pairs"][1]["high"] = "nobody"
    values["pairs"][2]["construct"] = "disgust"
    values["blocks"][0]["kind"] = "video"
    values["blocks"][1]["constructs"] = ["threat", "threat"]
    values["analysis"] = {"permutations": 0, "alpha": 2, "primary": ["anova"]}
    with pytest.raises(InputError) as caught:
        StudyPlan.from_json(values)
    message = str(caught.value)
    for part in (
        "format: is 'almond-plan/9'",
        "seed: is -1, not a number of at least 0",
        "participants: is 'forty'",
        "colour: unknown setting",
        "stimuli[0].sha256: is 'not a digest'",
        "stimuli[3].direction: is 2, not a number of at most 1",
        "stimuli[4].strength: is nan",
        "stimuli[5]: is 'an image', not a mapping",
        "pairs[1].high: 'nobody' is not a stimulus",
        "pairs[2].construct: 'disgust' is not a construct",
        "blocks[0].kind: is 'video'",
        "blocks[1].constructs: is ['threat', 'threat'], not a list of different texts",
        "analysis.permutations: is 0",
        "analysis.alpha: is 2",
        "analysis.primary: 'anova' is not one of",
    ):
        assert part in message


def test_one_broken_stimulus_is_not_reported_again_by_its_pairs():
    values = full_plan().to_json()
    values["stimuli"][0]["width"] = 0
    with pytest.raises(ShapeError) as caught:
        StudyPlan.from_json(values)
    assert caught.value.problems == ("stimuli[0].width: is 0, not a number of at least 1",)


@pytest.mark.parametrize(
    ("part", "field", "value", "problem"),
    [
        ("pairs", "base_scene", "scene-3", "is of base scene 'scene-0', not 'scene-3'"),
        ("pairs", "target", "T2", "has target 'T0', not 'T2'"),
        ("pairs", "high", "s0-t0-down", "has direction -1, not 1"),
        ("pairs", "low", "s0-t0-up", "has direction 1, not -1"),
        ("stimuli", "id", "s0-t0-down", "id 's0-t0-down' stands more than once"),
        ("stimuli", "target", None, "target: is missing, but the image was guided"),
        ("stimuli", "direction", 0, "direction: is 0, but the image has a target"),
        ("blocks", "trials", 99, "asks for 99 different stimuli, the plan has 24"),
        ("blocks", "repeats", 20, "more than the 4 trials shown once before"),
        ("blocks", "constructs", [], "a rating block needs at least one"),
        ("blocks", "constructs", ["joy"], "'joy' is not a construct of the plan"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(part, field, value, problem):
    values = full_plan().to_json()
    values[part][0][field] = value
    with pytest.raises(InputError, match=r".*") as caught:
        StudyPlan.from_json(values)
    assert problem in str(caught.value)


def test_one_picture_may_serve_two_targets_but_not_both_sides_of_a_pair():
    values = full_plan().to_json()
    pair = values["pairs"][0]
    by_id = {stimulus["id"]: stimulus for stimulus in values["stimuli"]}
    other = next(s for s in values["stimuli"] if s["id"] not in (pair["high"], pair["low"]))
    other["sha256"] = by_id[pair["high"]]["sha256"]
    assert StudyPlan.from_json(values).digest
    by_id[pair["low"]]["sha256"] = by_id[pair["high"]]["sha256"]
    with pytest.raises(InputError, match=r"are the same picture"):
        StudyPlan.from_json(values)


def test_choice_blocks_take_the_pairs_of_their_constructs_and_never_repeat():
    values = full_plan().to_json()
    values["blocks"][1]["constructs"] = ["social"]
    with pytest.raises(InputError, match="asks for 12 different pairs, the plan has 0"):
        StudyPlan.from_json(values)
    values = full_plan().to_json()
    values["blocks"][1]["repeats"] = 1
    with pytest.raises(InputError, match="only rating blocks repeat"):
        StudyPlan.from_json(values)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_what_is_no_plan_is_refused(data):
    with pytest.raises(InputError):
        StudyPlan.from_bytes(data)


def test_the_plan_loads_nothing_heavy():
    code = "import sys, almond.design.plan, almond.design.assignment; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "torch", "scipy", "PIL", "django"} & set(loaded.stdout.split())
