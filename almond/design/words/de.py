"""German."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.design.trials import TRIAL_KINDS
from almond.design.words.base import KindWords

FIRST_IMPRESSION = "\n\nAntworten Sie nach Ihrem ersten Eindruck."


def _pictures(block: Any) -> str:
    return "ein Bild" if block.trials == 1 else f"{block.trials} Bilder, eines nach dem anderen"


def _questions(block: Any) -> str:
    number = len(block.constructs)
    return "einer Frage" if number == 1 else f"{number} Fragen"


def _time_limit(block: Any) -> str:
    number = f"{block.deadline_s:g}".replace(".", ",")
    seconds = "eine Sekunde" if block.deadline_s == 1 else f"{number} Sekunden"
    return f"Für jede Antwort haben Sie {seconds}. Danach geht es von selbst weiter, ohne Ihre Antwort."


def _rating(block: Any) -> str:
    number = len(block.constructs)
    sliders = "gehört ein Regler" if number == 1 else f"gehören {number} Regler"
    every = "den Regler" if number == 1 else "jeden Regler"
    return (
        f"Sie sehen {_pictures(block)}. Zu jedem {sliders}. Stellen Sie {every} so ein, wie es Ihrem Eindruck"
        f" entspricht, und gehen Sie dann weiter.{FIRST_IMPRESSION}"
    )


def _choice(block: Any) -> str:
    pairs = "ein Bildpaar" if block.trials == 1 else f"{block.trials} Bildpaare"
    neither = " Wenn Sie keinen Unterschied sehen, sagen Sie es darunter." if block.no_difference else ""
    sure = " Sagen Sie nach jeder Wahl, wie sicher Sie sich sind." if block.confidence else ""
    return (
        f"Sie sehen {pairs}. Lesen Sie die Frage darüber und wählen Sie eines der beiden Bilder."
        f"{neither}{sure}"
        "\n\nKlicken oder tippen Sie auf das Bild, das Sie wählen. Antworten Sie nach Ihrem ersten Eindruck."
    )


def _likert(block: Any) -> str:
    return (
        f"Sie sehen {_pictures(block)}, jedes mit {_questions(block)}. Antworten Sie auf den {block.points}"
        f" Stufen zwischen den beiden Enden und gehen Sie dann weiter.{FIRST_IMPRESSION}"
    )


def _buttons(block: Any) -> str:
    return f"Sie sehen {_pictures(block)}. Wählen Sie die Antwort, die am besten passt.{FIRST_IMPRESSION}"


def _grid(block: Any) -> str:
    return (
        f"Sie sehen {_pictures(block)}, jedes mit einem Raster. Jedes Feld steht für einen Eindruck: Wie weit"
        " rechts es liegt, sagt etwas über das Bild, wie weit oben etwas anderes; die Worte an den Seiten"
        " sagen, was. Die Mitte ist neutral. Wählen Sie das Feld, das Ihrem Eindruck am besten entspricht."
        f"{FIRST_IMPRESSION}"
    )


def _figures(block: Any) -> str:
    between = ", oder eine Stelle zwischen zwei Figuren" if block.between else ""
    return (
        f"Sie sehen {_pictures(block)}. Unter jedem stehen Figuren, die zeigen, wie man sich fühlen kann."
        f" Wählen Sie in jeder Reihe die Figur, die am besten zeigt, wie Sie sich fühlen{between}."
        f"{FIRST_IMPRESSION}"
    )


def _number(block: Any) -> str:
    number = len(block.constructs)
    numbers = "eine Zahl" if number == 1 else f"{number} Zahlen"
    return (
        f"Sie sehen {_pictures(block)}. Geben Sie zu jedem {numbers} von {block.least:g} bis {block.most:g}"
        " ein und gehen Sie dann weiter."
    )


def _text(block: Any) -> str:
    return (
        f"Sie sehen {_pictures(block)}, jedes mit {_questions(block)}. Antworten Sie mit eigenen Worten und"
        " gehen Sie dann weiter."
        "\n\nBitte schreiben Sie nichts, woran man Sie oder andere erkennen könnte."
    )


def _options(block: Any) -> str:
    how = (
        "Wählen Sie alle Antworten, die passen; es kann auch keine sein."
        if block.several
        else "Wählen Sie die Antwort, die passt."
    )
    return f"Sie sehen {_pictures(block)}, jedes mit {_questions(block)}. {how} Gehen Sie dann weiter."


def _best_worst(block: Any) -> str:
    sets = "einmal" if block.trials == 1 else f"{block.trials}-mal"
    return (
        f"Sie sehen {sets} vier Bilder. Wählen Sie jedes Mal das Bild, auf das „{block.most}“, und das, auf"
        f" das „{block.least}“ am besten passt, und gehen Sie dann weiter.{FIRST_IMPRESSION}"
    )


def _practice(block: Any) -> str:
    kind, played = TRIAL_KINDS.load(block.kind).played_as(block)
    own = KINDS[kind.name].instructions(played)
    return f"Das ist eine Übung: Diese Antworten gehören nicht zur Studie.\n\n{own}"


def _nothing(block: Any) -> str:
    return ""


PAGE = KindWords(_nothing, "")
"""A page says itself what there is to do, in the experimenter's words."""

KINDS: Mapping[str, KindWords] = {
    "rating": KindWords(
        _rating,
        "Mit der Tastatur: Die Tabulatortaste führt von Regler zu Regler, die Pfeiltasten bewegen einen"
        " Regler um 1, Bild auf und Bild ab um 10, Pos1 und Ende an seine Enden; die Eingabetaste lässt ihn,"
        " wo er ist.",
    ),
    "likert": KindWords(
        _likert,
        "Mit der Tastatur: Die Zifferntasten wählen eine Stufe (0 steht für 10, Minus für 11) und führen zur"
        " nächsten Frage; Tabulator und Pfeiltasten gehen auch. Die Eingabetaste führt weiter.",
    ),
    "buttons": KindWords(
        _buttons,
        "Mit der Tastatur: Die Zifferntasten wählen eine Schaltfläche von links; oder Tabulator und"
        " Eingabetaste.",
    ),
    "grid": KindWords(
        _grid,
        "Mit der Tastatur: Die Pfeiltasten bewegen durch das Raster, Pos1 und Ende an seine Seiten, die"
        " Eingabetaste wählt ein Feld und führt beim zweiten Mal weiter.",
    ),
    "figures": KindWords(
        _figures,
        "Mit der Tastatur: Die Zifferntasten wählen eine Figur von links und führen zur nächsten Reihe;"
        " Tabulator und Pfeiltasten gehen auch. Die Eingabetaste führt weiter.",
    ),
    "number": KindWords(
        _number,
        "Mit der Tastatur: Geben Sie die Zahl ein, die Eingabetaste führt zur nächsten und dann weiter.",
    ),
    "text": KindWords(
        _text,
        "Mit der Tastatur: Schreiben Sie; der Tabulator führt zur nächsten Frage und zu Weiter, die"
        " Eingabetaste führt dort weiter.",
    ),
    "options": KindWords(
        _options,
        "Mit der Tastatur: Tabulator und Pfeiltasten bewegen, die Leertaste wählt, die Eingabetaste führt"
        " weiter.",
    ),
    "choice": KindWords(
        _choice,
        "Mit der Tastatur: F oder der linke Pfeil wählt das linke Bild, J oder der rechte Pfeil das rechte.",
    ),
    "best_worst": KindWords(
        _best_worst,
        "Mit der Tastatur: 1 bis 4 wählen erst das Bild, auf das das erste Wort am besten passt, dann das für"
        " das zweite; Tabulator und Pfeiltasten gehen auch. Die Eingabetaste führt weiter.",
    ),
    "time limit": KindWords(_time_limit, ""),
    "practice": KindWords(_practice, ""),
    "instruction": PAGE,
    "form": PAGE,
    "attention_check": PAGE,
    "comprehension_check": PAGE,
    "screen": PAGE,
    "break": PAGE,
    "questionnaire": PAGE,
}
