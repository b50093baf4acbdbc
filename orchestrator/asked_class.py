"""Which class of images is asked for: the first whole number in a text."""

from __future__ import annotations

import re

from .types import Query

_NUMBER = re.compile(r"\d+")


def number_in(text: str) -> int | None:
    """The first whole number in a text.

    >>> number_in("draw a 3 beside a 5"), number_in("draw")
    (3, None)
    """
    found = _NUMBER.search(text)
    return None if found is None else int(found[0])


def asked_class(query: Query) -> int | None:
    """The class that a query asks for: in its reference, or, without a reference, in its last message.

    >>> asked_class(Query.ask("draw a 3")), asked_class(Query.ask("draw a 3", reference="5"))
    (3, 5)
    """
    return number_in(query.reference or query.prompt)


def unclassed(seen: tuple[float | None, ...], wanted: int | None) -> str:
    """Why a classifier's logits tell nothing of the class that is asked for; empty where they do.

    >>> unclassed((0.5, None), 1)
    'the classifier must give finite logits, but gave none for class 1'
    >>> unclassed((0.5, 1.5), None), unclassed((0.5, 1.5), 1)
    ('a query must name a class from 0 to 1 by its number, but names none', '')
    """
    if wanted is None or wanted >= len(seen):
        named = "names none" if wanted is None else f"names {wanted}"
        return f"a query must name a class from 0 to {len(seen) - 1} by its number, but {named}"
    if None in seen:
        return f"the classifier must give finite logits, but gave none for class {seen.index(None)}"
    return ""
