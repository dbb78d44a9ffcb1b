"""What a recruiter is: which parameters its links carry, the link to give it, and the ways back to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Protocol
from urllib.parse import quote

from almond.errors import InputError
from almond.shapes import Shape
from ratings.recruiting.outcomes import Outcome

PLACE = re.compile(r"\{(\w+)\}")
LONGEST = 60


class Kept(Enum):
    """What becomes of a parameter of a link."""

    ID = "the person's id, sealed; by its digest they are known again"
    SEALED = "sealed with the id"
    PLAIN = "readable, for it names no person"
    DROPPED = "not stored"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a link.

    ``filled`` is what stands in the link that the panel gets, and is replaced there for each person.
    """

    name: str
    kept: Kept = Kept.SEALED
    filled: str = ""
    pattern: str = r"[\w.~@+-]{1,100}"
    required: bool = False


@dataclass(frozen=True)
class Arrived:
    """What a link said of a person: ``details`` name nobody, ``personal`` is sealed with the id."""

    source: str
    external_id: str
    details: Mapping[str, str] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What a panel says of one person's visit. ``status`` is one of ``Submission.Status``, or unknown."""

    submission: str
    person: str
    status: str
    code: str = ""


class PanelApi(Protocol):
    """Asks a panel."""

    def submissions(self, study_id: str) -> Iterator[Told]:
        """Yield what the panel says of everybody in one of its studies."""


class Recruiter(Shape):
    """A recruiter with its settings for one study: fields are texts, and form fields follow from them.

    A subclass has ``kind: Literal["NAME"]``, its settings as fields with a ``title`` and a ``description``,
    and the words of ``title`` and ``hint``.
    """

    kind: str

    title: ClassVar[str]
    """Its name, as participants read it: *Back to …*."""
    hint: ClassVar[str]
    """What an experimenter does with the link and the codes."""
    own_codes: ClassVar[bool] = False
    """One fixed code per outcome is made when it is chosen, because its people hand a code in."""
    sends_back: ClassVar[bool] = False
    """People are taken back by themselves after a while, not only by a button."""
    invited: ClassVar[bool] = False
    """Only ids that this site has made are let in, each once."""
    of_one_study: ClassVar[tuple[str, ...]] = ()
    """Settings that belong to one study there, which copies of a study do not take over."""
    tells: ClassVar[bool] = False
    """It can be asked, and tells by itself, what became of each person."""

    def panel_study(self) -> str:
        """Return the panel's id of the study; empty where there is none."""
        return ""

    def parameters(self) -> tuple[Parameter, ...]:
        """List the parameters of its links; the first one of ``Kept.ID`` is the person's id."""
        return ()

    def way_back(self, outcome: Outcome, code: str) -> str:
        """Return the address that an outcome leads to, with ``{name}`` for parameters; empty: to none."""
        return ""

    def check(self, values: Mapping[str, str]) -> None:
        """Look at the parameters of an arrival together.

        :raises InputError: a link of another study.
        """

    def open_api(self) -> PanelApi:
        """Return what asks the panel about its people; for those that ``tells``.

        :raises InputError: a setting for it is missing.
        """
        raise InputError(f"recruiter {self.kind}", "cannot be asked", "a recruiter with an API")

    def link(self, address: str) -> str:
        """Return the link to give to the recruiter."""
        filled = [f"{part.name}={part.filled}" for part in self.parameters() if part.filled]
        return f"{address}?{'&'.join(filled)}" if filled else address

    def read(self, query: Mapping[str, str]) -> Arrived | None:
        """Read the parameters of a link; None where it carries no id and needs none.

        :raises InputError: an id of another form, such as a placeholder, or a missing one.
        """
        parameters = self.parameters()
        values = {part.name: query[part.name].strip() for part in parameters if query.get(part.name)}
        values = {name: value for name, value in values.items() if value}
        for part in parameters:
            value = values.get(part.name)
            if value is None:
                if part.required:
                    raise InputError(part.name, "is missing", f"a link of {self.title} with it")
            elif not re.fullmatch(part.pattern, value):
                raise InputError(part.name, f"is {value[:LONGEST]!r}", "an id, not a placeholder of the link")
        self.check(values)
        kept = {group: [part.name for part in parameters if part.kept is group] for group in Kept}
        of = {group: {name: values[name] for name in kept[group] if name in values} for group in Kept}
        external_id = next(iter(of[Kept.ID].values()), None)
        if external_id is None:
            return None
        return Arrived(self.kind, external_id, of[Kept.PLAIN], of[Kept.SEALED])

    def id_name(self) -> str:
        """Return the name of the parameter that is the person's id; empty where there is none."""
        return next((part.name for part in self.parameters() if part.kept is Kept.ID), "")

    def places(self) -> set[str]:
        """Return the names that may stand in braces in a way back."""
        kept = {part.name for part in self.parameters() if part.kept is not Kept.DROPPED}
        return kept | {"code", "outcome"}


def places_of(template: str) -> set[str]:
    """Return the names in braces of a way back."""
    return set(PLACE.findall(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into the braces of a way back, each quoted; empty where one of them is not known."""
    if not places_of(template) <= {name for name, value in values.items() if value}:
        return ""
    return PLACE.sub(lambda place: quote(values[place[1]], safe=""), template)
