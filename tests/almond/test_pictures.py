"""The reader of pictures: a zoo of files, what is refused, damage at random, every room that reads one."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from almond.digest import digest_file, digest_json
from almond.encoding.bold.bids import Run
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.image_predictors import predictors_of_images
from almond.encoding.features.run_features import Presentation, Scan
from almond.errors import InputError
from almond.pictures.files import LazyImages, image_files
from almond.pictures.formats import MOST_PIXELS
from almond.pictures.reading import read_image, read_picture
from almond.progress import Silent
from tests.almond import picture_files as files

MUTATIONS = 2000


@functools.cache
def everything() -> dict[str, bytes]:
    tiffs = {name: data for name, (data, _) in files.tiffs().items()}
    return files.painted() | files.coloured() | tiffs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    for name, data in everything().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("way", range(1, 9))
def test_a_picture_stands_upright_however_it_lies_in_its_file(way: int) -> None:
    turned = read_picture(files.saved(files.lying(way), "PNG", exif=files.exif(way)))
    np.testing.assert_array_equal(turned.pixels, files.scene())
    assert turned.changes == (("turned upright",) if way > 1 else ())


@pytest.mark.parametrize("name", files.tiffs())
def test_a_tiff_gives_what_it_holds(name: str) -> None:
    data, pixels = files.tiffs()[name]
    np.testing.assert_array_equal(read_image(data), pixels)


def test_16_bits_are_the_same_picture_as_8() -> None:
    grey = read_image(files.png(files.greys(16), 16, 0))
    assert np.abs(grey[..., 0].astype(float) - files.greys(16) / 257).max() <= 1
    np.testing.assert_array_equal(read_image(files.png(files.deep(files.scene()), 16, 2)), files.scene())


def test_what_is_transparent_is_white_and_its_neighbours_are_not() -> None:
    for name in ("key.png", "grey-key.png", "16-bit-key.png", "16-bit-grey-key.png"):
        pixels = read_image(files.painted()[name])
        assert (pixels[15:25, 20:] == 255).all(), name
        assert (pixels[25:, 20:] < 255).all(), name


def test_adobe_rgb_becomes_srgb() -> None:
    """Against the two definitions: gamma 563/256 and the primaries' own matrices."""
    pixels = files.scene().reshape(-1, 3) / 255
    wide = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    back = np.array(
        [[3.24097, -1.53738, -0.49861], [-0.96924, 1.87597, 0.04156], [0.05563, -0.20398, 1.05697]]
    )
    light = np.clip(pixels ** (563 / 256) @ wide.T @ back.T, 0, 1)
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    for name in ("wide.png", "wide.webp", "profile-before-gamma.png"):
        ours = read_image(files.coloured()[name]).reshape(-1, 3)
        assert np.abs(ours - shown).max() < 1.6, name


def test_changes_name_what_programs_show_differently() -> None:
    said = {name: read_picture(data).changes for name, data in everything().items()}
    for name in (
        "plain.png",
        "plain.jpg",
        "progressive.jpg",
        "palette.png",
        "1-bit.png",
        "srgb.jpg",
        "turned-1.png",
    ):
        assert said[name] == (), name
    assert said["cmyk.jpg"] == ("CMYK to sRGB",)
    assert said["wide-16-bit.png"] == ("16 bits to 8", "colour profile 'made' to sRGB")
    assert said["gamma-veiled.png"] == ("gamma 1 to sRGB", "transparency over white")


@pytest.mark.parametrize("name", files.refused())
def test_what_is_not_read_is_refused_by_name(name: str) -> None:
    data, words = files.refused()[name]
    with pytest.raises(InputError, match=words) as error:
        read_image(data, name=name)
    assert error.value.source == name


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_too_many_pixels_are_refused_before_any_is_decoded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = math.isqrt(MOST_PIXELS) + 1
    data = files.saved(Image.new("L", (side, side)), kind)

    def decode(self: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    with pytest.raises(InputError, match=f"{side} x {side} pixels"):
        read_image(data)


def test_notes_in_a_png_neither_count_nor_cost() -> None:
    """Text that grows to megabytes, and orientations in text that no browser obeys."""
    notes = [
        files.chunk(b"zTXt", b"note\0\0" + files.zlib.compress(bytes(1 << 22))),
        files.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation='6'/>"),
    ]
    np.testing.assert_array_equal(read_image(files.png(files.scene(), 8, 2, *notes)), files.scene())


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0II*\0" + files.struct.pack("<IHHHIII", 8, 1, 274, 4, 1, 6, 0),  # a long number
        b"Exif\0\0II*\0" + files.struct.pack("<IH", 8, 100) + bytes(3),
        b"Exif\0\0MM\0*" + files.struct.pack(">I", 1 << 31),
        b"Exif\0\0MM",
        files.exif(9),
    ],
)
def test_damaged_exif_turns_nothing_as_in_browsers(block: bytes) -> None:
    plain = files.saved(files.scene(), "JPEG")
    np.testing.assert_array_equal(
        read_image(files.saved(files.scene(), "JPEG", exif=block)), read_image(plain)
    )


def test_a_telephones_preview_behind_the_picture_is_no_animation() -> None:
    views = [Image.fromarray(files.scene()), Image.fromarray(files.scene()[:17])]
    data = files.saved(views[0], "MPO", save_all=True, append_images=views[1:], quality=95)
    assert Image.open(files.io.BytesIO(data)).n_frames == 2
    np.testing.assert_array_equal(read_image(data), read_image(files.saved(views[0], "JPEG", quality=95)))


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes cut short, or with a few of them, or of their bits, changed anywhere or in the first 200."""
    way = rng.integers(4)
    if way == 0:
        return data[: rng.integers(1, len(data))]
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(data) if way != 3 else min(len(data), 200)))
        changed[place] = int(rng.integers(256)) if way == 1 else changed[place] ^ 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.parametrize(
    "name",
    ["turned-6.jpeg", "progressive.jpg", "plain.gif", "plain.bmp", "16-bit.tif", "packed.tif", "lossy.webp"],
)
def test_damage_at_random_is_refused_or_leaves_a_picture(name: str) -> None:
    """These formats have no check sums: a picture of a size that is allowed, or an InputError."""
    data, rng = everything()[name], np.random.default_rng(1)
    for _ in range(MUTATIONS):
        try:
            pixels = read_image(mutated(data, rng), name=name)
        except InputError:
            continue
        assert pixels.dtype == np.uint8
        assert pixels.shape[2:] == (3,)
        assert 0 < pixels.size <= 3 * MOST_PIXELS


@pytest.mark.parametrize("name", ["veiled.png", "wide-palette.png", "16-bit-key.png"])
def test_damage_at_random_in_a_png_is_refused_or_changes_nothing(name: str) -> None:
    data, rng = everything()[name], np.random.default_rng(1)
    whole, refused = read_image(data), 0
    for _ in range(MUTATIONS):
        try:
            np.testing.assert_array_equal(read_image(mutated(data, rng)), whole)
        except InputError:
            refused += 1
    assert refused > 0.95 * MUTATIONS


class Eyes:
    """A feature space that remembers what it was shown; its one feature is the mean grey level."""

    name, dimension, digest, image_size = "eyes", 1, "e" * 64, 1
    interval = None

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def open_space(self, device: str) -> Eyes:
        return self

    def extract(self, images: Any) -> np.ndarray:
        self.seen += [np.array(image) for image in images]
        return np.array([[image.mean()] for image in images], np.float32)


def test_a_fit_and_a_folder_see_the_same_pixels(folder: Path, tmp_path: Path) -> None:
    names = sorted(everything())
    rows = [f"{2 * index}\t1\t{name}" for index, name in enumerate(names)]
    events = tmp_path / "events.tsv"
    events.write_text("\n".join(["onset\tduration\tstim_file", *rows]) + "\n")
    scan = Scan(Run("1", "run-1", tmp_path / "bold.nii", events), n_volumes=2 * len(names), tr=1.0)
    eyes: Any = Eyes()
    shown = Presentation([scan], "", (), folder, tmp_path / "cache", Silent())
    predictors_of_images(eyes, shown)
    paths = image_files(folder)
    assert [path.name for path in paths] == names
    for name, seen, listed in zip(names, eyes.seen, LazyImages(paths), strict=True):
        np.testing.assert_array_equal(seen, listed, err_msg=name)
        np.testing.assert_array_equal(seen, read_image(everything()[name]), err_msg=name)


def test_a_folder_with_a_picture_that_is_not_read_is_refused_not_read_in_part(tmp_path: Path) -> None:
    for name in ("a.png", "._a.png", "notes.txt", "B.HEIC"):
        (tmp_path / name).write_bytes(files.saved(files.scene(), "PNG"))
    with pytest.raises(InputError, match=r"B\.HEIC: is of a kind that is not read \(expected a PNG"):
        image_files(tmp_path)
    (tmp_path / "B.HEIC").unlink()
    assert [path.name for path in image_files(tmp_path)] == ["a.png"]


def test_features_that_an_older_reader_left_are_computed_again(folder: Path, tmp_path: Path) -> None:
    path = folder / "turned-6.jpeg"
    eyes, digests = Eyes(), [digest_file(path)]
    extract_cached(eyes, digests, lambda: LazyImages([path]), tmp_path)
    extract_cached(eyes, digests, lambda: LazyImages([path]), tmp_path)
    assert len(eyes.seen) == 1
    (pack,) = tmp_path.glob("*.npz")
    pack.rename(tmp_path / f"{digest_json({'feature_space': eyes.digest})[:24]}-{pack.name[25:]}")
    extract_cached(eyes, digests, lambda: LazyImages([path]), tmp_path)
    assert len(eyes.seen) == 2
