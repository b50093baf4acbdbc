"""A trained model as a folder that transformers and vLLM open: configuration, weights, tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from . import vocabulary
from .llama import Generator, Shape, StepScorer

LABELS = {0: "wrong", 1: "right"}


def save(model: Generator | StepScorer, folder: Path) -> None:
    """Write every file of the folder but the model card."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    is_scorer = isinstance(model, StepScorer)
    _write(folder / "config.json", configuration(model.model.shape, is_scorer))
    ends = {"eos_token_id": vocabulary.EOS, "pad_token_id": vocabulary.PAD}
    _write(folder / "generation_config.json", {**ends, "do_sample": True, "temperature": 1.0})
    _write_tokenizer(folder)


def configuration(shape: Shape, is_scorer: bool) -> dict[str, Any]:
    """The config.json of a generator or of a step scorer."""
    task = {"id2label": LABELS, "label2id": {name: key for key, name in LABELS.items()}} if is_scorer else {}
    return {
        "architectures": ["LlamaForSequenceClassification" if is_scorer else "LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "vocab_size": vocabulary.SIZE,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.theta},
        "max_position_embeddings": vocabulary.MAX_LENGTH,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": None,
        "eos_token_id": vocabulary.EOS,
        "pad_token_id": vocabulary.PAD,
        **task,
    }


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab=_letters(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in vocabulary.SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": vocabulary.MAX_LENGTH,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "additional_special_tokens": ["<eval>", "<yes>", "<no>"],
        "chat_template": vocabulary.CHAT_TEMPLATE,
    }
    _write(folder / "tokenizer_config.json", settings)


def _letters() -> dict[str, int]:
    """The letters that stand for bytes in a byte-level tokenizer (Radford et al. 2019), each with its byte as id."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}
    return dict(sorted(letters.items(), key=lambda item: item[1]))


def _write(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
