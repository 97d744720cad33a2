"""What a sentence encoder makes of titles and tags (extra `sentence`): a model that the shop chooses, in its language.

N. Reimers, I. Gurevych, "Sentence-BERT: sentence embeddings using Siamese BERT-networks", EMNLP 2019: the mean of the
tokens' vectors. A folder holds the model as such models are published: `model.onnx` (or `onnx/model.onnx`) and
`tokenizer.json`. Only fitting reads it; what serving maps into memory is vectors like any others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.schema import LEVELS
from pipeline.errors import SettingsError
from pipeline.progress import track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from feature_store.catalog import Catalog

_WHERE = "setting `recall.content`"
_TOKENS = 64
"""Of a text at most; a title and its tags have some ten."""
_LETTER = re.compile(r"[^\W\d_]")


def sentence_vectors(catalog: Catalog, folder: str, dimensions: int) -> NDArray[np.float32]:
    """The vector of each item, shape (items, at most `dimensions`), of length 1, or 0 where it has no text.

    The model's own directions are turned so that the strongest come first, and the others left out.

    Raises:
        SettingsError: the extra `sentence` is missing, or the folder holds no model.
    """
    texts, of_item = np.unique(_texts(catalog), return_inverse=True)
    vectors = _encoder(folder).vectors([str(text) for text in texts])
    vectors[texts == ""] = 0
    return _of_length_one(_strongest(vectors, dimensions))[of_item]


def _texts(catalog: Catalog) -> NDArray[np.str_]:
    """Title, then the names of the item's groups; a mere number names nothing."""
    parts = [catalog.titles, *(catalog.names[level][catalog.groups[level]] for level in LEVELS)]
    told = [
        ", ".join(dict.fromkeys(str(text) for text in each if _LETTER.search(str(text))))
        for each in zip(*parts, strict=True)
    ]
    return np.array(told, np.str_)


def _strongest(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """(n, width) -> (n, at most `dimensions`): the projection that keeps most of the lengths."""
    if vectors.shape[1] <= dimensions:
        return vectors
    _, directions = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    return np.asarray(vectors @ directions[:, ::-1][:, :dimensions], np.float32)


def _of_length_one(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: NDArray[np.float32] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return found


class _Encoder:
    """Texts seen before keep their vectors: training fits recall once a week of examples, on nearly the same catalog.

    One text at a time, by one thread: its vector then does not depend on the texts around it, to the bit.
    """

    def __init__(self, model: Path, tokenizer: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._tokenizer = _tokenizers().Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_TOKENS)
        self._known: dict[str, NDArray[np.float32]] = {}

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, width), each of length 1."""
        for text in track([text for text in texts if text not in self._known], "sentences"):
            self._known[text] = self._encoded(text)
        return _of_length_one(np.stack([self._known[text] for text in texts]))

    def _encoded(self, text: str) -> NDArray[np.float32]:
        tokens = self._tokenizer.encode(text)
        told = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        asked = {name: np.array([told[name]], np.int64) for name in self._inputs}
        (of_tokens,) = self._session.run(None, asked)[0]
        return np.asarray(of_tokens.sum(axis=0), np.float32)  # as long as many tokens; only its direction counts


@lru_cache(maxsize=1)
def _encoder(folder: str) -> _Encoder:
    _tokenizers()
    models = [path for path in (Path(folder) / "model.onnx", Path(folder) / "onnx" / "model.onnx") if path.is_file()]
    tokenizer = Path(folder) / "tokenizer.json"
    if not folder or not models or not tokenizer.is_file():
        raise SettingsError(
            _WHERE,
            expected="`model`: a folder with model.onnx (or onnx/model.onnx) and tokenizer.json",
            found=f"`{folder}`, which lacks one of them" if folder else "none",
            remedy="Put a sentence model of the shop's language there, or say `embedding: tfidf`.",
        )
    return _Encoder(models[0], tokenizer)


def _tokenizers() -> Any:  # noqa: ANN401 - an extra, imported only where it is asked for
    try:
        import tokenizers
    except ImportError as error:
        raise SettingsError(
            _WHERE,
            expected="the package tokenizers, with which `embedding: sentence` reads texts",
            found=str(error),
            remedy="Install the extra: `pip install vitrine[sentence]`, or say `embedding: tfidf`.",
        ) from error
    return tokenizers
