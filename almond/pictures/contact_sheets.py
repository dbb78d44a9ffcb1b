"""A contact sheet: pictures in rows under headings, with a line of text below each; drawn as a PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from almond.typing import ImageArray

LARGEST_CELL = 256
"""Pixels of the longer side of a picture on a sheet; smaller ones are not enlarged."""

GAP, LABEL, MARGIN, LINE = 8, 120, 14, 18
"""Pixels between cells, of the labels' column, around the sheet, and of a line of text."""

INK, SOFT, PAPER, EMPTY = (31, 41, 55), (107, 114, 128), (255, 255, 255), (243, 244, 246)
TEXT, HEADING = 12, 15


@dataclass(frozen=True)
class SheetCell:
    """A picture, read when it is drawn (None where there is none), and what stands below it."""

    read: Callable[[], ImageArray] | None
    caption: str = ""


@dataclass(frozen=True)
class SheetRow:
    """A label and one cell for each heading."""

    label: str
    cells: Sequence[SheetCell]


def draw_contact_sheet(title: str, headings: Sequence[str], rows: Sequence[SheetRow]) -> bytes:
    """Draw a sheet and return its PNG; the largest picture sets the size of all cells.

    :raises InputError: a picture that cannot be read.
    """
    pictures = [[_thumbnail(cell.read) for cell in row.cells] for row in rows]
    sides = [picture.size for row in pictures for picture in row if picture is not None]
    width = max((side[0] for side in sides), default=LARGEST_CELL)
    height = max((side[1] for side in sides), default=LARGEST_CELL)
    left, top = MARGIN + LABEL, MARGIN + 2 * LINE + GAP
    across, down = width + GAP, height + LINE + GAP
    sheet = Image.new("RGB", (left + across * len(headings) + MARGIN, top + down * len(rows) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(TEXT), ImageFont.load_default(HEADING)
    draw.text((MARGIN, MARGIN), title, INK, large)
    for column, heading in enumerate(headings):
        middle = left + across * column + width // 2
        draw.text((middle, MARGIN + LINE + GAP), heading, SOFT, small, anchor="ma")
    for number, row in enumerate(rows):
        y = top + down * number
        _draw_label(draw, row.label, (left - GAP, y + height // 2), small)
        for column, (cell, picture) in enumerate(zip(row.cells, pictures[number], strict=True)):
            x = left + across * column
            if picture is None:
                draw.rectangle((x, y, x + width - 1, y + height - 1), EMPTY)
            else:
                sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
            draw.text((x + width // 2, y + height + 2), cell.caption, SOFT, small, anchor="ma")
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()


def _thumbnail(read: Callable[[], ImageArray] | None) -> Image.Image | None:
    if read is None:
        return None
    picture = Image.fromarray(read())
    picture.thumbnail((LARGEST_CELL, LARGEST_CELL), Image.Resampling.LANCZOS)
    return picture


def _draw_label(
    draw: ImageDraw.ImageDraw,
    label: str,
    at: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Write a row's label, a line for each of its parts, to the left of a place."""
    parts = label.split("\n")
    for number, part in enumerate(parts):
        shown = part
        while len(shown) > 1 and draw.textlength(shown, font) > LABEL - GAP:
            shown = shown[:-2].rstrip("…") + "…"
        y = at[1] + round((number - (len(parts) - 1) / 2) * LINE)
        draw.text((at[0], y), shown, INK, font, anchor="rm")
