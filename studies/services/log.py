"""The hash-chained log of a study: what was joined, answered, refused, withdrawn and moved, in order.

Each chain (of the study, of a list's joins, of a participant) counts its entries without a gap, and each
entry names the digest of the one before it: an edit, a deletion or a gap does not fit what follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from itertools import groupby
from typing import Any

from django.db import IntegrityError, transaction

from almond.digest import digest_json
from studies.models import Study, StudyLog

STATES = "study"


def append(study: Study, chain: str, kind: str, about: str, content: Mapping[str, Any]) -> StudyLog:
    """Write the next entry of a chain, inside the transaction of what it is about.

    The caller holds the lock of the row that the chain belongs to, so that nobody else appends.
    """
    last = StudyLog.objects.last_of(study.pk, chain)
    entry = entry_after(last, study, chain, kind=kind, about=about, content=content)
    entry.save(force_insert=True)
    return entry


def append_and_begin(
    study: Study, chain: str, kind: str, about: str, content_digest: str, *, owned: bool
) -> None:
    """Write the next entry of a chain, and the same as the first of the chain of what it is about.

    :param content_digest: SHA-256 of the content's canonical JSON.
    :param owned: nobody else appends to the chain meanwhile; without it, an entry that somebody else wrote
        first makes this one the next.
    """
    same = {"study": study, "kind": kind, "about": about, "content": content_digest}
    while True:
        last = StudyLog.objects.last_of(study.pk, chain)
        number, previous = (last.number + 1, last.digest) if last else (0, "")
        entries = [
            StudyLog(chain=chain, number=number, previous=previous, **same),
            StudyLog(chain=about, number=0, **same),
        ]
        try:
            with nullcontext() if owned else transaction.atomic():
                StudyLog.objects.bulk_create(entries)
            return
        except IntegrityError:
            if owned:
                raise


def entry_after(
    last: StudyLog | None, study: Study, chain: str, *, kind: str, about: str, content: Mapping[str, Any]
) -> StudyLog:
    """Make the entry of a chain that comes after ``last``; it is not stored."""
    return StudyLog(
        study=study,
        chain=chain,
        number=last.number + 1 if last else 0,
        kind=kind,
        about=about,
        content=digest_json(content),
        previous=last.digest if last else "",
    )


def broken_links(study: Study) -> Iterator[str]:
    """Yield in words every place where a chain does not hold."""
    entries = StudyLog.objects.filter(study=study).order_by("chain", "number").iterator(chunk_size=2000)
    for chain, links in groupby(entries, key=lambda entry: entry.chain):
        expected, previous = 0, ""
        for entry in links:
            if entry.number != expected:
                missing = f"entry {expected}" + (
                    f" to {entry.number - 1}" if entry.number - 1 > expected else ""
                )
                yield f"log of {chain}: {missing} is missing"
            elif entry.previous != previous:
                before = (
                    f"{chain}, entry {entry.number - 1}" if entry.number else f"{chain}, before its start"
                )
                yield f"log of {before}: was changed, for entry {entry.number} names another digest"
            expected, previous = entry.number + 1, entry.digest


def heads_digest(study: Study) -> str:
    """Return one digest that stands for every entry of a study's log: that of the last of each chain."""
    entries = StudyLog.objects.filter(study=study).order_by("chain", "number").iterator(chunk_size=2000)
    return digest_json({entry.chain: entry.digest for entry in entries})
