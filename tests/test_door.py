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


def test_searching_takes_a_few_lines_and_loads_nothing_heavy(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        "import sys, ponder\nfrom ponder.domains import Integers\n"
        "import ponder.search.sweep\nfrom ponder.search.sweep import Sweep\n"
        "assert ponder.Sweep is Sweep and callable(ponder.sweep)\n"
        "space = ponder.Space(options=[{'kind': 'self_consistency', 'max_tokens': 48, 'n': Integers(low=1, high=2)}])\n"
        "data = [(f'Problem {i}: which number do the steps lead to?', '7') for i in range(6)]\n"
        "engines = {'generator': ponder.SimulatedSpec()}\n"
        "frontier = ponder.sweep(space, data, engines=engines, budget=ponder.Budget(calls=40))\n"
        "print(frontier)\nfrontier.save('mine.toml')\n"
        "assert ponder.Frontier.load('mine.toml') == ponder.Frontier.load('runs/sweep.frontier.toml') == frontier\n"
        "assert frontier.best(cost=1e9) in frontier.points\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    table, _, modules = python(code).rstrip().rpartition("\n")
    assert "sweep-1" in table
    assert not set(modules.split()) & {*HEAVY, "scipy", "matplotlib"}
    assert sorted(path.name for path in tmp_path.glob("runs/sweep.*")) == [
        *("sweep.csv", "sweep.db", "sweep.db.lock", "sweep.frontier.toml", "sweep.html"),
    ]


def test_presets_and_domains_are_at_the_door() -> None:
    for space in (
        ponder.archon_space(["small", "large"], samples=1, layers=0),
        ponder.best_of_n_space(most=2),
        ponder.stepwise_space(most=4),
        ponder.adaptive_space(most=4),
    ):
        assert isinstance(space, ponder.Space)
        assert space.size > 1
    assert ponder.domains.Integers(low=1, high=8, log=True).labels == (1, 2, 4, 8)
