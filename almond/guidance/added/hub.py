"""Fetching a model from the Hugging Face hub: only what is loaded, and a plain line when it fails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import huggingface_hub
import huggingface_hub.errors as hub

from almond.errors import InputError
from almond.guidance.backends.diffusers_folder import family_of, read_classes
from almond.guidance.backends.weight_files import PLAIN, WEIGHTS

REFUSALS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        hub.GatedRepoError,
        "is gated: its licence was not accepted with the account in use",
        "accept it at https://huggingface.co/{name}, then `hf auth login`",
    ),
    (hub.RepositoryNotFoundError, "is not on the hub, or private", "an id such as OWNER/MODEL"),
    (hub.RevisionNotFoundError, "has no such revision", "a branch, tag or commit of it"),
    (hub.EntryNotFoundError, "has no model_index.json", "a model in the layout of diffusers"),
    (
        hub.OfflineModeIsEnabled,
        "cannot be fetched: HF_HUB_OFFLINE is set",
        "`hf download {name} --local-dir FOLDER` where there is a network, then add FOLDER",
    ),
)
"""What the hub refuses, in one line, with what helps. The first that fits is taken."""

NO_NETWORK = (
    "cannot be reached ({error})",
    "`hf download {name} --local-dir FOLDER` where there is a network, then add FOLDER",
)


def fetch_model(name: str, *, revision: str | None = None, variant: str | None = None) -> Path:
    """Fetch what is loaded of a model; its class is checked before its weights are fetched.

    :param name: ``OWNER/MODEL`` on the hub.
    :raises InputError: one line: gated, unknown, without network, or a pipeline that is not driven.
    """
    try:
        index_path = Path(huggingface_hub.hf_hub_download(name, "model_index.json", revision=revision))
        index = json.loads(index_path.read_text(encoding="utf-8"))
        kind = family_of(index_path.parent, index)
        classes = read_classes(index_path.parent, index, kind)
        listed = huggingface_hub.HfApi().list_repo_files(name, revision=revision)
        files = files_to_fetch(listed, classes, variant)
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=files))
    except (hub.HfHubHTTPError, hub.OfflineModeIsEnabled, hub.LocalEntryNotFoundError, OSError) as error:
        raise refusal_of(name, error) from error


def refusal_of(name: str, error: Exception) -> InputError:
    """Say in one line what the hub's error means and what helps."""
    for kind, problem, help_text in REFUSALS:
        if isinstance(error, kind) and not isinstance(error, hub.LocalEntryNotFoundError):
            return InputError(name, problem, help_text.format(name=name))
    problem, help_text = NO_NETWORK
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(name, problem.format(error=first), help_text.format(name=name))


def files_to_fetch(listed: Sequence[str], classes: Mapping[str, Any], variant: str | None) -> list[str]:
    """Choose the files of the parts that are loaded: of weights one variant, and safetensors where there are.

    A part without the variant that is wanted is fetched plain, or in the only one that there is.
    """
    chosen = ["model_index.json"]
    for part in (*classes, "scheduler"):
        inside = [name for name in listed if PurePosixPath(name).parent.as_posix() == part]
        weights: dict[tuple[str, str], list[str]] = {}
        for name in inside:
            match = WEIGHTS.match(PurePosixPath(name).name)
            if match:
                key = (match["before"] or match["after"] or PLAIN, match["kind"])
                weights.setdefault(key, []).append(name)
        held = {name for names in weights.values() for name in names}
        small = (".json", ".txt", ".model", ".jinja")
        chosen += [name for name in inside if name not in held and name.endswith(small)]
        there = [name for name, _ in weights]
        order = [(wanted, kind) for wanted in (variant, PLAIN, *there) for kind in ("safetensors", "bin")]
        chosen += next((weights[key] for key in order if key in weights), [])
    return chosen
