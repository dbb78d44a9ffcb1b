"""The preregistration of a study as data: the fields of the OSF form and of AsPredicted.

Part of the plan, so under its digest. What a form asks in words is text; what an analysis needs is named and
has parameters: no field holds code.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from almond.design.criteria import CRITERIA
from almond.design.criteria.base import Criterion, Direction
from almond.design.criteria.significance import Significance
from almond.design.questions import QUESTIONS, directions_of
from almond.shapes import Number, OneOf, Shape, Text, Whole, read_within, repeated

Words = Annotated[str, Strict()]


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"is {text!r}, not a date such as 2026-03-01") from error
    return text


def criterion_of_its_kind(value: object) -> object:
    """Validate a criterion by the shape of its kind.

    :raises ValueError: there is no such kind.
    """
    if isinstance(value, Criterion):
        return value
    name = value.get("kind") if isinstance(value, Mapping) else value
    if name not in CRITERIA.names():
        raise ValueError(f"kind is {name!r}, not one of {', '.join(CRITERIA.names())}")
    return read_within(CRITERIA.load(str(name)), value)


with warnings.catch_warnings():
    # Named as everywhere in a plan; pydantic's method of that name is deprecated and not used here.
    warnings.filterwarnings("ignore", 'Field name "construct"')

    class Hypothesis(Shape):
        """One claim, the test that decides on it, and by which criterion.

        ``test`` names a statistical question. ``target`` and ``construct`` narrow it to a part of its result;
        the test as a whole decides without them. ``direction`` is that of the effect; ``none``, no
        difference, goes with the criterion ``equivalence`` and only with it.
        """

        name: Text
        text: Text
        test: Annotated[str, OneOf(QUESTIONS)]
        target: Text | None = None
        construct: Text | None = None  # type: ignore[assignment]
        direction: Direction
        criterion: Annotated[Criterion, BeforeValidator(criterion_of_its_kind)] = Significance()

        def contradictions(self) -> Iterator[tuple[str, str]]:
            judged = self.criterion.directions
            if self.direction not in judged:
                yield (
                    "direction",
                    f"is {self.direction!r}, but the criterion {self.criterion.kind} judges "
                    f"{' or '.join(judged)}",
                )
                return
            allowed = directions_of(self.test)
            if self.direction not in (*allowed, "none"):
                yield (
                    "direction",
                    f"is {self.direction!r}, but {self.test} can only show {' or '.join(allowed)}",
                )


CLAIMS = {
    "classification": "Rating profiles identify the region along whose predicted response an image was "
    "manipulated, more accurately than chance.",
    "choices": "Of two images of a scene, people choose the one manipulated towards a higher predicted "
    "response more often than the other.",
    "choice_specificity": "People choose the image manipulated towards a higher predicted response more "
    "often in the pairs of the target that a question is expected to tell apart than in those of the others.",
    "photograph_choices": "Choices between photographs follow the norm by which these were paired, or else "
    "their predicted responses.",
    "natural": "Predicted responses of the images correlate with their mean ratings.",
    "lowlevel": "Rating profiles of the targets differ beyond what low-level features of the images explain.",
    "lowlevel_choices": "Between images that do not differ in low-level features, people choose the one "
    "manipulated towards a higher predicted response more often than the other.",
    "trend": "Ratings on the targets' own constructs rise with the signed strength of the manipulation.",
}
"""What the usual hypothesis of a test claims."""


def usual_hypotheses(tests: Sequence[str]) -> tuple[Hypothesis, ...]:
    """Return one hypothesis for each primary test, in the direction of the manipulation."""
    return tuple(
        Hypothesis(
            name=f"H{number}",
            text=CLAIMS.get(test, f"The test “{test}” finds an effect."),
            test=test,
            direction=directions_of(test)[0] if test in CLAIMS else "either",
        )
        for number, test in enumerate(tests, start=1)
    )


class Precision(Shape):
    """Collecting ends early once the interval of the primary estimate is narrow enough.

    Half the width of the interval of the first primary test's estimate is computed after every ``every``
    participants, and nothing else: whoever collects learns no estimate. ``then`` says what the site does.
    """

    half_width: Annotated[Number, Field(gt=0)]
    every: Annotated[Whole, Field(ge=1)]
    then: Literal["close", "pause", "recommend"] = "close"

    def words(self, test: str, most: int) -> str:
        """Say the rule in a sentence.

        :param test: the first primary test. :param most: the plan's number of participants.
        """
        return (
            f"once half the width of the interval of the estimate of “{test}” is at most "
            f"{self.half_width:g}, looked at after every {self.every} participants who have finished, and "
            f"with {most} at the latest; only that half-width is computed before the end"
        )


class StoppingRule(Shape):
    """When collecting ends: with the plan's number of participants, on a date, or earlier by ``precision``.

    ``looks`` are the numbers of participants at which the data may be analysed before that, in order.
    """

    not_written_when_absent: ClassVar[tuple[str, ...]] = ("precision",)

    until: Literal["number", "date"] = "number"
    date: Annotated[Text, AfterValidator(_day)] | None = None
    looks: tuple[Annotated[Whole, Field(ge=1)], ...] = ()
    precision: Precision | None = None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if (self.until == "date") != (self.date is not None):
            yield "date", "is needed where collecting ends on a date, and only there"
        if self.precision is not None and self.until != "number":
            yield "precision", "goes with a number of participants, not with a date"
        if list(self.looks) != sorted(set(self.looks)):
            yield "looks", f"is {list(self.looks)}, not numbers that rise"


class Preregistration(Shape):
    """Every field of the forms; empty where a study has nothing to say.

    ``correction``: of p values over all hypotheses, the family within which errors are counted.
    """

    hypotheses: tuple[Hypothesis, ...] = ()
    study_type: Words = ""
    blinding: Words = ""
    additional_blinding: Words = ""
    design: Words = ""
    randomization: Words = ""
    existing_data: Words = ""
    existing_data_explained: Words = ""
    procedures: Words = ""
    sample_size_reason: Words = ""
    stopping: StoppingRule = StoppingRule()
    manipulated: Words = ""
    measured: Words = ""
    indices: Words = ""
    statistical_models: Words = ""
    transformations: Words = ""
    correction: Literal["holm", "none"] = "holm"
    exclusions: Words = ""
    missing_data: Words = ""
    exploratory: Words = ""
    other: Words = ""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        for name in repeated(hypothesis.name for hypothesis in self.hypotheses):
            yield "hypotheses", f"name {name!r} stands more than once"
