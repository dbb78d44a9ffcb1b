"""Images in and out."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from almond.errors import InputError
from almond.pictures.reading import read_image
from almond.stimuli.images import contact_sheet, png_bytes, write_png


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_a_png_comes_back_pixel_by_pixel_and_its_name_is_the_digest_of_its_bytes(
    tmp_path: Path, picture: np.ndarray
) -> None:
    path = tmp_path / "a" / "picture.png"
    digest = write_png(path, picture)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(read_image(path), picture)
    np.testing.assert_array_equal(read_image(path.read_bytes()), picture)


def test_equal_pixels_are_equal_bytes_whatever_their_layout_in_memory(picture: np.ndarray) -> None:
    assert png_bytes(np.asfortranarray(picture)) == png_bytes(picture.copy())


def test_grey_palette_transparent_and_turned_images_become_upright_rgb(tmp_path: Path) -> None:
    grey = io.BytesIO()
    Image.new("L", (6, 4), 100).save(grey, "PNG")
    assert read_image(grey.getvalue()).tolist() == np.full((4, 6, 3), 100).tolist()
    clear = io.BytesIO()
    Image.new("RGBA", (6, 4), (0, 0, 0, 0)).save(clear, "PNG")
    assert read_image(clear.getvalue()).min() == 255
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (6, 4), (9, 9, 9)).save(turned, exif=exif)
    assert read_image(turned).shape == (6, 4, 3)


@pytest.mark.parametrize("data", [b"", b"not an image at all", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"holiday\.png.*image"):
        read_image(path)


def test_a_truncated_image_and_a_missing_file_are_refused(tmp_path: Path, picture: np.ndarray) -> None:
    with pytest.raises(InputError, match="damaged"):
        read_image(png_bytes(picture)[:-700], name="upload")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "none.png")


def test_only_rgb_bytes_are_written(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_png(tmp_path / "x.png", np.zeros((4, 4, 3)))
    assert not list(tmp_path.iterdir())


def test_a_contact_sheet_holds_its_images_in_reading_order(picture: np.ndarray) -> None:
    sheet = contact_sheet([picture, 255 - picture, picture], columns=2, gap=3, scale=2)
    assert sheet.shape == (2 * 48 + 3, 2 * 64 + 3, 3)
    np.testing.assert_array_equal(sheet[:48:2, 67::2], 255 - picture)
    with pytest.raises(InputError, match="no images"):
        contact_sheet([])
    with pytest.raises(InputError, match="sizes"):
        contact_sheet([picture, picture[:-1]])


def test_measuring_and_reading_images_loads_nothing_heavy() -> None:
    code = (
        "import sys, almond.stimuli.lowlevel, almond.stimuli.images;"
        "print(sorted({'torch', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
