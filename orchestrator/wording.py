"""Models in words, for reports and pictures: their kind and the knobs that are not at their defaults."""

from __future__ import annotations

from pydantic import BaseModel

LONGEST = 40
UNSAID = frozenset({"kind", "nodes", "engines", "name", "queries"})


def in_words(model: BaseModel) -> str:
    """The kind of `model` and its knobs that differ from their defaults; a model in brackets, a long text cut short.

    >>> from ponder.strategies import BestOfN
    >>> from ponder.verifiers import ProcessReward
    >>> in_words(BestOfN(n=4, verifier=ProcessReward(aggregate="min")))
    'best_of_n n=4 verifier=(process_reward aggregate=min)'
    """
    fields = type(model).model_fields
    knobs = {name: getattr(model, name) for name, field in fields.items() if name not in UNSAID}
    changed = {name: value for name, value in knobs.items() if value != fields[name].get_default()}
    return " ".join([getattr(model, "kind", ""), *(f"{name}={_word(value)}" for name, value in changed.items())])


def _word(value: object) -> str:
    if isinstance(value, BaseModel):
        words = in_words(value)
        return f"({words})" if " " in words else words
    if isinstance(value, list | tuple):
        return ",".join(map(_word, value))
    text = str(value)
    return text if len(text) <= LONGEST else " ".join(text[: LONGEST - 3].split()) + "..."
