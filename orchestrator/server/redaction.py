"""Keys stay out of logs: whatever a record says, a word that opens the server is blotted out."""

from __future__ import annotations

import logging
import re

from .auth import Keys

BLOT = "[redacted]"
BEARER = re.compile(r"(?i)(bearer\s+)[^\s'\",]+")
WORD = re.compile(r"[^\s'\"(){}\[\],;:=<>]{8,256}")


class Redaction(logging.Filter):
    """Rewrites records so that they hold no key of `keys`, found by its digest, and no bearer token at all."""

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
        return WORD.sub(self._blot_word, BEARER.sub(rf"\1{BLOT}", text))

    def _blot_word(self, word: re.Match[str]) -> str:
        return BLOT if self._keys.hold(word[0]) else word[0]
