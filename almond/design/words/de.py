"""German."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.design.words.base import KindWords


def _rating(block: Any) -> str:
    trials, constructs = block.trials, len(block.constructs)
    pictures = "ein Bild" if trials == 1 else f"{trials} Bilder, eines nach dem anderen"
    sliders = "gehört ein Regler" if constructs == 1 else f"gehören {constructs} Regler"
    every = "den Regler" if constructs == 1 else "jeden Regler"
    return (
        f"Sie sehen {pictures}. Zu jedem {sliders}. Stellen Sie {every} so ein, wie es Ihrem Eindruck"
        " entspricht, und gehen Sie dann weiter."
        "\n\nAntworten Sie nach Ihrem ersten Eindruck."
    )


def _choice(block: Any) -> str:
    pairs = "ein Bildpaar" if block.trials == 1 else f"{block.trials} Bildpaare"
    return (
        f"Sie sehen {pairs}. Lesen Sie die Frage darüber und wählen Sie eines der beiden Bilder."
        "\n\nKlicken oder tippen Sie auf das Bild, das Sie wählen. Antworten Sie nach Ihrem ersten Eindruck."
    )


KINDS: Mapping[str, KindWords] = {
    "rating": KindWords(
        _rating,
        "Mit der Tastatur: Die Tabulatortaste führt von Regler zu Regler, die Pfeiltasten bewegen einen"
        " Regler, die Eingabetaste lässt ihn, wo er ist.",
    ),
    "choice": KindWords(
        _choice,
        "Mit der Tastatur: F oder der linke Pfeil wählt das linke Bild, J oder der rechte Pfeil das rechte.",
    ),
}
