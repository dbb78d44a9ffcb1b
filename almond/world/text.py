"""The little text encoder of the small diffusion model: words of the world's prompts to hidden states."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from almond.digest import canonical_json
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.world.prompts import FILLERS, PHRASES, words_of

PAD, START, UNKNOWN = "<pad>", "<start>", "<unknown>"
SPECIAL = (PAD, START, UNKNOWN)

CONFIG, MODEL, VOCABULARY = "config.json", "model.safetensors", "vocabulary.json"


def world_vocabulary() -> tuple[str, ...]:
    """The special words, then every word of the world's prompts in alphabetical order."""
    words = {word for phrase in PHRASES for word in phrase.split()} | FILLERS
    return (*SPECIAL, *sorted(words))


class WordTokenizer:
    """Prompts to rows of word numbers: a start word, the words, and padding up to ``length``."""

    def __init__(self, vocabulary: Sequence[str], length: int) -> None:
        if tuple(vocabulary[: len(SPECIAL)]) != SPECIAL:
            raise InputError("vocabulary", "begins with other words", ", ".join(SPECIAL))
        self.vocabulary = tuple(vocabulary)
        self.length = length
        self.numbers = {word: number for number, word in enumerate(self.vocabulary)}

    def __call__(self, prompts: Sequence[str]) -> torch.Tensor:
        """(B, length) integers. Words beyond the length are cut off; the empty prompt is the null prompt."""
        return torch.tensor([self.row(prompt) for prompt in prompts], dtype=torch.long)

    def row(self, prompt: str) -> list[int]:
        known = [self.numbers.get(word, self.numbers[UNKNOWN]) for word in words_of(prompt)]
        row = [self.numbers[START], *known][: self.length]
        return row + [self.numbers[PAD]] * (self.length - len(row))

    def words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The prompt's words that the encoder reads, and those that it does not know or that are cut off."""
        words = words_of(prompt)
        read = words[: self.length - 1]
        known = tuple(word for word in read if word in self.numbers)
        unknown = (*(word for word in read if word not in self.numbers), *words[self.length - 1 :])
        return known, tuple(unknown)


@dataclass(frozen=True)
class TextConfig:
    """``words`` in the vocabulary, ``length`` of a row, ``width`` of a state, ``layers``, ``heads``."""

    words: int
    length: int = 24
    width: int = 128
    layers: int = 2
    heads: int = 4


class SceneTextEncoder(nn.Module):
    """Word and place embeddings and a small transformer: (B, L) word numbers to hidden states (B, L, D)."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.words, config.width)
        self.places = nn.Parameter(torch.zeros(config.length, config.width))
        self.layers = nn.ModuleList(TextLayer(config.width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        states = self.embedding(numbers) + self.places
        for layer in self.layers:
            states = layer(states)
        normalised: torch.Tensor = self.norm(states)
        return normalised


class TextLayer(nn.Module):
    """Self-attention and a two-layer perceptron, each after a normalisation and around a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(self.first(x))
        changed: torch.Tensor = x + self.narrow(nn.functional.gelu(self.wide(self.second(x))))
        return changed

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        split = self.mixed(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        looks = (query @ key.transpose(2, 3) / (width // self.heads) ** 0.5).softmax(-1)
        attended: torch.Tensor = self.out((looks @ value).transpose(1, 2).reshape(batch, length, width))
        return attended


def save_text(folder: Path, tokenizer: WordTokenizer, encoder: SceneTextEncoder, dtype: torch.dtype) -> None:
    """Write configuration, vocabulary and weights (as ``dtype``) into a folder."""
    write_atomically(folder / CONFIG, canonical_json(asdict(encoder.config)) + b"\n")
    write_atomically(folder / VOCABULARY, canonical_json(list(tokenizer.vocabulary)) + b"\n")
    state = {name: value.detach().to(dtype).contiguous() for name, value in encoder.state_dict().items()}
    write_atomically(folder / MODEL, save(state))


def load_text(folder: Path) -> tuple[WordTokenizer, SceneTextEncoder]:
    """The tokenizer and the frozen encoder (float32) of a folder; raises ``InputError`` if it is none."""
    try:
        settings: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        vocabulary: list[str] = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        config = TextConfig(**settings)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            folder, f"is no text encoder: {error}", f"{CONFIG}, {VOCABULARY}, {MODEL}"
        ) from error
    encoder = SceneTextEncoder(config)
    state = {name: value.float() for name, value in load_file(folder / MODEL).items()}
    encoder.load_state_dict(state)
    return WordTokenizer(vocabulary, config.length), encoder.eval().requires_grad_(False)
