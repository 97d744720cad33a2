"""Vectors of a tiny encoder: each word has a direction of its own, but for two that mean the same."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import SettingsError
from pipeline.recommender.recall.content import Content, ContentConfig
from pipeline.recommender.recall.sentences import sentence_vectors
from tests.pipeline.recommender.shop import NOW, asker, catalog, history

WORDS = {"[UNK]": 0, "tea": 1, "brew": 2, "soap": 3, "green": 4, "drinks": 5, "wash": 6}
SHOP = catalog(["drinks", "drinks", "wash", "wash", ""], titles=["green tea", "brew", "soap", "soap", ""], off_sale=[3])


@pytest.fixture
def model(tmp_path):
    """A folder with `model.onnx` and `tokenizer.json`, as sentence encoders are published."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    table = np.eye(len(WORDS), 12, dtype=np.float32)
    table[WORDS["[UNK]"]] = 0
    table[WORDS["brew"]] = table[WORDS["tea"]]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, [None, None])
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [None, None, 12])
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    graph = helper.make_graph(nodes, "encoder", [ids, mask], [out], [numpy_helper.from_array(table, "table")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    (tmp_path / "onnx").mkdir()
    onnx.save(made, str(tmp_path / "onnx" / "model.onnx"))
    return str(tmp_path)


def test_words_that_mean_the_same_are_near_though_no_letter_is(model):
    vectors = sentence_vectors(SHOP, model, 64)
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1, 1, 1, 1, 0])
    tea, brew, soap = vectors[0], vectors[1], vectors[2]
    assert tea @ brew == pytest.approx(2 / np.sqrt(6))  # drinks and tea, of green, tea, drinks
    assert tea @ soap == pytest.approx(0)


def test_fewer_dimensions_keep_the_angles_as_far_as_they_can(model):
    whole, few = (sentence_vectors(SHOP, model, dimensions) for dimensions in (12, 3))
    assert few.shape == (5, 3)
    assert few @ few.T == pytest.approx(whole @ whole.T, abs=1e-6), "three items differ: three directions tell all"


def test_content_searches_what_the_encoder_says(model):
    config = ContentConfig(embedding="sentence", model=model)
    source = Content.fit(history((0, 0, 1)), SHOP, NOW, config)
    assert source.candidates(asker((0, 1)), 9).items.tolist() == [0, 1]
    again = Content.from_arrays(source.arrays())
    assert again.candidates(asker((2, 1)), 9).items.tolist() == [2], "serving needs no encoder"


def test_a_text_has_the_same_vector_among_others(model):
    alone = catalog(["drinks"], titles=["green tea"])
    assert (sentence_vectors(alone, model, 64)[0] == sentence_vectors(SHOP, model, 64)[0]).all()


@pytest.mark.parametrize(("folder", "found"), [("", "none"), ("/nowhere", "`/nowhere`, which lacks one")])
def test_a_folder_without_a_model_is_named(folder, found):
    config = ContentConfig(embedding="sentence", model=folder)
    with pytest.raises(SettingsError, match=f"`model`: a folder with model.onnx .* found {found}"):
        Content.fit(history((0, 0, 1)), SHOP, NOW, config)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    config = ContentConfig(embedding="sentence", model="/anywhere")
    with pytest.raises(SettingsError, match=r"pip install vitrine\[sentence\]"):
        Content.fit(history((0, 0, 1)), SHOP, NOW, config)
