"""Text that others wrote: decoded as what it says it is, or refused. Light."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from almond.errors import InputError

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
NOT_LATIN_1 = re.compile(rb"[\x7f-\x9f]")
UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
UTF_8 = "the file saved as UTF-8 (in a spreadsheet: CSV UTF-8)"


def read_text(path: Path, *, latin_1: bool = False, exact: bool = False) -> str:
    """Read text in UTF-8, with or without a byte order mark, or in UTF-16 with one; line ends stay.

    :param latin_1: Latin-1 where it is not UTF-8, as published tables have it. Only for files whose letters
        name things that are looked up: a letter read wrong then finds nothing.
    :param exact: control characters other than NUL are content.
    :raises InputError: the file cannot be read, is in another encoding, or holds control characters.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "a text file") from error
    return decoded_text(data, path, latin_1=latin_1, exact=exact)


def decoded_text(data: bytes, source: object, *, latin_1: bool = False, exact: bool = False) -> str:
    """Decode the bytes of a text as ``read_text`` does; an error names the ``source``."""
    text = _decoded(data, source, latin_1)
    control = CONTROL.search(text)
    if control and not (exact and control[0] != "\0" and "\0" not in text):
        line = text.count("\n", 0, control.start()) + 1
        raise InputError(source, f"line {line} holds the control character {control[0]!r}", UTF_8)
    return text


def _decoded(data: bytes, source: object, latin_1: bool) -> str:
    mark = next((mark for mark in (*UTF_16, codecs.BOM_UTF8) if data.startswith(mark)), b"")
    encoding = UTF_16.get(mark, "utf-8")
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        if latin_1 and not mark and not NOT_LATIN_1.search(data):
            return data.decode("latin-1")
        place = error.start + len(mark)
        line = data.count(b"\n", 0, place) + 1
        name = "UTF-16" if mark in UTF_16 else "UTF-8"
        said = f"byte {place + 1} (0x{data[place]:02x}, in line {line}) is not {name}"
        raise InputError(source, said, UTF_8) from error
