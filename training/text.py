"""The text side: a tokenizer in which each word of the grammar is one token, a small encoder."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from course.clips.grammar import WORDS

CONTEXT = 20
START, END = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer() -> CLIPTokenizer:
    """Return a CLIPTokenizer whose byte-pair merges join every word of the grammar.

    The list of words travels in ``tokenizer_config.json``: the model's own word list.
    """
    merger = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    merger.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=1,
        special_tokens=[START, END],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    merger.train_from_iterator([" ".join(WORDS)], trainer)
    state = json.loads(merger.to_str())["model"]
    return CLIPTokenizer(
        vocab=state["vocab"],
        merges=[tuple(pair) for pair in state["merges"]],
        model_max_length=CONTEXT,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        words=list(WORDS),
    )


def kept_tokenizer(folder: Path, start: CLIPTokenizer | None = None) -> CLIPTokenizer:
    """Return the tokenizer kept in ``folder``; where there is none, keep ``start`` or a new one.

    A run and its export need one and the same: the merges are numbered anew with every building.
    """
    if not (folder / "tokenizer_config.json").exists():
        (start or build_tokenizer()).save_pretrained(folder)
        check_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def check_tokenizer(folder: Path) -> None:
    """Fail unless the saved tokenizer gives each word exactly one token of its own."""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    tokens = [tuple(tokenizer(word).input_ids) for word in WORDS]
    wrong = [word for word, ids in zip(WORDS, tokens, strict=True) if len(ids) != 3]
    if wrong or len(set(tokens)) != len(WORDS):
        raise RuntimeError(f"words that are not one token of their own: {wrong}")


def build_text_encoder(vocabulary_size: int) -> CLIPTextModel:
    """Return a two-layer CLIP text encoder of width 96 with random weights."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size,
            hidden_size=96,
            intermediate_size=192,
            projection_dim=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )
