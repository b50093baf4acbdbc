"""Who may come in: a gate before all routes, and no open door but on loopback."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import UsageError
from .keys import VARIABLE, Key, Keys
from .refusal import Refusal
from .reply import send_refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATH = "/health"
KEY_IN_SCOPE = "ponder.key"
"""Where a request that has passed the gate carries its `Key`."""


class Gate:
    """Lets nothing through to `app` but requests with a key, and ``/health``.

    Where there are no keys, only requests addressed to this machine by a loopback name pass, so that no page in a
    browser can reach the server under another name.
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys
        self._anyone = Key.anyone()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        try:
            scope[KEY_IN_SCOPE] = self._key(scope)
        except Refusal as refusal:
            if scope["path"] != OPEN_PATH:
                return await send_refusal(refusal, send)
        await self._app(scope, receive, send)

    def _key(self, scope: Scope) -> Key:
        """The key of a request.

        Raises:
            Refusal: it has none, and must.
        """
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if self._keys:
            key = self._sent([value for name, value in headers if name == b"authorization"])
            if key is None:
                raise _unauthorized()
            return key
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not is_loopback(_host_name(hosts[0])):
            raise _not_local()
        return self._anyone

    def _sent(self, authorization: list[bytes]) -> Key | None:
        """The key in the ``Authorization`` headers of a request: just one, ``Bearer`` and a known key."""
        if len(authorization) != 1:
            return None
        scheme, _, word = authorization[0].decode("latin-1").partition(" ")
        return self._keys.find(word.strip(" ")) if scheme.lower() == "bearer" else None


@lru_cache(64)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "::", "", "example.org")]
    [True, True, True, False, False, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_binding(host: str, keys: Keys) -> None:
    """Refuse to stand open to other machines.

    Raises:
        UsageError: `host` is not loopback and there are no keys.
    """
    if not keys and not is_loopback(host):
        raise UsageError(
            f"a server that others can reach must have keys, but host {host!r} is not loopback and there are none; "
            f"give a key file, set {VARIABLE}, or bind 127.0.0.1"
        )


def _host_name(host: str) -> str:
    """The name in a ``Host`` header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _unauthorized() -> Refusal:
    message = "a request must carry one known key; send it as Authorization: Bearer KEY"
    return Refusal(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _not_local() -> Refusal:
    message = "a server without keys answers only to 127.0.0.1, ::1 and localhost; use one of them, or give it keys"
    return Refusal(403, message, code="host_not_allowed")
