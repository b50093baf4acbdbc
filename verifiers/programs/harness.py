"""What is run in a sandbox to serve calls: our worker, and what reads and writes its values, as one text of Python."""

from __future__ import annotations

import marshal
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ...orchestrator.errors import VerifierError

_ROOM = __package__ or ""
_VALUES = f"{_ROOM.rpartition('.')[0].rpartition('.')[0]}.orchestrator.plain_values"
_LOADER = """import marshal, sys
from types import ModuleType
def load(name, code):
    module = sys.modules[name] = ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    exec(marshal.loads(code), module.__dict__)
    return module
"""


@lru_cache
def harness(worker: Literal["program_worker", "judge_worker"]) -> str:
    """The source that serves as `worker` does. It holds what it needs, for nothing of ours can be read in there.

    Its modules are compiled here, once, which saves each start some milliseconds; the sandbox runs the same Python.
    """
    modules = (_VALUES, f"{_ROOM}.{worker}")
    loads = "\n".join(f"worker = load({name!r}, {_compiled(name)!r})" for name in modules)
    return f"{_LOADER}{loads}\nworker.serve()\n"


def _compiled(module: str) -> bytes:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise VerifierError(f"the source of {module} must be a file to be run in a sandbox; install ponder unpacked")
    return marshal.dumps(compile(Path(spec.origin).read_text("utf-8"), module, "exec"))
