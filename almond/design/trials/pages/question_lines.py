"""Multiple-choice questions, one a line, the correct answer marked by a star.

A line is ``QUESTION | answer | *correct answer | answer``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from almond.design.trials.pages.form_fields import checked_options

BETWEEN, MARK = "|", "*"


@dataclass(frozen=True)
class CheckQuestion:
    """One question, its answers in the order in which they are shown, and the correct one."""

    question: str
    options: tuple[str, ...]
    correct: str


@lru_cache(maxsize=64)
def read_questions(text: str) -> tuple[CheckQuestion, ...]:
    """Read questions, one a line; empty lines mean nothing.

    :raises ValueError: with every wrong line.
    """
    questions: list[CheckQuestion] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                questions.append(read_question(line))
            except ValueError as error:
                problems.append(f"line {number}: {error}")
    if not questions and not problems:
        problems = ["has no line, not a question such as “What do you judge? | its colour | *its threat”"]
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(questions)


def read_question(line: str) -> CheckQuestion:
    """Read one question; ``ValueError`` says what is wrong with its line."""
    question, *parts = (part.strip() for part in line.split(BETWEEN))
    if not question or len(parts) < 2:
        raise ValueError("a question needs two answers or more, each after a “|”")
    correct = [part.removeprefix(MARK).strip() for part in parts if part.startswith(MARK)]
    if len(correct) != 1:
        raise ValueError(f"{len(correct)} answers are marked as correct by a “*”, not one")
    options = tuple(part.removeprefix(MARK).strip() for part in parts)
    return CheckQuestion(question, checked_options(options), correct[0])
