"""The shape of what comes in: configurations, plans, recipes and posted answers as pydantic models.

A shape is frozen, refuses keys that it does not know, and reports every error at once, each with its dotted
path. ``read`` is the one way in; it raises :class:`ShapeError`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from almond.errors import InputError

LARGEST_WHOLE = 2**53 - 1
"""What arrays, JSON and floats all hold without loss."""

LONGEST_SHOWN = 60
AnyValue = TypeVar("AnyValue")
HEX_DIGITS = frozenset("0123456789abcdef")


def repeated(values: Iterable[AnyValue]) -> list[AnyValue]:
    """List the values that stand more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def is_digest(value: object) -> bool:
    """Tell whether a value is 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= HEX_DIGITS


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _digest(text: str) -> str:
    if not is_digest(text):
        raise ValueError(f"is {shown(text)}, not a SHA-256 digest of 64 hexadecimal digits")
    return text


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    if repeated(values):
        raise ValueError(f"is {shown(list(values))}, not a list of different texts")
    return values


class OneOf:
    """Metadata of a text that is one of ``options``, such as the names of a registry, also of later ones."""

    def __init__(self, options: Iterable[str]) -> None:
        self.options = options

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.options)}

    def check(self, value: Any) -> str:
        """Refuse what is no option."""
        if value not in tuple(self.options):
            raise ValueError(f"is {shown(value)}, not one of {', '.join(self.options)}")
        return str(value)


Text = Annotated[str, Strict(), AfterValidator(_not_blank)]
"""Text that is not blank."""

Whole = Annotated[int, Strict(), Field(le=LARGEST_WHOLE)]
"""A whole number; neither ``true`` nor 2.0 is one."""

Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number; ``true`` is none."""

Flag = Annotated[bool, Strict()]
Digest = Annotated[str, Strict(), AfterValidator(_digest)]
DifferentTexts = Annotated[tuple[Text, ...], AfterValidator(_different)]


class Contradictions(ValueError):
    """What several fields of one shape say against each other: pairs of a dotted path and a problem."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{path}: {problem}" for path, problem in problems))


class Shape(BaseModel):
    """A frozen model that refuses unknown keys; ``contradictions`` compares its fields with each other."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    compared_in_part: ClassVar[bool] = True
    """Whether fields that are right are compared also where others are wrong, which then count as absent."""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Yield (path below this shape, problem) for fields that are right alone and wrong together."""
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_contradictions(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            shape = handler(value)
        except ValidationError as error:
            if problems := cls._contradictions_beside(error, value, handler):
                raise Contradictions([*located_problems(error, cls, value), *problems]) from error
            raise
        if problems := list(shape.contradictions()):
            raise Contradictions(problems)
        return shape

    @classmethod
    def _contradictions_beside(
        cls, error: ValidationError, value: Any, handler: ModelWrapValidatorHandler[Self]
    ) -> list[tuple[str, str]]:
        """Compare the fields that are right alone; a wrong one counts as set, at its default."""
        wrong = {details["loc"][0] if details["loc"] else "" for details in error.errors()}
        if not isinstance(value, Mapping) or "" in wrong or not cls.compared_in_part:
            return []
        try:
            shape = handler({key: part for key, part in value.items() if key not in wrong})
        except ValidationError:  # a field without default is among the wrong ones
            return []
        names = {field.alias or name: name for name, field in cls.model_fields.items()}
        shape.__pydantic_fields_set__.update(names[str(key)] for key in wrong if key in names)
        return list(shape.contradictions())


class ShapeError(InputError):
    """Input with errors; ``problems`` holds one line for each, beginning with its dotted path."""

    def __init__(self, source: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 error" if len(self.problems) == 1 else f"{len(self.problems)} errors"
        super().__init__(source, "\n  ".join([count, *self.problems]))


AnyShape = TypeVar("AnyShape", bound=BaseModel)


def read(
    shape: type[AnyShape], value: object, *, source: object, context: Mapping[str, Any] | None = None
) -> AnyShape:
    """Validate plain values (from YAML or JSON) as ``shape``.

    :param source: file or field that the error names.
    :param context: passed to validators, such as the folder that paths are relative to.
    :raises ShapeError: with every error, each with its dotted path.
    """
    try:
        return shape.model_validate(value, context=dict(context or {}))
    except ValidationError as error:
        raise ShapeError(source, problems_of(error, shape, value)) from error


def read_within(
    shape: type[AnyShape], value: object, *, context: Mapping[str, Any] | None = None
) -> AnyShape:
    """Validate a part of a larger shape inside one of that shape's validators.

    :raises Contradictions: with every error of the part, each with its path below it.
    """
    try:
        return shape.model_validate(value, context=dict(context or {}))
    except ValidationError as error:
        raise Contradictions(located_problems(error, shape, value)) from error


def problems_of(error: ValidationError, shape: type[BaseModel], value: object, *, at: str = "") -> list[str]:
    """List the lines ``path: problem`` of a validation error of ``value``, which stands at ``at``."""
    pairs = located_problems(error, shape, value, at=at)
    return list(dict.fromkeys(f"{path or 'value'}: {problem}" for path, problem in pairs))


def located_problems(
    error: ValidationError, shape: type[BaseModel], value: object, *, at: str = ""
) -> list[tuple[str, str]]:
    """List the pairs (dotted path, problem) of a validation error of ``value``, which stands at ``at``."""
    pairs: list[tuple[str, str]] = []
    for details in error.errors():
        path = dotted(details["loc"], value, at)
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, Contradictions):
            pairs += [(joined(path, below), problem) for below, problem in cause.problems]
        elif details["type"] == "extra_forbidden":
            pairs.append((path, unknown_setting(details["loc"][-1], known_at(shape, details["loc"][:-1]))))
        else:
            pairs.append((path, problem_of(details)))
    return pairs


def joined(path: str, below: str) -> str:
    """Join two dotted paths, either of which may be empty."""
    if not path or not below:
        return path or below
    return f"{path}{below}" if below.startswith("[") else f"{path}.{below}"


def dotted(location: Sequence[int | str], value: object, at: str = "") -> str:
    """Write a location as ``runs[2].bold``, without the names that pydantic gives to members of a union."""
    path, inner = at, value
    for number, part in enumerate(location):
        last = number == len(location) - 1
        if isinstance(part, int):
            if isinstance(inner, list | tuple):  # otherwise one value that stands for a list of one
                path, inner = f"{path}[{part}]", inner[part] if part < len(inner) else None
        elif isinstance(inner, Mapping) and (part in inner or last):
            path, inner = joined(path, str(part)), inner.get(part)
    return path


def known_at(shape: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """List the keys that are known at a location: those of every shape that may stand there."""
    candidates = [shape]
    for part in location:
        inside = [
            inner
            for candidate in candidates
            for name, field in candidate.model_fields.items()
            if part == (field.alias or name)
            for inner in shapes_of(field)
        ]
        tagged = [candidate for candidate in candidates if part in tags_of(candidate)]
        candidates = inside or tagged or candidates
    return list(dict.fromkeys(key for candidate in candidates for key in keys_of(candidate)))


def keys_of(shape: type[BaseModel]) -> list[str]:
    """List the keys of a model, as they are written in a file."""
    return [field.alias or name for name, field in shape.model_fields.items()]


def shapes_of(field: FieldInfo) -> list[type[BaseModel]]:
    """List the models whose keys a field may hold, also where its value becomes something else."""
    sources = [getattr(part, "json_schema_input_type", None) for part in field.metadata]
    return [shape for annotation in [field.annotation, *sources] for shape in shapes_in(annotation)]


def shapes_in(annotation: Any) -> list[type[BaseModel]]:
    """List the models that an annotation names, such as those of a union or of the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [shape for part in get_args(annotation) for shape in shapes_in(part)]


def tags_of(shape: type[BaseModel]) -> tuple[Any, ...]:
    """Give the values by which a union tells this shape from others: those of its field ``kind``."""
    kind = shape.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def problem_of(details: ErrorDetails) -> str:
    """Say in plain words what is wrong."""
    kind, context = details["type"], details.get("ctx", {})
    given = details["input"]
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        expected = str(context.get("expected") or context.get("expected_tags")).replace("'", "")
        return f"is {shown(given)}, not one of {expected.replace(' or ', ', ')}"
    if kind in EXPECTED:
        expected = EXPECTED[kind].format(**context)
        if context.get("field_type") == "Dictionary":
            expected = expected.replace("a list", "a mapping")
        return f"is {shown(given)}, not {expected}"
    return details["msg"]


EXPECTED: Mapping[str, str] = {
    "string_type": "text; write it in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "greater_than": "a number above {gt:.16g}",
    "greater_than_equal": "a number of at least {ge:.16g}",
    "less_than": "a number below {lt:.16g}",
    "less_than_equal": "a number of at most {le:.16g}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "uuid_type": "a UUID of 36 characters",
    "uuid_parsing": "a UUID of 36 characters",
}
"""What would be right, by the type of a pydantic error."""


def shown(value: object) -> str:
    """Write a value as an error message shows it: short."""
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def unknown_setting(key: object, known: Sequence[str]) -> str:
    """Say that a key is not known, and which is meant or there."""
    return f"unknown setting; {suggestion(str(key), known)}"


def suggestion(name: str, known: Sequence[str]) -> str:
    """Suggest the nearest known name, or list all."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
