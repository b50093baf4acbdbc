"""Which class of a model a prompt asks for."""

from __future__ import annotations

from dataclasses import dataclass

from ...asked_class import number_in
from ...errors import EngineRefused


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes that a model was trained on.

    Args:
        labels: how many there are, counted from 0; none for a model that is told none.
        null: the label for no class in particular; None where it has none.
    """

    labels: int
    null: int | None = None

    def label(self, prompt: str) -> int | None:
        """The label of the class that a prompt asks for; None of a model without classes.

        Raises:
            EngineRefused: it asks for what the model cannot show.
        """
        if not prompt:
            return self.nothing()
        if not self.labels:
            raise EngineRefused(
                f"a prompt must be empty for a denoiser without classes, got {prompt[:80]!r}; "
                "use conditional = false, so that the verifier alone steers"
            )
        number = number_in(prompt)
        if number is None or number >= self.labels or number == self.null:
            raise EngineRefused(
                f"a prompt must hold the number of a class, 0 to {self.labels - 1}, got {prompt[:80]!r}; "
                "ask for one, or use conditional = false"
            )
        return number

    def nothing(self) -> int | None:
        """The label for no class in particular; None of a model without classes.

        Raises:
            EngineRefused: the model must be told a class.
        """
        if self.labels and self.null is None:
            raise EngineRefused(
                "this denoiser must be told a class, as it has no null label; put its number into the prompt, use no "
                "guidance, or name its null_label"
            )
        return self.null
