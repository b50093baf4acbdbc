"""What is known of a model from its files, before anything is started: its folder, sizes and fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import EngineRefused
from ..flops import ModelShape
from ..models import EMBEDDED, STEP_MARKS, path
from .fingerprint import sampled

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class ModelFiles:
    """A model by name: a folder, one of the embedded models, or a name on the hub.

    Args:
        name: as the user wrote it.
        revision: of a model on the hub.
    """

    def __init__(self, name: str, revision: str | None = None) -> None:
        self.name = name
        self.revision = revision

    @cached_property
    def source(self) -> str:
        """What vLLM and transformers are given: a folder, or the name on the hub.

        Raises:
            EngineRefused: it is neither.
            UsageError: an embedded model that cannot be unpacked.
        """
        if self.name in EMBEDDED:
            return str(path(self.name))
        folder = Path(self.name).expanduser()
        if (folder / "config.json").is_file():
            return str(folder.resolve())
        if folder.exists() or not HUB_NAME.fullmatch(self.name):
            raise self._refused(f"which is {'a folder without a config.json' if folder.exists() else 'not there'}")
        return self.name

    @property
    def is_local(self) -> bool:
        return Path(self.source).is_dir()

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model's ``config.json``.

        Raises:
            EngineRefused: it cannot be read or fetched.
        """
        try:
            if self.is_local:
                found: dict[str, Any] = json.loads((Path(self.source) / "config.json").read_text(encoding="utf-8"))
                return found
            from transformers import PretrainedConfig

            return dict(PretrainedConfig.get_config_dict(self.source, revision=self.revision)[0])
        except (OSError, ValueError) as error:
            raise self._refused(f"whose config.json cannot be read: {' '.join(str(error).split())[:200]}") from None

    @cached_property
    def shape(self) -> ModelShape | None:
        """The sizes that decide its cost; None for an architecture whose config names them otherwise."""
        try:
            return ModelShape.from_config(self.config.get("text_config") or self.config)
        except (KeyError, TypeError, ValueError):
            return None

    @cached_property
    def context_length(self) -> int:
        """The longest context it was made for, in tokens."""
        config = self.config.get("text_config") or self.config
        return int(config.get("max_position_embeddings") or config.get("n_positions") or 4096)

    @property
    def step_mark(self) -> int | None:
        """The token id that ends a step for a process reward model: ``step_mark`` in its config.json."""
        mark = self.config.get("step_mark", STEP_MARKS.get(Path(self.source)))
        return None if mark is None else int(mark)

    @cached_property
    def fingerprint(self) -> str:
        """Names the weights: the hub name and revision, or a digest of a folder's config and weights."""
        if not self.is_local:
            return f"{self.source}@{self.revision or 'main'}"
        total = hashlib.blake2b(digest_size=8)
        folder = Path(self.source)
        for file in sorted([folder / "config.json", *folder.glob("tokenizer*.json"), *folder.glob("*.safetensors")]):
            if file.is_file():
                total.update(file.name.encode() + sampled(file))
        return f"{folder.name}@{total.hexdigest()}"

    @cached_property
    def tokenizer(self) -> str:
        """Names the tokenizer: a digest of its file, or the hub name and revision."""
        file = Path(self.source) / "tokenizer.json"
        return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest() if file.is_file() else self.fingerprint

    def _refused(self, why: str) -> EngineRefused:
        known = ", ".join(EMBEDDED)
        return EngineRefused(
            f"model must be a folder, a hub name or one of the embedded models ({known}), got {self.name!r}, {why}"
        )


def is_cpu_build() -> bool:
    """Whether the vLLM installed here computes on processor cores. Answers without importing it."""
    try:
        return "cpu" in version("vllm")
    except PackageNotFoundError:
        return True
