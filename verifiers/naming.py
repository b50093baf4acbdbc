"""Names that tell verifiers apart: what is not by default is in them, in words or by six digits."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..orchestrator.canonical import stable_id
from ..orchestrator.verifier import Verifier


def name_of(verifier: Verifier, *spelled: str) -> str:
    """The kind, then the value of each knob in `spelled` that is not by default, then what names the other such knobs.

    >>> from ponder.verifiers import ScalarJudge
    >>> judge = ScalarJudge(engine="judge", votes=3)
    >>> name_of(judge, "engine", "form") == f"scalar_judge:judge{digits(judge, 'engine', 'form')}"
    True
    """
    knobs = _changed(verifier)
    words = [f":{knobs.pop(name)}" for name in spelled if name in knobs]
    return verifier.kind + "".join(words) + _digits(knobs)


def digits(model: BaseModel, *told: str) -> str:
    """Six digits that name the knobs which are not by default, those in `told` apart; nothing where there are none."""
    return _digits({name: value for name, value in _changed(model).items() if name not in told})


def _digits(knobs: dict[str, Any]) -> str:
    return f":{stable_id(knobs)[:6]}" if knobs else ""


def _changed(model: BaseModel) -> dict[str, Any]:
    """The knobs that are not by default, but for the kind; one that has no default never is."""
    fields, told = type(model).model_fields, model.model_fields_set - {"kind"}
    values = {name: (getattr(model, name), fields[name].get_default(call_default_factory=True)) for name in told}
    return {name: value for name, (value, default) in values.items() if value != default}
