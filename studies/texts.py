"""The usual words of a study, offered where an experimenter writes none."""

from __future__ import annotations


def paragraphs(*lines: str) -> str:
    return "\n\n".join(lines)


def consent() -> str:
    return paragraphs(
        "In this study you look at pictures of small scenes and say how they strike you."
        " There are no right or wrong answers.",
        "Taking part is voluntary. You may stop at any time, without giving a reason,"
        " with the button “Stop taking part”.",
        "We store your answers, how long they took, and whether the window was in view while you answered."
        " We store no name and no address. Answers are kept under a random name and may be published"
        " in that form.",
    )


def debriefing() -> str:
    return paragraphs(
        "For each of these pictures, a model of the brain predicts how strongly small regions respond to it."
        " We want to know whether people experience pictures differently where the predictions differ.",
        "Your answers help to find out. Thank you.",
    )


UNMATCHED = (
    "Needed where the matched set is not matched: why it is shown all the same. Printed in plan and report."
)
