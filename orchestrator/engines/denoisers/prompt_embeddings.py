"""What a pipeline's network is told of prompts, read from a file or made by the pipeline's text encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import EngineRefused

Embedded = Mapping[str, Any]
"""Tensors of one prompt by the names of a pipeline's arguments, ``[1, ...]``."""


class PromptEmbeddings:
    """Embeddings of some prompts in a file of safetensors.

    Its tensors have the names of the pipeline's arguments, such as ``prompt_embeds``, each with a row a prompt; its
    metadata hold under ``prompts`` the list of the prompts as JSON. Without that list there is one row, for any prompt.

    Args:
        file: where it lies.
        names: of the tensors that are needed.

    Raises:
        EngineRefused: it holds something else.
    """

    def __init__(self, file: str, names: tuple[str, ...]) -> None:
        from safetensors import safe_open

        path = Path(file).expanduser()
        if not path.is_file():
            raise EngineRefused(f"prompt embeddings must lie in a file of safetensors, but {file!r} is not there")
        with safe_open(str(path), "pt") as tensors:
            held, prompts = set(tensors.keys()), (tensors.metadata() or {}).get("prompts")
            if not held.issuperset(names):
                raise EngineRefused(
                    f"{file!r} must hold tensors named {', '.join(names)}, got {', '.join(sorted(held))}"
                )
            self._tensors = {name: tensors.get_tensor(name) for name in names}
        self.prompts: list[str] = [""] if prompts is None else json.loads(prompts)
        self._is_fixed = prompts is None
        self._file = file
        rows = len(self.prompts)
        if any(len(tensor) != rows for tensor in self._tensors.values()):
            shapes = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}
            raise EngineRefused(f"{file!r} must hold {rows} rows, one a prompt in its metadata, got {shapes}")

    def of(self, prompt: str) -> dict[str, Any]:
        """The rows of one prompt.

        Raises:
            EngineRefused: it is not among them.
        """
        if not self._is_fixed and prompt not in self.prompts:
            raise EngineRefused(
                f"{self._file!r} must hold embeddings of {prompt[:80]!r}, but knows other prompts alone; add it, or "
                "load the pipeline with its text encoders"
            )
        row = 0 if self._is_fixed else self.prompts.index(prompt)
        return {name: tensor[row : row + 1] for name, tensor in self._tensors.items()}
