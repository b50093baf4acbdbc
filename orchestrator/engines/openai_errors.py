"""What a server's refusals mean: which are worth another try, which cost nothing, and what to do about the others."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ..errors import EngineError, EngineRefused, EngineUnavailable

LONGEST_WAIT_S = 600.0
LONGEST_COMPLAINT = 300
FREE = (429, 503)
WORTH_ANOTHER_TRY = (408, 409, 425, 429)


@dataclass(frozen=True, slots=True)
class Address:
    """Which server, for messages. The key is held to be kept out of them.

    Args:
        base_url: where it stands.
        model: what it is asked for.
        api_key_env: the environment variable that holds its key.
        key: that key.
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    key: str = field(default="", repr=False)

    def redacted(self, text: str) -> str:
        """`text` in one printable line, cut to length, without the key."""
        clean = text.replace(self.key, "***") if self.key else text
        line = " ".join("".join(c if c.isprintable() else " " for c in clean).split())
        return line if len(line) <= LONGEST_COMPLAINT else line[:LONGEST_COMPLAINT] + "..."


def refusal(status: int, headers: Mapping[str, str], raw: bytes, address: Address) -> EngineError:
    """The error for an answer whose status is not 200."""
    said = address.redacted(complaint(raw)) or "no reason given"
    came = f"{address.base_url} answered {status} ({said})"
    if status in WORTH_ANOTHER_TRY or status >= 500:
        return EngineUnavailable(came, retry_after_s(headers), is_free=status in FREE)
    if status in (401, 403):
        return EngineRefused(f"{came}; it must accept the key; {_key_remedy(address.api_key_env)}")
    if 300 <= status < 400:
        place = address.redacted(headers.get("Location", "elsewhere"))
        return EngineRefused(f"{came}; redirects are not followed; set base_url to {place}, if you trust it")
    if status == 404:
        return EngineRefused(f"{came}; check base_url (it usually ends in /v1) and model {address.model!r}")
    return EngineRefused(f"{came}; change the request or the server's settings")


def unreachable(error: Exception, address: Address, timeout_s: float, connect_timeout_s: float) -> EngineError:
    """The error for a call that got no answer."""
    import aiohttp

    if isinstance(error, aiohttp.ClientSSLError):
        return EngineRefused(
            f"{address.base_url} must show a valid certificate, but: {address.redacted(str(error))}; "
            "fix base_url or the server's certificate"
        )
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return EngineUnavailable(
            f"{address.base_url} must take a connection within {connect_timeout_s:g} s, but did not; "
            "start the server, fix base_url, or raise connect_timeout_s",
            is_free=True,
        )
    if isinstance(error, TimeoutError):
        return EngineUnavailable(
            f"{address.base_url} must answer within {timeout_s:g} s, but did not; "
            "raise timeout_s or lower max_in_flight"
        )
    why = address.redacted(str(error)) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError):
        return EngineUnavailable(
            f"{address.base_url} must be reachable, but: {why}; start the server or fix base_url", is_free=True
        )
    return EngineUnavailable(f"{address.base_url} broke the connection off before it had answered: {why}")


def complaint(raw: bytes) -> str:
    """What a server says is wrong, without what it echoes of the request.

    >>> complaint(b'{"error": {"message": "no", "param": "seed"}}')
    'no [seed]'
    >>> complaint(b'{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs", "input": "secret"}]}')
    'Extra inputs [body.seed]'
    """
    try:
        return _complaint(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return raw[: 2 * LONGEST_COMPLAINT].decode("utf-8", "replace")


def refused_field(raw: bytes, fields: Iterable[str], *, quotes: bool = False) -> str | None:
    """The first of the optional `fields` that a complaint names; where it may quote a client's words, as its place.

    `max_tokens` counts only where the server asks for ``max_completion_tokens`` instead: it is named in many others.
    `response_format` does not where the complaint is about the schema in it.
    """
    said = complaint(raw)
    named = said[said.rfind("[") :] if quotes else said
    for name in sorted(fields):
        if name == "max_tokens" and "max_completion_tokens" not in said:
            continue
        if name == "response_format" and "schema" in said.lower():
            continue
        if re.search(rf"(?<!\w){name}(?!\w)", named):
            return name
    return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by ``Retry-After``, given in seconds or as a date; at most ten minutes.

    >>> retry_after_s({"Retry-After": "2"}), retry_after_s({"Retry-After": "soon"}), retry_after_s({})
    (2.0, None, None)
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        wait = float(value) if value.strip().isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT_S)


def _complaint(body: Any) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(map(_complaint, body))
    if not isinstance(body, dict):
        return ""
    for key in ("error", "detail"):
        if key in body:
            return _complaint(body[key])
    where = body.get("param") or ".".join(map(str, body.get("loc") or ()))
    return f"{body.get('message') or body.get('msg') or ''}{f' [{where}]' if where else ''}"


def _key_remedy(variable: str | None) -> str:
    if variable is None:
        return "set api_key_env to the name of the environment variable that holds it"
    return f"put a valid key into the environment variable {variable}"
