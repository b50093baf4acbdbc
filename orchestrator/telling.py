"""What a draw tells of its progress, also where it is sent again."""

from __future__ import annotations

from .engine import Progress, Watch
from .errors import EngineUnavailable


class Telling:
    """Passes on the progress of one draw: over all its attempts the count never falls, and no text is told twice."""

    __slots__ = ("_characters", "_tokens", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._tokens = self._characters = 0

    def anew(self) -> Watch:
        """The watch of another attempt, of which nothing is passed on until it has come further than those before."""
        came = 0

        def tell(progress: Progress) -> None:
            nonlocal came
            known = max(0, self._characters - came)
            came += len(progress.text)
            if progress.tokens > self._tokens or came > self._characters:
                self._tokens = max(self._tokens, progress.tokens)
                self._characters = max(self._characters, came)
                self._watch(Progress(self._tokens, progress.text[known:]))

        return tell

    def check(self, tokens: int) -> None:
        """Check that a draw of so many tokens keeps to what was told.

        Raises:
            EngineUnavailable: an earlier attempt had come further, and somebody may have relied on that.
        """
        if tokens < self._tokens:
            raise EngineUnavailable(
                f"a draw that is sent again must be as long as it had told ({self._tokens} tokens), but has {tokens}"
            )
