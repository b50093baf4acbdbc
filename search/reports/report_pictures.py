"""Pictures that compositions made of the same queries, side by side."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...orchestrator.errors import UsageError
from .frontier import Share


class Picture(BaseModel):
    """One picture.

    Args:
        png: the base64 of its PNG file.
        value: the label it got.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    png: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=16_384)]
    value: Share


class PictureRow(BaseModel):
    """What one composition made: a picture a query, None where none is held."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    pictures: tuple[Picture | None, ...]


class Pictures(BaseModel):
    """A row a composition, a column a query.

    Args:
        queries: in words.
        is_confirmation: whether these are queries that no search saw.
        rows: by rising cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    queries: tuple[str, ...]
    is_confirmation: bool = False
    rows: tuple[PictureRow, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if others := [row for row in self.rows if len(row.pictures) != len(self.queries)]:
            raise UsageError(
                f"a row of pictures must have one a query, or None, got {len(others[0].pictures)} of "
                f"{len(self.queries)} for {others[0].name!r}; fill it up"
            )
        return self
