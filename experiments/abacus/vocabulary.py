"""The vocabulary of the abacus models: the 256 bytes, each its own id, and five special tokens."""

from __future__ import annotations

PAD, EOS, EVAL, YES, NO = 256, 257, 258, 259, 260
SPECIAL = {"<pad>": PAD, "<eos>": EOS, "<eval>": EVAL, "<yes>": YES, "<no>": NO}
SIZE = 256 + len(SPECIAL)
NEWLINE = 10  # the step mark
MAX_LENGTH = 256

CHAT_TEMPLATE = "{{ (messages | selectattr('role', 'equalto', 'user') | list)[-1]['content'] }}"


def encode(text: str) -> list[int]:
    r"""Token ids of a text without special tokens.

    >>> encode("7*6=\n")
    [55, 42, 54, 61, 10]
    """
    return list(text.encode())


def decode(ids: list[int]) -> str:
    """The text of token ids, special tokens left out.

    >>> decode([55, 42, 54, 61, EOS])
    '7*6='
    """
    return bytes(token for token in ids if token < 256).decode(errors="replace")
