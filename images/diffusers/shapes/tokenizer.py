"""A CLIP tokenizer whose merges make every caption word one token; other words fall apart into letters or bytes."""

import json
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from images.diffusers.shapes.captions import vocabulary

LENGTH = 16
START, END = "<|startoftext|>", "<|endoftext|>"
Pair = tuple[str, str]


def byte_letters() -> list[str]:
    """The 256 printable letters that byte-level vocabularies write bytes as, in the order of the bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    shifted = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(shifted)) for byte in range(256)]


def apply_merge(pieces: list[str], pair: Pair) -> list[str]:
    """Join each occurrence of `pair`, left to right."""
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def learn_merges(words: list[str]) -> list[Pair]:
    """Byte-pair merges, commonest first, until every word is one piece."""
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges: list[Pair] = []
    while any(len(parts) > 1 for parts in pieces):
        counts = Counter(pair for parts in pieces for pair in pairwise(parts))
        merges.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        pieces = [apply_merge(parts, merges[-1]) for parts in pieces]
    return merges


def build_tokenizer() -> CLIPTokenizer:
    """The tokenizer, 16 tokens long; its end token has the highest id, which CLIP's text model looks for."""
    letters, merges = byte_letters(), learn_merges(vocabulary())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary_file, merges_file = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary_file.write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
        merges_file.write_text("\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges), ""]))
        return CLIPTokenizer.from_pretrained(folder, model_max_length=LENGTH)
