"""Shapes whose fields are described by docstrings."""

from __future__ import annotations

import ast
import inspect
import sys
from collections import defaultdict
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema

from almond.shapes import Shape


class DescribedShape(Shape):
    """A shape whose fields are described by the docstring below each, for tables, errors and the JSON Schema.

    They are read on first use; pydantic's ``use_attribute_docstrings`` would delay every start of the site.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        for shape in cls.__mro__[: cls.__mro__.index(DescribedShape)]:
            for name, text in texts_below(shape.__module__).get(shape.__name__, {}).items():
                if field := cls.model_fields.get(name):
                    field.description = field.description or text
        return handler(source)


@cache
def texts_below(module: str) -> dict[str, dict[str, str]]:
    """Map each class of a module to the docstrings below its annotated names, on one line each."""
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.ClassDef):
            for pair in pairwise(node.body):
                match pair:
                    case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                        texts[node.name][name] = " ".join(text.split())
    return texts
