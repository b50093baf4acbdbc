"""What verifiers that ask one model to look at images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ..orchestrator.engine import Engine
from ..orchestrator.shape import Medium
from ..orchestrator.types import Usage
from ..orchestrator.verifier import Scale, Verifier
from .asked_engine import asked_engine
from .naming import name_of


class Looking(Verifier):
    """A verifier of images by what one model tells of each; a subclass gives its `kind` and makes scores of that.

    Args:
        engine: the model's name in the pipeline.
    """

    engine: Annotated[str, Field(min_length=1)] = "reward"

    @property
    def name(self) -> str:
        """The kind, and the engine where it is not the default."""
        return name_of(self, "engine")

    @property
    def judges(self) -> frozenset[Medium]:
        return frozenset({"image"})

    @property
    def score_scale(self) -> Scale:
        return "reward"

    def engine_names(self) -> tuple[str, ...]:
        return (self.engine,)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        return asked_engine(self, engines, self.engine, looks=True).meter.looking()
