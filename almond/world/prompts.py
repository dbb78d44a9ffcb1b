"""Prompts of the simulated world: a small English, read into attributes and written from them.

``parse_prompt`` reads what it understands, says which words it ignored, and refuses a prompt of which it
understands nothing. ``caption`` is its inverse: what it writes is read back to the same attributes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from almond.errors import InputError
from almond.world.attributes import ALL_ATTRIBUTES, PERSON_ATTRIBUTES, Scene

Fixed = tuple[tuple[str, str], ...]

PHRASES: dict[str, Fixed] = {
    "room": (("place", "room"),),
    "bedroom": (("place", "room"),),
    "living room": (("place", "room"),),
    "indoors": (("place", "room"),),
    "doorway": (("place", "doorway"),),
    "door": (("place", "doorway"),),
    "entrance": (("place", "doorway"),),
    "street": (("place", "street"),),
    "road": (("place", "street"),),
    "park": (("place", "park"),),
    "garden": (("place", "park"),),
    "bright": (("light", "bright"),),
    "sunny": (("light", "bright"),),
    "by day": (("light", "bright"),),
    "in daylight": (("light", "bright"),),
    "dim": (("light", "dim"),),
    "at dusk": (("light", "dim"),),
    "in dim light": (("light", "dim"),),
    "at night": (("light", "night"),),
    "night": (("light", "night"),),
    "dark": (("light", "night"),),
    "nobody": (("presence", "nobody"),),
    "no one": (("presence", "nobody"),),
    "empty": (("presence", "nobody"),),
    "person": (("presence", "one"),),
    "man": (("presence", "one"),),
    "woman": (("presence", "one"),),
    "someone": (("presence", "one"),),
    "group": (("presence", "group"),),
    "group of people": (("presence", "group"),),
    "people": (("presence", "group"),),
    "three people": (("presence", "group"),),
    "near": (("distance", "near"),),
    "close up": (("distance", "near"),),
    "nearby": (("distance", "near"),),
    "far": (("distance", "far"),),
    "far away": (("distance", "far"),),
    "in the distance": (("distance", "far"),),
    "standing": (("posture", "standing"),),
    "with raised arms": (("posture", "arms-raised"),),
    "raised arms": (("posture", "arms-raised"),),
    "arms raised": (("posture", "arms-raised"),),
    "crouching": (("posture", "crouching"),),
    "smiling": (("expression", "smile"),),
    "happy": (("expression", "smile"),),
    "neutral": (("expression", "neutral"),),
    "calm": (("expression", "neutral"),),
    "afraid": (("expression", "fear"),),
    "fearful": (("expression", "fear"),),
    "scared": (("expression", "fear"),),
    "angry": (("expression", "anger"),),
    "looking at you": (("gaze", "direct"),),
    "looking away": (("gaze", "averted"),),
    "snake": (("object", "snake"),),
    "fire": (("object", "fire"),),
    "knife": (("object", "knife"),),
    "dog": (("object", "dog"),),
    "flowers": (("object", "flowers"),),
    "flower": (("object", "flowers"),),
    "in warm colours": (("tint", "warm"),),
    "in cold colours": (("tint", "cold"),),
    "striped": (("texture", "striped"),),
    "speckled": (("texture", "speckled"),),
    "low contrast": (("contrast", "low"),),
    "high contrast": (("contrast", "high"),),
}
"""What each phrase says; the longest phrase that fits is taken."""

FILLERS = frozenset(
    {"a", "an", "the", "in", "on", "at", "of", "and", "with", "is", "there", "it", "to", "by", "some"}
    | {"picture", "photo", "image"}
)
"""Words that carry no attribute and are not worth listing as ignored."""

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[^\W_]+")
LONGEST = max(len(phrase.split()) for phrase in PHRASES)


@dataclass(frozen=True)
class ParsedPrompt:
    """The attributes a prompt fixes, the phrases understood, and the words ignored, in their order."""

    fixed: dict[str, str]
    understood: tuple[str, ...]
    ignored: tuple[str, ...]


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words; hyphens separate, punctuation is dropped."""
    return WORD.findall(text.lower())


def parse_prompt(text: str) -> ParsedPrompt:
    """Read a prompt. The last word on an attribute counts.

    A prompt that speaks of a person's looks but of nobody means one person; a prompt without any person
    leaves it free. Raises ``InputError`` when nothing is understood.
    """
    words = words_of(text)
    fixed: dict[str, str] = {}
    understood: list[str] = []
    ignored: list[str] = []
    at = 0
    while at < len(words):
        phrase, length = longest_phrase(words, at)
        if phrase:
            fixed.update(PHRASES[phrase])
            understood.append(phrase)
        elif words[at] not in FILLERS:
            ignored.append(words[at])
        at += length
    if not understood:
        raise InputError("prompt", f"nothing in {text!r} is understood", "words such as " + examples())
    if any(name in fixed for name in PERSON_ATTRIBUTES):
        fixed.setdefault("presence", "one")
    return ParsedPrompt(fixed, tuple(understood), tuple(ignored))


def longest_phrase(words: Sequence[str], at: int) -> tuple[str, int]:
    """Return the longest known phrase that starts at a word, and its length in words; ``("", 1)`` if none."""
    for length in range(min(LONGEST, len(words) - at), 0, -1):
        phrase = " ".join(words[at : at + length])
        if phrase in PHRASES:
            return phrase, length
    return "", 1


def examples() -> str:
    return "person, group, room, doorway, street, park, at night, smiling, angry, snake, flowers"


def vocabulary() -> dict[str, dict[str, tuple[str, ...]]]:
    """Map every attribute to its values, and each value to the phrases that say it."""
    words: dict[str, dict[str, tuple[str, ...]]] = {}
    for phrase, attributes in PHRASES.items():
        for name, value in attributes:
            values = words.setdefault(name, {})
            values[value] = (*values.get(value, ()), phrase)
    return words


PLACE_WORDS = {"room": "in a room", "doorway": "at a doorway", "street": "in a street", "park": "in a park"}
LIGHT_WORDS = {"bright": "by day", "dim": "at dusk", "night": "at night"}
PRESENCE_WORDS = {"nobody": "nobody", "one": "a person", "group": "a group of people"}
PERSON_WORDS: dict[str, dict[str, str]] = {
    "posture": {"standing": "standing", "arms-raised": "with raised arms", "crouching": "crouching"},
    "expression": {"smile": "smiling", "neutral": "neutral", "fear": "afraid", "anger": "angry"},
    "gaze": {"direct": "looking at you", "averted": "looking away"},
    "distance": {"near": "near", "far": "far away"},
}
OBJECT_WORDS = {
    "snake": "with a snake",
    "fire": "with a fire",
    "knife": "with a knife",
    "dog": "with a dog",
    "flowers": "with flowers",
}


def caption(scene: Scene, rng: np.random.Generator | None = None, keep: float = 0.75) -> str:
    """Write a sentence about a scene that ``parse_prompt`` reads back to (a part of) its attributes.

    Without a generator every attribute that shows is named (nuisance never is). With one, each is named
    with probability ``keep``; place and presence, the frame of a sentence, a little more often. A scene's
    missing object and the person's attributes when nobody is there are never named.
    """
    named = set(ALL_ATTRIBUTES) if rng is None else drawn_names(rng, keep)
    if "presence" not in named:
        named -= set(PERSON_ATTRIBUTES)
    parts: list[str] = []
    if "presence" in named:
        parts.append(PRESENCE_WORDS[scene.presence])
        if scene.presence != "nobody":
            parts += [words[getattr(scene, name)] for name, words in PERSON_WORDS.items() if name in named]
    if "place" in named:
        parts.append(PLACE_WORDS[scene.place] if parts else PLACE_WORDS[scene.place].split(" ", 1)[1])
    if "object" in named and scene.object != "none":
        parts.append(OBJECT_WORDS[scene.object])
    if "light" in named or not parts:
        parts.append(LIGHT_WORDS[scene.light])
    return " ".join(parts)


def drawn_names(rng: np.random.Generator, keep: float) -> set[str]:
    chances = dict.fromkeys(ALL_ATTRIBUTES, keep) | {"place": 0.5 + keep / 2, "presence": 0.5 + keep / 2}
    return {name for name, chance in chances.items() if rng.random() < chance}
