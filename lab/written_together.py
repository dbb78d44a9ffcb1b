"""A change of one row and the rows that belong to it, all stored or none, in as few statements as can be.

PostgreSQL takes them in one statement, which is a transaction by itself: one round trip and one plan, made
once per connection. SQLite, which has no such statement and no round trips, takes them in a transaction.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model


def write_together(change: str, values: Sequence[Any], rows: Sequence[Model]) -> bool:
    """Do ``change``, an UPDATE of one row, and insert ``rows``, in this order.

    :param change: with ``%s`` for values; the row is locked by it before anything else is written.
    :returns: False, and nothing is stored, when the UPDATE hits no row.
    :raises IntegrityError: a constraint is violated; nothing is stored.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql":
        # Inside a transaction a savepoint keeps the transaction usable after an error.
        whole = transaction.atomic() if connection.in_atomic_block else nullcontext()
        with whole:
            keys = _in_one_statement(connection, change, values, rows)
    else:
        with transaction.atomic():
            keys = _one_by_one(connection, change, values, rows)
    for row, key in zip(rows, keys or (), strict=False):
        row.pk, row._state.adding, row._state.db = key, False, DEFAULT_DB_ALIAS
    return keys is not None


def _in_one_statement(
    connection: BaseDatabaseWrapper, change: str, values: Sequence[Any], rows: Sequence[Model]
) -> Sequence[Any] | None:
    sql = _combined(change, tuple(type(row) for row in rows))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, *(value for row in rows for value in _values(row, connection))])
        keys: Sequence[Any] | None = cursor.fetchone()
    return keys


def _one_by_one(
    connection: BaseDatabaseWrapper, change: str, values: Sequence[Any], rows: Sequence[Model]
) -> Sequence[Any] | None:
    keys = []
    with connection.cursor() as cursor:
        cursor.execute(change, values)
        if cursor.rowcount == 0:
            return None
        for row in rows:
            cursor.execute(f"{_insert(type(row))} VALUES ({_places(type(row))})", _values(row, connection))
            keys.append(cursor.lastrowid)
    return keys


@functools.cache
def _combined(change: str, models: tuple[type[Model], ...]) -> str:
    """Write one statement: the inserts take their one row each from the row that was changed."""
    inserts = [
        f"row_{number} AS ({_insert(model)} SELECT {_places(model)} FROM changed"
        f" RETURNING {_quoted(model._meta.pk)} AS key)"
        for number, model in enumerate(models)
    ]
    names = [f"row_{number}" for number in range(len(models))]
    keys = ", ".join(f"{name}.key" for name in names)
    parts = [f"changed AS ({change} RETURNING 1)", *inserts]
    return f"WITH {', '.join(parts)} SELECT {keys} FROM {', '.join(names)}"


@functools.cache
def _fields(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    return tuple(field for field in model._meta.concrete_fields if not field.primary_key)


@functools.cache
def _insert(model: type[Model]) -> str:
    return f'INSERT INTO "{model._meta.db_table}" ({", ".join(map(_quoted, _fields(model)))})'


@functools.cache
def _places(model: type[Model]) -> str:
    return ", ".join("%s" for _ in _fields(model))


def _quoted(field: Any) -> str:
    return f'"{field.column}"'


def _values(row: Model, connection: BaseDatabaseWrapper) -> list[Any]:
    fields = _fields(type(row))
    return [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
