"""The embedder that needs no key and no network: WordLlama's table of word vectors, from its wheel.

A text's vector is the mean of its tokens' vectors, brought to unit length. We read the two files in the wheel
ourselves and never import the package: its loader downloads what it does not find, its import takes over the
process's logging, and it pads a batch to its longest text, which for one book among notes is gigabytes.
"""

import asyncio
import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from tokenizers import Tokenizer

from engine.embeddings import Purpose, Vectors
from errors import NotConfigured

__all__ = ["WordLlama"]

_WEIGHTS = Path("weights/l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers/l2_supercat_tokenizer_config.json")
_TENSOR = "embedding.weight"
# Some milliseconds of work: between batches other threads get their turn.
_BATCH_CHARACTERS = 64_000
# Each token is a kilobyte while it is added up.
_PIECE_TOKENS = 4_096


class WordLlama:
    """Loaded at the first use, in a quarter of a second."""

    name = "wordllama-l2-supercat-256"
    provider = "wordllama"
    model = "l2_supercat_256"

    def __init__(self) -> None:
        self._loading = Lock()
        self._table: Vectors | None = None
        self._tokenizer: Tokenizer | None = None

    async def dimension(self) -> int:
        return 256

    async def embed(self, texts: Sequence[str], purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        vectors = [await asyncio.to_thread(self._embed, batch) for batch in _batches(texts)]
        return np.concatenate(vectors) if vectors else np.empty((0, await self.dimension()), np.float32)

    async def close(self) -> None:
        self._table = self._tokenizer = None

    def _embed(self, texts: Sequence[str]) -> Vectors:
        table, tokenizer = self._loaded()
        vectors = np.zeros((len(texts), table.shape[1]), np.float32)
        for row, encoding in zip(vectors, tokenizer.encode_batch_fast(texts, add_special_tokens=False), strict=True):
            ids = encoding.ids
            for start in range(0, len(ids), _PIECE_TOKENS):
                row += table[ids[start : start + _PIECE_TOKENS]].sum(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors

    def _loaded(self) -> tuple[Vectors, Tokenizer]:
        with self._loading:
            if self._table is None or self._tokenizer is None:
                folder = _folder()
                tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
                tokenizer.no_padding()
                tokenizer.no_truncation()
                self._table, self._tokenizer = _read_table(folder / _WEIGHTS), tokenizer
            return self._table, self._tokenizer


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = characters = 0
    for end, text in enumerate(texts):
        if end > start and characters + len(text) > _BATCH_CHARACTERS:
            yield texts[start:end]
            start, characters = end, 0
        characters += len(text)
    if start < len(texts):
        yield texts[start:]


def _folder() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise NotConfigured(
            "The embedded embedder is not installed. Install palaver[embedded] or set PALAVER_EMBEDDING_BASE_URL"
        )
    return Path(spec.origin).parent


def _read_table(path: Path) -> Vectors:
    # safetensors: the length of a JSON header, the header, then the numbers.
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    tensor = json.loads(content[8:start])[_TENSOR]
    begin, end = tensor["data_offsets"]
    half = np.frombuffer(memoryview(content)[start + begin : start + end], dtype="<f2")
    return half.reshape(tensor["shape"]).astype(np.float32)
