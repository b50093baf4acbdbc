"""What names the files of a model, wherever they lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

WHOLE_BYTES = 64 << 20
EDGE_BYTES = 1 << 20
KEPT = (".json", ".safetensors", ".txt", ".model")
"""How the names of files end that decide what a model tells."""


def fingerprint(place: Path) -> str:
    """A digest of the settings and weights in a folder and the folders in it, or of one file of any name."""
    found = [file for file in sorted(place.rglob("*.*")) if file.is_file() and file.suffix in KEPT]
    total = hashlib.blake2b(digest_size=8)
    for file in [place] if place.is_file() else found:
        total.update(str(file.relative_to(place)).encode() + sampled(file))
    return total.hexdigest()


def sampled(file: Path) -> bytes:
    """The bytes of a small file; of a large one its size, beginning and end."""
    size = file.stat().st_size
    if size <= WHOLE_BYTES:
        return file.read_bytes()
    with file.open("rb") as stream:
        head = stream.read(EDGE_BYTES)
        stream.seek(size - EDGE_BYTES)
        return size.to_bytes(8, "big") + head + stream.read()
