"""Reading one row of several tables: FROM is written by hand, columns and conversions come from the models.

For an answer, Django spends more time on writing such a statement than the database does on answering it. Its
text never changes, so that PostgreSQL plans it once per connection; and it may join what the ORM cannot.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.models.expressions import Col
from django.utils.functional import cached_property

Converters = list[tuple[int, Col, list[Any]]]
"""Place of a column, its expression, and what makes a Python value of the database's, one after the other."""


class JoinedRead:
    """Read rows of several tables by one statement, as instances of their models.

    :param source: the statement from FROM on; ``%s`` stands for a value.
    :param tables: name in ``source`` -> model and the fields to read, the primary key among them; other
        fields are deferred.
    :param extra: name -> SQL of a further column, whose value is returned as the database gives it.
    """

    def __init__(
        self,
        source: str,
        tables: Mapping[str, tuple[type[Model], Sequence[str]]],
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.source, self.extra = source, dict(extra or {})
        # In the order of the model's fields, in which instances are made of values.
        self.tables = {
            alias: (model, columns_of(model, only=names)) for alias, (model, names) in tables.items()
        }
        self.converters: dict[str, Converters] = {}

    def first(self, *values: Any) -> dict[str, Any] | None:
        """Return name of a table -> instance, or None of one that a LEFT JOIN does not hit, and the extra
        columns by name; None without a row. One statement."""
        connection = connections[DEFAULT_DB_ALIAS]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, values)
            row = cursor.fetchone()
        return None if row is None else self._instances(list(row), connection)

    @cached_property
    def sql(self) -> str:
        columns = [f'{col.alias}."{col.target.column}"' for col in self._columns]
        more = [f'{expression} AS "{name}"' for name, expression in self.extra.items()]
        return f"SELECT {', '.join([*columns, *more])} {self.source}"

    @cached_property
    def _columns(self) -> list[Col]:
        return [
            Col(alias, model._meta.get_field(name))  # type: ignore[arg-type]  # a column, no relation
            for alias, (model, names) in self.tables.items()
            for name in names
        ]

    def _converters(self, connection: BaseDatabaseWrapper) -> Converters:
        """List what has to be converted, as Django's compiler does; once for a kind of database."""
        known = self.converters.get(connection.vendor)
        if known is None:
            every = [
                (place, col, [*connection.ops.get_db_converters(col), *col.get_db_converters(connection)])
                for place, col in enumerate(self._columns)
            ]
            known = self.converters[connection.vendor] = [part for part in every if part[2]]
        return known

    def _instances(self, row: list[Any], connection: BaseDatabaseWrapper) -> dict[str, Any]:
        for place, col, converters in self._converters(connection):
            for convert in converters:
                row[place] = convert(row[place], col, connection)
        rows: dict[str, Any] = {}
        place = 0
        for alias, (model, names) in self.tables.items():
            own, place = row[place : place + len(names)], place + len(names)
            absent = own[names.index("id")] is None
            rows[alias] = None if absent else model.from_db(DEFAULT_DB_ALIAS, names, own)
        return rows | dict(zip(self.extra, row[place:], strict=True))


def columns_of(
    model: type[Model], *, only: Collection[str] | None = None, but: Collection[str] = ()
) -> tuple[str, ...]:
    """List the fields that are columns of a model's table, in order: some only, or all but some.

    :raises ValueError: a name is that of no such field.
    """
    every = tuple(field.attname for field in model._meta.concrete_fields)
    if unknown := {*(only or ()), *but}.difference(every):
        raise ValueError(f"{model.__name__} has no columns {', '.join(sorted(unknown))}")
    return tuple(name for name in every if name not in but and (only is None or name in only))
