"""Who may ask: keys kept as hashes, a gate before all routes, and no open door but on loopback."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..errors import UsageError
from .refusal import Refusal
from .reply import send_refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

VARIABLE = "PONDER_API_KEYS"
OPEN_PATH = "/health"
KEY = re.compile(r"[!-~]{8,256}")
HASHED = re.compile(r"sha256:([0-9a-f]{64})")


class Keys:
    """The keys that open the server, as SHA-256 digests; none at all opens it to everyone on this machine.

    Args:
        digests: of the keys, 32 bytes each.
        lengths: of the keys, where known: what it takes to find one in a text.
    """

    def __init__(self, digests: Iterable[bytes] = (), lengths: Iterable[int] = ()) -> None:
        self.digests = frozenset(digests)
        self.lengths = frozenset(lengths)

    @classmethod
    def load(cls, path: str | Path | None = None, environment: Mapping[str, str] = os.environ) -> Self:
        """The keys of a file and of the variable ``PONDER_API_KEYS``.

        A file holds one key a line, as it is or as ``sha256:`` and its digest; the variable holds keys with commas or
        spaces between. Empty lines and lines that begin with ``#`` are skipped.

        Raises:
            UsageError: the file cannot be read, holds no key, or something is no key.
        """
        words = [(word, VARIABLE) for word in re.split(r"[\s,]+", environment.get(VARIABLE, "")) if word]
        words += _in_file(Path(path)) if path is not None else []
        digests = [_digest(word, where) for word, where in words]
        return cls(digests, (len(word) for word, _ in words if not HASHED.fullmatch(word)))

    def __bool__(self) -> bool:
        return bool(self.digests)

    def hold(self, key: str) -> bool:
        """Whether `key` is one of them, found in a time that does not depend on it."""
        digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
        return any([hmac.compare_digest(digest, known) for known in self.digests])

    def admit(self, authorization: list[bytes]) -> bool:
        """Whether a request with these ``Authorization`` headers may pass: just one, ``Bearer`` and a key."""
        if len(authorization) != 1:
            return False
        scheme, _, key = authorization[0].decode("latin-1").partition(" ")
        return scheme.lower() == "bearer" and self.hold(key.strip(" "))


class Gate:
    """Lets nothing through to `app` but requests with a key, and ``/health``.

    Where there are no keys, only requests addressed to this machine by a loopback name pass, so that no page in a
    browser can reach the server under another name.
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        refusal = self._refusal(scope)
        if refusal is None:
            return await self._app(scope, receive, send)
        await send_refusal(refusal, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if scope["path"] == OPEN_PATH:
            return None
        if self._keys:
            is_in = self._keys.admit([value for name, value in headers if name == b"authorization"])
            return None if is_in else _unauthorized()
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        return None if len(hosts) == 1 and is_loopback(_host_name(hosts[0])) else _not_local()


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


def _in_file(path: Path) -> list[tuple[str, str]]:
    """The words of a key file, each with where it stands."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"a key file must be readable at {path}, but: {reason}; check the path") from None
    numbered = enumerate((line.strip() for line in lines), 1)
    words = [(word, f"{path}, line {i}") for i, word in numbered if word and not word.startswith("#")]
    if not words:
        raise UsageError(f"a key file must hold at least one key, but {path} holds none; add one on a line of its own")
    return words


def _digest(word: str, where: str) -> bytes:
    if hashed := HASHED.fullmatch(word):
        return bytes.fromhex(hashed[1])
    if not KEY.fullmatch(word):
        raise UsageError(f"a key must be 8 to 256 visible ASCII characters, but the one in {where} is not; replace it")
    return hashlib.sha256(word.encode()).digest()


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
