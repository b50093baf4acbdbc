"""Llamas of random weights, small enough to be made in a moment and real enough for vLLM and transformers."""

from __future__ import annotations

import json
from pathlib import Path

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz0123456789+-*=?.:"
PAIRS = (("\n", "\n"), ("a", "b"), ("1", "2"))
PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
TEMPLATE = (
    "{% for message in messages %}{{ '<bos>' + message['role'] + ':' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


def make(folder: Path, *, labels: int = 0, chat: bool = True, seed: int = 0, **extra: int) -> Path:
    """A generator, or with `labels` a classifier of every token, with a character vocabulary of 53 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    words = write_tokenizer(folder, chat)
    config = LlamaConfig(
        vocab_size=words,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        num_labels=labels or 2,
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    model = (LlamaForSequenceClassification if labels else LlamaForCausalLM)(config)
    model.to(torch.float32).save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, **extra}))
    return folder


def write_tokenizer(folder: Path, chat: bool) -> int:
    """A byte-pair tokenizer with three merges, so that a stop string can end inside a token; the size it has."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    pieces = [PAD, BOS, EOS, *ALPHABET, *("".join(pair) for pair in PAIRS)]
    bpe = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, list(PAIRS)))
    bpe.decoder = decoders.Fuse()
    bpe.add_special_tokens([PAD, BOS, EOS])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=BOS, eos_token=EOS, pad_token=PAD)
    tokenizer.chat_template = TEMPLATE if chat else None
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    return len(pieces)
