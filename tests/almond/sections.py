"""A section of a configuration of which nothing else is wrong: its settings, or what is wrong with it."""

from pydantic import TypeAdapter, ValidationError

from almond.encoding.config.fit_config import parse_config
from almond.encoding.config.paths import BASE
from almond.shapes import ShapeError, problems_of


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


def part_of(form, value, base, *, at, shape, **context):
    """Read a part of a configuration by itself.

    :param form: the type of the part, such as ``FeatureSpaces``; ``shape`` the model whose keys it knows.
    :param at: the dotted path at which it stands.
    :return: (what is read, []), or (None, the lines that say what is wrong).
    """
    try:
        return TypeAdapter(form).validate_python(value, context={BASE: base, **context}), []
    except ValidationError as error:
        return None, problems_of(error, shape, value, at=at)
