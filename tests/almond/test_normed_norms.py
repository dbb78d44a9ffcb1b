"""Tables of norms as they come, and low-level features as they were published."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from almond.errors import InputError
from almond.stimuli import lowlevel_paper
from almond.stimuli.norms import image_key, read_norms

FIXTURE = Path(__file__).parent / "fixtures" / "lowlevel.npz"
OASIS = Path(os.environ.get("ALMOND_REAL_DATA", "")) / "oasis"

HEAD = ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N"
ROWS = ["I1,Acorns 1,Object,P,4.5,1,100,2.25,1,100", "I2,Acorns 2 ,Object,P,5.5,1,100,3.25,1,100"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_gives_the_same_norms(tmp_path: Path, end: str) -> None:
    path = tmp_path / "norms.csv"
    path.write_bytes(end.join([HEAD, *ROWS, ""]).encode())
    norms = read_norms(path, ["Acorns 2.jpg", "acorns 1.JPG"])
    assert norms.names == ("Acorns 2.jpg", "acorns 1.JPG")
    np.testing.assert_array_equal(norms.valence, [5.5, 4.5])
    np.testing.assert_array_equal(norms.arousal, [3.25, 2.25])
    assert norms.columns == {"name": "Theme", "valence": "Valence_mean", "arousal": "Arousal_mean"}


def test_themes_come_from_a_column_from_the_names_or_are_one_each(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    path.write_text("\n".join([HEAD, *ROWS, "I3,Lake 1,Scenery ,P,6,1,100,2,1,100"]))
    images = ["Lake 1.jpg", "Acorns 2.jpg", "acorns 1.JPG"]
    assert read_norms(path, images).themes == ("lake 1", "acorns 2", "acorns 1")
    assert read_norms(path, images, theme="theme").themes == ("lake", "acorns", "acorns")
    assert read_norms(path, images, theme="Category").themes == ("scenery", "object", "object")
    assert read_norms(path, images).columns == read_norms(path, images, theme="Category").columns
    with pytest.raises(InputError, match=r"no column 'Motif' for the themes .*Theme, Category"):
        read_norms(path, images, theme="Motif")


def test_rows_of_one_image_state_one_theme(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    lines = ["IAPS,valmn,aromn,motif", "1,4,2,snake", "1,6,4, Snake", "2,4,2,", "3,5,2,dog", "3,5,2,cat"]
    path.write_text("\n".join(lines))
    assert read_norms(path, ["1.jpg"], theme="motif", repeated="mean").themes == ("snake",)
    with pytest.raises(InputError, match=r"row 4, '2.jpg': the theme in column motif is ''"):
        read_norms(path, ["1.jpg", "2.jpg"], theme="motif", repeated="mean")
    with pytest.raises(InputError, match=r"row 6, '3.jpg': theme 'cat', but 'dog' in row 5"):
        read_norms(path, ["3.jpg"], theme="motif", repeated="mean")


@pytest.mark.parametrize("separator", ["\t", "   "])
def test_iaps_style_text_with_prose_before_its_header(tmp_path: Path, separator: str) -> None:
    lines = ["Norms of pictures.", "All subjects, in alphabetical order"]
    cells = [
        ["desc", "IAPS", "valmn", "valsd", "aromn", "arosd", "dom1mn", "set"],
        ["AbdomenPain", "1019", "3.95", "1.94", "5.77", "1.98", ".", "13"],
        ["Snake", "1022.1", "4.26", "2.04", "6.02", "1.97", ".", "11"],
        ["Dog", "1303", "4.68", "2.11", "5.70", "2.04", "4.3", "9"],
    ]
    path = tmp_path / "AllSubjects.txt"
    path.write_text("\n".join([*lines, *(separator.join(row) for row in cells)]) + "\n")
    norms = read_norms(path, ["1303.jpg", "1022.1.jpg"])
    np.testing.assert_array_equal(norms.valence, [4.68, 4.26])
    np.testing.assert_array_equal(norms.arousal, [5.70, 6.02])
    assert norms.unused == 1
    everything = read_norms(path)
    assert everything.names == ("1019", "1022.1", "1303")


def test_columns_by_name_whatever_their_capitals(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("Bild;Lust;Erregung\na.png;1;2\nb.png;3;4\n")
    norms = read_norms(path, ["b", "a"], name="bild", valence="LUST", arousal="Erregung")
    np.testing.assert_array_equal(norms.valence, [3.0, 1.0])
    with pytest.raises(InputError, match="no column"):
        read_norms(path, name="picture", valence="Lust", arousal="Erregung")
    with pytest.raises(InputError, match="valence and arousal"):
        read_norms(path)


def test_everything_wrong_is_reported_together_with_names(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    path.write_text("image,valence,arousal\na,1,2\nb,high,2\nc,3,nan\na,1,2\nd,1,1\n")
    with pytest.raises(InputError) as caught:
        read_norms(path, ["a.png", "b.png", "c.png", "e.png", "e.jpg"])
    text = str(caught.value)
    assert "5 problems" in text
    assert "two images are called 'e.jpg'" in text
    assert "no row for 'e.jpg'" in text
    assert "'a.png' stands in rows 2 and 5" in text
    assert "row 3, 'b.png': valence is 'high'" in text
    assert "row 4, 'c.png': arousal is 'nan'" in text


def test_pictures_rated_twice_can_be_averaged(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    path.write_text("image,valence,arousal\na,1,2\na,3,6\nb,5,5\nb,x,5\n")
    norms = read_norms(path, ["a.png"], repeated="mean")
    assert (norms.valence[0], norms.arousal[0], norms.unused) == (2.0, 4.0, 2)
    with pytest.raises(InputError, match="not a number"):
        read_norms(path, ["b.png"], repeated="mean")


def test_rows_with_too_few_cells_and_empty_tables(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    path.write_text("image,valence,arousal\na,1\n")
    with pytest.raises(InputError, match="row 2 has 2 cells"):
        read_norms(path)
    path.write_text("image,valence,arousal\n")
    with pytest.raises(InputError, match="no rows"):
        read_norms(path)


def test_names_of_images() -> None:
    assert image_key(" folder/Acorns 1.JPG ") == "acorns 1"
    assert image_key("2345.1") == image_key("2345.1.jpg") == "2345.1"


def test_published_low_level_features_equal_octaves() -> None:
    with np.load(FIXTURE) as stored:
        image, counts = stored["img"], stored["imhist_median_counts"]
        low, high = float(stored["psd_lo"][0]), float(stored["psd_hi"][0])
        medians, per_channel = stored["pixel_medians"], stored["psd_perchannel_lo_hi"]
    values = lowlevel_paper.measure_as_published(image)
    found = [values[f"median_{name}"] for name in ("red", "green", "blue")]
    np.testing.assert_array_equal(found, np.ravel(counts))
    assert not np.allclose(found, np.ravel(medians))  # what the name says would be something else
    assert values["power_low"] == pytest.approx(low, rel=1e-13)
    assert values["power_high"] == pytest.approx(high, rel=1e-13)
    assert values["power_low"] == pytest.approx(per_channel[2, 0], rel=1e-13)  # the blue channel's


def test_published_power_is_that_of_shifting_all_three_axes() -> None:
    image = np.random.default_rng(3).integers(0, 256, (227, 227, 3), dtype=np.uint8)
    power = np.abs(np.fft.fftshift(np.fft.fft2(image.astype(float), axes=(0, 1)))) ** 2
    x, y = np.meshgrid(np.arange(1, 228), np.arange(1, 228))
    radius = np.sqrt((x - 113.5) ** 2 + (y - 113.5) ** 2)
    values = lowlevel_paper.measure_as_published(image)
    assert values["power_low"] == pytest.approx(power[..., 0][radius < 6].mean(), rel=1e-12)
    assert values["power_high"] == pytest.approx(power[..., 0][radius > 24].mean(), rel=1e-12)


def test_other_sizes_are_resized_first_and_other_arrays_refused() -> None:
    image = np.random.default_rng(4).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    again = np.asarray(Image.fromarray(image).resize((227, 227), Image.Resampling.BICUBIC))
    assert lowlevel_paper.measure_as_published(image) == lowlevel_paper.measure_as_published(again)
    with pytest.raises(InputError, match="uint8"):
        lowlevel_paper.measure_as_published(image.astype(float))


@pytest.mark.skipif("ALMOND_REAL_DATA" not in os.environ or not OASIS.is_dir(), reason="no OASIS")
def test_the_real_table_of_oasis_with_its_bare_carriage_returns() -> None:
    raw = (OASIS / "OASIS.csv").read_bytes()
    assert b"\r" in raw
    assert b"\n" not in raw
    expected = pd.read_csv(OASIS / "OASIS.csv", lineterminator="\r").set_index("Theme")
    pictures = sorted(path.name for path in (OASIS / "images").iterdir())
    norms = read_norms(OASIS / "OASIS.csv", pictures)
    chosen = expected.loc[[name.removesuffix(".jpg") for name in pictures]]
    np.testing.assert_array_equal(norms.valence, chosen["Valence_mean"])
    np.testing.assert_array_equal(norms.arousal, chosen["Arousal_mean"])
    assert norms.unused == 900 - len(pictures)
    themes = read_norms(OASIS / "OASIS.csv", pictures, theme="Theme").themes
    assert len(set(themes)) < len(set(norms.themes)) == len(pictures)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image,valence,arousal\na,4,2\nb,-99,3\n", "row 3, 'b': valence is '-99', which looks like a code"),
        (
            "image,valence,arousal\na,-4,2\nb,9999,3\n",
            "row 3, 'b': valence is '9999', which looks like a code",
        ),
        (
            "image,valence,arousal\na,4,2\nb,3,-9.0\n",
            "row 3, 'b': arousal is '-9.0', which looks like a code",
        ),
        ("image;valence;arousal\na;4,5;2\nb;3;1\n", "row 2, 'a': valence is '4,5', a number with a comma"),
        ("image,valence,arousal\na,4,2\nb,n/a,1\n", "row 3, 'b': valence is n/a"),
        ("image,valence,arousal,valence\na,4,2,1\n", "has the column valence twice"),
        ("image,valence,arousal,Valence\na,4,2,1\n", "has the columns valence and Valence for valence"),
    ],
)
def test_ratings_that_are_none_are_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "norms.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_norms(path)


def test_ratings_of_any_scale_are_ratings(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    path.write_text("image,valence,arousal\na,-9,99\nb,-2,60\nc,9,88\n")
    norms = read_norms(path)
    np.testing.assert_array_equal(norms.valence, [-9, -2, 9])
    np.testing.assert_array_equal(norms.arousal, [99, 60, 88])


def test_names_in_latin_1_find_their_images(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    path.write_bytes("image,valence,arousal\nFläche,4,2\n".encode("latin-1"))
    assert read_norms(path, ["fläche.jpg"]).valence.tolist() == [4]
