"""A section of a configuration of which nothing else is wrong: its settings, or what is wrong with it."""

from almond.encoding.config.fit_config import parse_config
from almond.shapes import ShapeError


def section_of(base, *, regions=(), **section):
    """Read one section, given by its key, of a configuration that names ``regions``.

    :return: (its settings, []), or (None, the lines that say what is wrong).
    """
    (key,) = section
    (base / "mask.nii.gz").write_bytes(b"")
    mapping = {"encoders": ".", "features": "world", **section}
    if regions:
        mapping["regions"] = dict.fromkeys(regions, "mask.nii.gz")
    try:
        return getattr(parse_config(mapping, base), key), []
    except ShapeError as error:
        return None, list(error.problems)
