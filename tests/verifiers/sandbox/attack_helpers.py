"""What attacks on the sandbox share. It runs inside, beside the attacks, and knows nothing of ponder.

An attack is a function that returns what it achieved; one that is refused ends with an OSError or returns nothing. The
first argument of the program tells, as JSON, what is worth attacking on this host: numbers of system calls, addresses,
paths and names. The others are the attacks to try, as ``module.function``.
"""

import ctypes
import importlib
import json
import os
import sys

HOST = {}
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """Make a system call by name; what it returned."""
    words = (ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments)
    result = LIBC.syscall(ctypes.c_long(HOST["calls"][name]), *words)
    if result == 0 and name.startswith("clone"):
        os._exit(0)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return f"{name} returned {result}"


def first_of(attempt, targets):
    """What the first attempt achieves that is not refused; the last refusal where all are."""
    refusal = None
    for target in targets:
        try:
            if achieved := attempt(target):
                return f"{target}: {achieved!r}"
        except OSError as error:
            refusal = error
    if refusal is not None:
        raise refusal
    return None


def read(path):
    with open(path, "rb") as file:
        return file.read(65536)


def write(path):
    with open(path, "wb") as file:
        return file.write(b"written")


def attempt(name):
    """What an attack came to: achieved, refused, or broken, which no attack should be."""
    module, _, function = name.partition(".")
    try:
        achieved = getattr(importlib.import_module(module), function)()
    except (OSError, MemoryError) as error:
        return f"refused: {error!r}"
    except BaseException as error:
        return f"broken: {error!r}"
    return f"achieved: {achieved!r}" if achieved else "refused: nothing came of it"


def main():
    HOST.update(json.loads(sys.argv[1]))
    for name in sys.argv[2:]:
        print(json.dumps({name: attempt(name)}), flush=True)
