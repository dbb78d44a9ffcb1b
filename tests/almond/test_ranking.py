"""Free generation: images ranked by score, screened, laid out; people kept or not, as a reader sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from almond.digest import digest_bytes
from almond.errors import InputError
from almond.generating import make
from almond.generating.configuration import GenerationConfig, RankingSection
from almond.generating.folder import ImageRecord, Manifest, begin_folder, write_record
from almond.generating.people import NOT_CHECKED, PeopleShare, refusal_of_reader, usual_reader
from almond.generating.ranking import RANKED, rank_images, read_finished, screened
from almond.generating.world_scenes import read_world_scenes
from almond.guidance.recipe import Recipe
from almond.rng import generator
from almond.shapes import ShapeError, read
from almond.stimuli.images import png_bytes
from almond.stimuli.lowlevel import measure
from almond.world.scenes import draw_scene, render

MADE_WITH = Manifest("analytic", "a" * 64, {"LB": "b" * 64}, {}, 5, "c" * 64)
VALUES = {"features": {"kind": "world"}, "targets": ["LB"], "prompts": ["a street"], "seeds": [1]}


def config(folder: Path, **changes: Any) -> GenerationConfig:
    values = {**VALUES, "target_folder": str(folder), **changes}
    return read(GenerationConfig, values, source="test").model_copy(update={"output": folder / "made"})


def recipe(seed: int, direction: int, strength: float = 0.1) -> Recipe:
    guided = {"objective": {"LB": 1.0}, "direction": direction, "strength": strength, "window": (0.0, 1.0)}
    return Recipe(
        prompt="a street",
        seed=seed,
        generator="analytic",
        generator_digest="a" * 64,
        **(guided if direction else {}),  # type: ignore[arg-type]
    )


def store(folder: Path, made: Recipe, image: np.ndarray, score: float) -> str:
    png = png_bytes(image)
    record = ImageRecord(
        recipe=made,
        intended_target="LB" if made.direction else "",
        objective="alone" if made.direction else "",
        image_sha256=digest_bytes(png),
        width=image.shape[1],
        height=image.shape[0],
        scores={"LB": score},
        score_digests={"LB": "b" * 64},
        lowlevel=measure(image),
        trace=[],
    )
    write_record(folder, record, png)
    return record.name


def scene(presence: str, seed: int) -> np.ndarray:
    image: np.ndarray = render(draw_scene(generator(seed, "scene"), {"presence": presence}))
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes: the first with a group and one without people, the second with a blank picture."""
    home = tmp_path_factory.mktemp("ranked")
    made = home / "made"
    begin_folder(made, MADE_WITH)
    store(made, recipe(1, 0), scene("nobody", 1), 0.0)
    store(made, recipe(1, 1), scene("group", 1), 3.0)
    store(made, recipe(1, 1, 0.2), scene("nobody", 2), 2.0)
    store(made, recipe(1, -1), scene("nobody", 2), -2.0)
    store(made, recipe(2, 0), scene("one", 3), 0.1)
    store(made, recipe(2, 1), np.full((96, 96, 3), 90, np.uint8), 4.0)
    store(made, recipe(2, 1, 0.2), scene("one", 4), 1.0)
    return home


def names_in(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "made" / "images").glob("*.json"))


def test_the_world_reader_sees_the_people_that_were_drawn() -> None:
    people = ["nobody", "one", "group"] * 2
    read_people = [row["presence"] for row in read_world_scenes([scene(p, n) for n, p in enumerate(people)])]
    assert sum(a == b for a, b in zip(read_people, people, strict=True)) >= 5
    alone = read_world_scenes([scene("nobody", 0)])[0]
    assert "expression" not in alone
    assert "object" in alone


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, [3.0, 1.0]),
        ({"flawed": True}, [4.0, 3.0]),
        ({"per_scene": 2}, [3.0, 2.0, 1.0]),
        ({"keep_people": True}, [2.0, 1.0]),
        ({"keep": 1}, [3.0]),
        ({"towards": -1}, [-2.0]),
    ],
)
def test_images_are_ranked_and_screened(folder: Path, changes: dict[str, Any], order: list[float]) -> None:
    rank = RankingSection(**changes)
    setting = config(folder)
    images = read_finished(setting, names_in(folder), MADE_WITH)
    (made,) = rank_images(setting, rank, images, MADE_WITH)
    assert made.folder == folder / "made" / RANKED / "LB"
    pictures = sorted(path.name for path in made.folder.glob("[0-9]*.png"))
    assert [float(name.split("_")[1]) for name in pictures] == order
    table = pd.read_csv(made.folder / "ranking.csv")
    assert list(table["rank"].dropna()) == list(range(1, len(order) + 1))
    assert table.loc[table["rank"].notna(), "rejected"].isna().all()
    provenance = json.loads((made.folder / "ranking.json").read_bytes())
    assert provenance["made_with"]["generator_digest"] == "a" * 64
    assert len(provenance["images"]) == len(order)
    assert sum(provenance["rejected"].values()) == len(table) - sum(table["rejected"].isna())
    assert (made.folder / "contact_sheet.png").is_file()


def test_reasons_are_named(folder: Path) -> None:
    images = read_finished(config(folder), names_in(folder), MADE_WITH)
    guided = [image for image in images if image.record.recipe.direction == 1]
    guided.sort(key=lambda image: -image.record.scores["LB"])
    bases = {image.place: image for image in images if not image.record.intended_target}
    reasons = screened(guided, bases, RankingSection(keep_people=True))
    assert reasons == ["blank", "other people", "", ""]


def test_what_became_of_people_is_said_once_all_images_are_there(folder: Path) -> None:
    setting = config(folder, rank={"keep": 2})
    remarks = make.looked_through(setting, names_in(folder), MADE_WITH, whole=True)
    assert remarks[0].startswith("The people of the scene were kept in ")
    assert " of 5 guided pictures (" in remarks[0]
    assert "LB: the best 2 are in" in remarks[1]
    assert "1 blank" in remarks[1]
    assert "once every shard" in make.looked_through(setting, [], MADE_WITH, whole=False)[0]
    assert make.looked_through(config(folder), [], MADE_WITH, whole=True) == []


def test_other_generators_need_a_reader_that_is_named(tmp_path: Path) -> None:
    assert usual_reader("analytic") == "world-judge"
    assert usual_reader("/models/sdxl") is None
    assert "scenes of the simulated world" in refusal_of_reader("world-judge", "/models/sdxl")
    pipeline = {"generator": str(tmp_path), "target_folder": str(tmp_path)}
    with pytest.raises(ShapeError, match="people: is world-judge"):
        read(GenerationConfig, {**VALUES, **pipeline, "people": "world-judge"}, source="test")
    with pytest.raises(ShapeError, match=r"rank\.keep_people: needs a reader"):
        read(GenerationConfig, {**VALUES, **pipeline, "rank": {"keep_people": True}}, source="test")
    free = config(tmp_path, generator=str(tmp_path), rank={})
    begin_folder(tmp_path / "made", MADE_WITH)
    assert make.looked_through(free, [], MADE_WITH, whole=True)[0] == NOT_CHECKED


def test_shares_without_pictures_are_said() -> None:
    assert PeopleShare("world-judge", 0, 0).share is None
    assert "No guided picture" in PeopleShare("world-judge", 0, 0).sentence
    assert PeopleShare("world-judge", 4, 3).share == 0.75


def test_a_ranking_in_a_direction_that_is_not_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"rank\.towards"):
        config(tmp_path, directions=[1], rank={"towards": -1})
    with pytest.raises(ShapeError, match="unguided images"):
        config(tmp_path, base=False, rank={"keep_people": True})


def test_a_changed_image_is_not_ranked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_finished(config(folder), ["0" * 64], MADE_WITH)
