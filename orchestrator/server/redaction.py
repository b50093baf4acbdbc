"""Keys stay out of logs: whatever a record says, what opens the server is blotted out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .keys import Keys

BLOT = "[redacted]"
BEARER = re.compile(r"(?i)(bearer\s+)[^\s'\",]+")
RUN = re.compile(r"[!-~]{8,}")


class Redaction(logging.Filter):
    """Rewrites records so that they hold no key of `keys` and no bearer token at all.

    Keys are found by their digests, for only those are kept. The length of one that was configured as a digest is known
    once it has opened the gate; before, it is found only as a bearer token.
    """

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = keys

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, blotted."""
        record.msg, record.args = self.blot(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.blot(record.exc_text)
        return True

    def blot(self, text: str) -> str:
        """`text` without keys."""
        return RUN.sub(self._blot_run, BEARER.sub(rf"\1{BLOT}", text))

    def _blot_run(self, found: re.Match[str]) -> str:
        run = found[0]
        for length in sorted(self._keys.lengths, reverse=True):
            windows = {run[i : i + length] for i in range(len(run) - length + 1)}
            for key in filter(self._keys.hold, windows):
                run = run.replace(key, BLOT)
        return run


@contextmanager
def redacted(loggers: Iterable[str], keys: Keys) -> Iterator[None]:
    """What loggers of these names say inside holds no key."""
    redaction, found = Redaction(keys), [logging.getLogger(name) for name in loggers]
    for logger in found:
        logger.addFilter(redaction)
    try:
        yield
    finally:
        for logger in found:
            logger.removeFilter(redaction)
