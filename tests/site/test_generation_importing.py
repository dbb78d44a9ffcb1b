"""Photographs and norms that nobody here made: read strictly, or refused by name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almond.errors import InputError
from almond.pictures.reading import read_image, read_picture
from almond.progress import Silent
from encoder.runs.targets import read_folder
from generation import services
from generation.models import ImageSet, Stimulus
from generation.runs.image_source import read_source
from jobs.services import run_now
from tests.almond.picture_files import coloured, painted, refused, tiffs
from tests.site.generation_rows import photograph, write_photographs

HEADER = "Theme,Category,Valence_mean"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_photographs(tmp_path / "photographs")


def write_norms(folder: Path, *lines: str, end: str = "\n") -> Path:
    path = folder.parent / "norms.csv"
    path.write_bytes(end.join([HEADER, *lines]).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_norms_are_joined_by_name_whatever_the_line_ends(folder: Path, end: str) -> None:
    norms = write_norms(folder, "Lake 2 ,Scenery,5.5", "Dog 1,Animal,6", "Cat 3,Animal,4", end=end)
    found = read_source(folder, norms, progress=Silent())
    assert found.norm_names == ("Valence_mean",)
    assert {image.name: image.norms for image in found.images} == {
        "Dog 1.jpg": {"Valence_mean": 6.0},
        "Lake 2.png": {"Valence_mean": 5.5},
    }
    assert [(image.suffix, image.width) for image in found.images] == [("jpg", 24), ("png", 24)]
    assert found.remarks == ["1 rows of the norms have no image here"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["Dog 1,Animal,6"], r"has no row for Lake 2\.png"),
        (
            ["Dog 1,Animal,6", "Lake 2,Scenery,high"],
            r"row 3: Valence_mean is 'high', not",
        ),
        (["Dog 1,Animal,6", "Lake 2,Scenery,5", "dog 1,Animal,6"], r"row 4: 'dog 1' is listed a second"),
        (["Dog 1,Animal,6", "Lake 2,Scenery"], r"row 3 has 2 cells, the header 3"),
        (["a,b,1", "c,d,2"], r"no column holds the names of the images"),
        ([], r"has no rows"),
        (['Dog 1,"Animal,6'], r"row 2 has a quotation mark"),
    ],
)
def test_norms_that_do_not_fit_are_refused_by_row(folder: Path, lines: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_source(folder, write_norms(folder, *lines), progress=Silent())


def test_an_empty_cell_is_a_missing_value(folder: Path) -> None:
    norms = write_norms(folder, "Dog 1,Animal,", "Lake 2,Scenery,5")
    found = read_source(folder, norms, progress=Silent())
    assert [image.norms for image in found.images] == [{}, {"Valence_mean": 5.0}]


@pytest.mark.parametrize(
    ("dog", "lake", "problem"),
    [
        ("3,5", "3", r"row 2: Valence_mean is '3,5', a number with a comma"),
        ("3,5", "4,5", r"2 problems\n.*row 2.*\n.*row 3: Valence_mean is '4,5', a number with a comma"),
        ("3", "NA", r"row 3: Valence_mean is 'NA', not a number \(expected a number, or n/a"),
        ("-99", "3", r"row 2: Valence_mean is '-99', which looks like a code for a missing value"),
        ("3", "inf", r"row 3: Valence_mean is 'inf', not a finite number"),
    ],
)
def test_cells_among_ratings_that_are_none_are_named(folder: Path, dog: str, lake: str, problem: str) -> None:
    norms = write_norms(folder, f'Dog 1,Animal,"{dog}"', f'Lake 2,Scenery,"{lake}"')
    with pytest.raises(InputError, match=problem):
        read_source(folder, norms, progress=Silent())


def test_a_column_of_words_with_a_number_among_them_is_no_norm_and_said(folder: Path) -> None:
    (folder / "Sky 3.png").write_bytes(photograph(3, "PNG"))
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,12,n/a", "Sky 3,None of these,5")
    source = read_source(folder, norms, progress=Silent())
    assert source.norm_names == ("Valence_mean",)
    (remark,) = source.remarks
    assert remark == (
        "column Category of the norms is left out: 2 of 3 images have words in it; "
        "row 2: Category is 'Animal', not a number"
    )


def test_themes_come_from_the_column_that_is_named(folder: Path) -> None:
    (folder / "Sky 3.png").write_bytes(photograph(3, "PNG"))
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,Scenery,5", "Sky 3, SCENERY ,4")
    source = read_source(folder, norms, progress=Silent(), theme="category")
    assert [image.theme for image in source.images] == ["animal", "scenery", "scenery"]
    assert source.norm_names == ("Valence_mean",)
    assert source.remarks == ["2 themes of 3 images, from column category"]
    assert [image.theme for image in read_source(folder, norms, progress=Silent()).images] == ["", "", ""]


def test_a_column_of_numbers_that_holds_themes_is_no_norm(folder: Path) -> None:
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,Scenery,6")
    source = read_source(folder, norms, progress=Silent(), theme="Valence_mean")
    assert source.norm_names == ()
    assert [image.theme for image in source.images] == ["6", "6"]


def test_themes_in_the_names_of_images_lose_the_number_at_their_end(folder: Path) -> None:
    (folder / "Dog 12.png").write_bytes(photograph(3, "PNG"))
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,Scenery,5", "Dog 12.png,Animal,4")
    source = read_source(folder, norms, progress=Silent(), theme="Theme")
    assert {image.name: image.theme for image in source.images} == {
        "Dog 1.jpg": "dog",
        "Dog 12.png": "dog",
        "Lake 2.png": "lake",
    }


@pytest.mark.parametrize(
    ("theme", "lines", "problem"),
    [
        ("Motif", ["Dog 1,Animal,6", "Lake 2,Scenery,5"], r"no column 'Motif' .* Theme, Category, Val"),
        ("Category", ["Dog 1,,6", "Lake 2,n/a,5"], r"2 problems\n  row 2, 'Dog 1.jpg': .* is ''\n  row 3"),
    ],
)
def test_images_without_a_theme_are_named(folder: Path, theme: str, lines: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_source(folder, write_norms(folder, *lines), progress=Silent(), theme=theme)


def test_a_rating_that_only_few_images_have_is_kept(folder: Path) -> None:
    (folder / "Sky 3.png").write_bytes(photograph(3, "PNG"))
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,Scenery,n/a", "Sky 3,Scenery,")
    assert [image.norms for image in read_source(folder, norms, progress=Silent()).images] == [
        {"Valence_mean": 6.0},
        {},
        {},
    ]


def test_an_image_that_is_none_is_named(folder: Path) -> None:
    (folder / "fake.jpg").write_text("not an image")
    with pytest.raises(InputError, match=r"fake\.jpg: is not an image"):
        read_source(folder, None, progress=Silent())


def test_an_image_that_is_cut_short_is_named(folder: Path) -> None:
    path = folder / "Dog 1.jpg"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"Dog 1\.jpg"):
        read_source(folder, None, progress=Silent())


def test_an_image_of_another_kind_than_its_name_is_refused(folder: Path) -> None:
    (folder / "Dog 1.jpg").write_bytes(photograph(1, "PNG"))
    with pytest.raises(InputError, match="another kind of image than its name says"):
        read_source(folder, None, progress=Silent())


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="holds no image"):
        read_source(tmp_path, None, progress=Silent())


def test_a_zip_file_serves_like_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("set/../../Dog 1.jpg", photograph(0, "JPEG"))
        archive.writestr("__MACOSX/set/._Dog 1.jpg", b"x")
        archive.writestr("set/notes.txt", b"x")
    found = read_source(path, None, progress=Silent())
    assert [image.name for image in found.images] == ["Dog 1.jpg"]
    assert found.images[0].read() == photograph(0, "JPEG")


def test_a_zip_file_that_is_none_or_names_an_image_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(b"PK but not really")
    with pytest.raises(InputError, match="is not a zip file"):
        read_source(path, None, progress=Silent())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/Dog.png", photograph(0, "PNG"))
        archive.writestr("b/Dog.png", photograph(1, "PNG"))
    with pytest.raises(InputError, match=r"b/Dog\.png: has the name of another"):
        read_source(path, None, progress=Silent())


@pytest.fixture
def lab(tmp_path: Path, settings: Any, db: None) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


def bring_in(folder: Path, norms: Path | str = "") -> tuple[ImageSet, Any]:
    image_set = services.import_image_set(name="set", folder=folder, norms=norms, by=None)
    assert image_set.job is not None
    job = run_now(image_set.job)
    image_set.refresh_from_db()
    return image_set, job


def test_an_import_keeps_bytes_and_norms(lab: Path, folder: Path) -> None:
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,Scenery,5")
    image_set, job = bring_in(folder, norms)
    assert job.state == "done", job.error
    dog = image_set.stimuli.get(name="Dog 1.jpg")
    assert dog.path.read_bytes() == (folder / "Dog 1.jpg").read_bytes()
    assert (dog.norms, dog.suffix, dog.recipe_digest) == ({"Valence_mean": 6.0}, "jpg", "")
    assert dog.lowlevel["luminance"] > 0
    assert image_set.norms == ["Valence_mean"]
    assert image_set.imported_at is not None


def test_an_import_keeps_the_themes_of_the_column_or_none(lab: Path, folder: Path) -> None:
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,Scenery,5")
    with_themes = services.import_image_set(
        name="with themes", folder=folder, norms=norms, theme_column="Category", by=None
    )
    without, job = bring_in(folder, norms)
    assert with_themes.job is not None
    assert "2 themes of 2 images, from column Category" in run_now(with_themes.job).log
    assert [image.theme for image in with_themes.stimuli.order_by("name")] == ["animal", "scenery"]
    assert "every image counts as a theme of its own" in job.log
    assert [image.theme for image in without.stimuli.order_by("name")] == ["Dog 1.jpg", "Lake 2.png"]
    assert not without.stimuli.exclude(stated_theme="").exists()


def test_a_column_of_themes_that_is_not_there_stops_an_import_with_nothing_kept(
    lab: Path, folder: Path
) -> None:
    norms = write_norms(folder, "Dog 1,Animal,6", "Lake 2,Scenery,5")
    image_set = services.import_image_set(
        name="set", folder=folder, norms=norms, theme_column="Motif", by=None
    )
    assert image_set.job is not None
    job = run_now(image_set.job)
    assert job.state == "failed"
    assert "has no column 'Motif' for the themes" in job.error
    assert not Stimulus.objects.exists()
    with pytest.raises(InputError, match="column 'Motif', but there are no norms"):
        services.import_image_set(name="other", folder=folder, theme_column="Motif", by=None)


def test_a_failed_import_leaves_nothing_and_can_be_tried_again(lab: Path, folder: Path) -> None:
    (folder / "zebra.png").write_text("not an image")
    image_set, job = bring_in(folder)
    assert job.state == "failed"
    assert "zebra.png: is not an image" in job.error
    assert not Stimulus.objects.exists()
    assert not (lab / "home" / "stimuli").exists()
    (folder / "zebra.png").write_bytes(photograph(7, "PNG"))
    services.retry_import(image_set=image_set, by=None)
    assert image_set.job is not None
    assert run_now(image_set.job).state == "done"
    assert image_set.stimuli.count() == 3
    image_set.refresh_from_db()
    with pytest.raises(InputError, match="already imported"):
        services.retry_import(image_set=image_set, by=None)


def test_what_browsers_show_differently_is_stored_as_the_pixels_that_were_measured(lab: Path) -> None:
    files = painted() | coloured() | {name: data for name, (data, _) in tiffs().items()}
    folder = lab / "zoo"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    image_set, job = bring_in(folder)
    assert job.state == "done", job.error
    assert image_set.stimuli.count() == len(files)
    listed = dict(zip(sorted(files), read_folder(folder), strict=True))
    for stimulus in image_set.stimuli.all():
        stored, original = stimulus.path.read_bytes(), files[stimulus.name]
        seen = read_picture(original)
        np.testing.assert_array_equal(read_image(stored), seen.pixels, err_msg=stimulus.name)
        np.testing.assert_array_equal(listed[stimulus.name], seen.pixels, err_msg=stimulus.name)
        assert (stimulus.height, stimulus.width) == seen.pixels.shape[:2]
        as_it_came = seen.format in ("PNG", "JPEG") and not seen.changes
        assert (stored == original) == as_it_came, stimulus.name
        assert read_picture(stored).changes == ()
    assert "1 stored as PNG (CMYK to sRGB): cmyk.jpg" in job.log
    assert "14 stored as PNG (turned upright): turned-2.jpeg, turned-2.png" in job.log


@pytest.mark.parametrize("name", ["animation.gif", "animation.png", "huge.png", "float.tif"])
def test_pictures_that_cannot_be_shown_as_measured_are_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "images.zip"
    data, words = refused()[name]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"set/{name}", data)
    with pytest.raises(InputError, match=f"{name}: .*{words}"):
        read_source(path, None, progress=Silent())
