"""The door: fast, lazy, whole, and every module under one name."""

import json
import statistics
import subprocess
import sys

import ponder

HEAVY = ("ray", "vllm", "torch", "openai", "fastapi", "datasets", "optuna", "aiohttp")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_takes_little_and_loads_nothing_heavy() -> None:
    code = (
        "import os, sys, json\nbefore = os.times()\nimport ponder\nafter = os.times()\n"
        "print(json.dumps([after.user - before.user + after.system - before.system, sorted(sys.modules)]))"
    )
    found = [json.loads(python(code)) for _ in range(5)]
    assert statistics.median(seconds for seconds, _ in found) < 0.2
    assert not {name.partition(".")[0] for name in found[0][1]} & set(HEAVY)


def test_running_a_pipeline_in_python_loads_nothing_heavy() -> None:
    code = (
        "import sys, ponder\nfrom ponder.strategies import Sample\n"
        "assert ponder.run(Sample(), 'Problem 3?', engines={'generator': ponder.SimulatedSpec()}).text\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert not set(python(code).split()) & set(HEAVY)


def test_every_public_name_is_there() -> None:
    assert sorted(ponder.__all__) == ponder.__all__
    for name in ponder.__all__:
        assert getattr(ponder, name) is not None
    assert set(ponder.__all__) <= set(dir(ponder))
    assert ponder.__version__


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(ponder, "Pipelin")


def test_every_module_can_be_imported_and_none_is_loaded_under_two_names() -> None:
    code = (
        "import importlib, json, os, pkgutil, sys, ponder\n"
        "for found in pkgutil.walk_packages(ponder.__path__, 'ponder.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "files = [(os.path.realpath(m.__file__), n) for n, m in sys.modules.items() if getattr(m, '__file__', None)]\n"
        "print(json.dumps([(f, n) for f, n in files if n.partition('.')[0] in "
        "('ponder', 'orchestrator', 'strategies', 'verifiers', 'search')]))"
    )
    found = json.loads(python(code))
    assert len(found) > 60
    assert len({file for file, _ in found}) == len(found)
    assert {name.partition(".")[0] for _, name in found} == {"ponder"}
