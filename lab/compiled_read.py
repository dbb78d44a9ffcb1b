"""Reading a row with its related rows by SQL that is compiled once.

For an answer, Django spends more time on writing the two statements that find its trial and its participant
than the database and all else together; they differ in one value only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
PLACE = "the value that is looked for"


class CompiledRead(Generic[Row]):
    """Read the row that one unique text field names, as ``select_related`` and ``defer`` would.

    :param rows: makes the queryset, with its annotations.
    :param by: the field.
    :param related: path -> model of rows to read too, parents before their own relations.
    :param leaving_out: paths of fields that are deferred.
    :param annotations: names of annotations of the queryset, set as attributes of the row.
    """

    def __init__(
        self,
        rows: Callable[[], QuerySet[Row]],
        *,
        by: str,
        related: Mapping[str, type[Model]],
        leaving_out: Collection[str] = (),
        annotations: tuple[str, ...] = (),
    ) -> None:
        self.rows, self.by, self.related = rows, by, related
        self.models: list[tuple[str, type[Model], list[str]]] = []
        self.leaving_out, self.annotations = leaving_out, annotations
        self.of_thread = threading.local()

    def first(self, value: str) -> Row | None:
        """Return the row, or None; one statement."""
        if not hasattr(self.of_thread, "statement"):
            self.of_thread.statement = self._compile()
        sql, parameters, compiler, converters = self.of_thread.statement
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(sql, [value if part == PLACE else part for part in parameters])
            values = cursor.fetchone()
        if values is None:
            return None
        return self._build(list(next(iter(compiler.apply_converters([list(values)], converters)))))

    def _compile(self) -> tuple[str, tuple[Any, ...], Any, Any]:
        queryset = self.rows()
        models: list[tuple[str, type[Model]]] = [("", queryset.model)]
        models += [(f"{path}__", model) for path, model in self.related.items()]
        self.models = [(path, model, self._names(path, model)) for path, model in models]
        names = [f"{path}{name}" for path, _, own in self.models for name in own]
        query = queryset.filter(**{self.by: PLACE}).order_by().values_list(*names, *self.annotations).query
        compiler = query.get_compiler(DEFAULT_DB_ALIAS)
        sql, parameters = compiler.as_sql()
        return sql, parameters, compiler, compiler.get_converters([column for column, *_ in compiler.select])

    def _names(self, path: str, model: type[Model]) -> list[str]:
        names = [field.attname for field in model._meta.concrete_fields]
        return [name for name in names if f"{path}{name}" not in self.leaving_out]

    def _build(self, values: list[Any]) -> Row:
        rows: dict[str, Model | None] = {}
        for path, model, names in self.models:
            part, values = values[: len(names)], values[len(names) :]
            absent = part[names.index("id")] is None
            row = None if absent else model.from_db(DEFAULT_DB_ALIAS, names, part)
            if path:
                parent, _, name = path.removesuffix("__").rpartition("__")
                join(rows[f"{parent}__" if parent else ""], name, row)
            rows[path] = row
        for name, value in zip(self.annotations, values, strict=True):
            setattr(rows[""], name, value)
        return rows[""]  # type: ignore[return-value]


def join(parent: Model | None, name: str, row: Model | None) -> None:
    """Let a row's relation, forward or one-to-one, be this row, or none, without asking the database."""
    if parent is None:
        return
    field: Any = parent._meta.get_field(name)
    field.set_cached_value(parent, row)
    if row is not None and field.one_to_one:
        field.remote_field.set_cached_value(row, parent)
