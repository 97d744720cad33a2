"""A release is what was published, byte for byte, or it is refused and the one in use stays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from feature_store.errors import FeatureSetMismatchError
from feature_store.registry import feature_set_id
from pipeline.errors import RecallMismatchError, ReleaseError
from pipeline.recommender.ranker.onnx import OnnxRanker
from pipeline.recommender.recall import SOURCES, recall_code
from pipeline.recommender.recall.source import Candidates
from pipeline.recommender.recommend import Request, recommend
from pipeline.recommender.release import (
    FORMAT,
    MANIFEST,
    Release,
    current,
    load_recall,
    load_release,
    names,
    point_to,
    read_manifest,
    release_name,
    save_arrays,
    verify,
)
from tests.pipeline.recommender.ranker.graphs import first_column
from tests.pipeline.recommender.releases import defaults, publish, record, release, scene
from tests.pipeline.recommender.shop import NOW, catalog, history

CATALOG = catalog(["milk", "milk", "bread", "soap"])
PAST = history((0, 1, 3), (0, 2, 3), (1, 2, 2), (2, 3, 1), users=3)


@pytest.fixture(scope="module")
def small() -> Release:
    """Four items, every recall source, ranked by how often the user bought the item."""
    recall = {name: source.fit(PAST, CATALOG, NOW) for name, source in SOURCES.items()}
    written = release(defaults(CATALOG), recall, {"home": scene(dict.fromkeys(SOURCES, 9))})
    popular = Candidates(np.array([2, 1], np.int32), np.array([2, 1], np.float32))
    return Release(written.manifest, written.item_side, recall, written.ranker, popular)


@pytest.fixture
def folder(small, tmp_path):
    return publish(tmp_path, small, first_column(1))


def other(folder, small, **content):
    """A second release beside the first, whose manifest says something else."""
    manifest = small.manifest.model_copy(update=content)
    written = Release(manifest, small.item_side, small.recall, small.ranker, small.popular)
    return publish(folder.parent, written, first_column(1))


def test_a_release_of_a_newer_format_is_refused_and_one_that_names_none_is_of_the_first(folder, small):
    assert read_manifest(folder).format == 1
    with pytest.raises(ReleaseError, match=f"format {FORMAT + 1}.*Deploy the code that made it"):
        verify(other(folder, small, format=FORMAT + 1))


def flip(path, at: int, bit: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= bit
    path.write_bytes(content)


class TestLoading:
    def test_what_was_published_is_loaded(self, small, folder) -> None:
        loaded = load_release(folder)
        assert loaded.name == folder.name
        assert loaded.scenes == small.scenes
        assert loaded.item_side.catalog.ids.tolist() == CATALOG.ids.tolist()
        assert loaded.item_side.items.tobytes() == small.item_side.items.tobytes()
        assert loaded.item_side.categories.tobytes() == small.item_side.categories.tobytes()
        assert loaded.popular.items.tolist() == [2, 1]
        assert isinstance(loaded.ranker, OnnxRanker)
        assert list(loaded.recall) == sorted(SOURCES)

    def test_it_answers_as_the_release_in_memory_did(self, small, folder) -> None:
        anna, ask = record(CATALOG, (1, 3), (3, 2), (3, 1)), Request("anna", NOW)
        assert recommend(ask, load_release(folder), anna) == recommend(ask, small, anna)
        assert recommend(ask, load_release(folder), None) == recommend(ask, small, None)

    def test_arrays_are_mapped_and_cannot_be_written_into(self, folder) -> None:
        side = load_release(folder).item_side
        assert isinstance(side.items, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            side.items[0, 0] = 1

    def test_no_file_is_a_pickle(self, folder) -> None:
        arrays = list(folder.rglob("*.npy"))
        assert arrays
        for path in arrays:
            np.load(path, allow_pickle=False)
        assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".npy", ".json", ".onnx"}

    def test_an_array_of_objects_is_neither_written_nor_read(self, tmp_path) -> None:
        objects = np.array([{"a": 1}], dtype=object)
        with pytest.raises(ValueError, match="allow_pickle=False"):
            save_arrays(tmp_path / "personal", {"offsets": objects})
        np.save(tmp_path / "personal" / "offsets.npy", objects, allow_pickle=True)
        with pytest.raises(ValueError, match="Python objects"):
            load_recall(tmp_path)


class TestVerifying:
    def test_a_flipped_byte_in_any_file_is_named(self, folder) -> None:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
        assert len(files) > 20
        for path in files:
            for at in {0, path.stat().st_size // 2, path.stat().st_size - 1}:
                flip(path, at)
                with pytest.raises(ReleaseError, match=str(path)):
                    verify(folder)
                flip(path, at)
        verify(folder)

    def test_a_flipped_byte_anywhere_in_the_manifest_is_noticed(self, folder) -> None:
        path = folder / MANIFEST
        good = path.read_bytes()
        for at in range(0, len(good), 7):
            flip(path, at)
            with pytest.raises((ReleaseError, FeatureSetMismatchError), match=folder.name):
                load_release(folder)
            path.write_bytes(good)
        verify(folder)

    @pytest.mark.parametrize("change", [{"metrics": {"ndcg@20": 0.9}}, {"as_of": 1}, {"features": []}, {"files": {}}])
    def test_a_manifest_that_says_something_else_is_refused(self, folder, change) -> None:
        content = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps(content | change))
        with pytest.raises(ReleaseError, match=r"manifest\.json: expected the manifest of"):
            verify(folder)

    def test_a_missing_file_is_named(self, folder) -> None:
        (folder / "items" / "matrix.npy").unlink()
        with pytest.raises(ReleaseError, match=r"items/matrix.npy: .* found no file"):
            load_release(folder)

    @pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"release": 1}'])
    def test_without_a_manifest_it_is_no_release(self, folder, text) -> None:
        (folder / MANIFEST).unlink()
        if text is not None:
            (folder / MANIFEST).write_text(text)
        with pytest.raises(ReleaseError, match="a release with a manifest"):
            verify(folder)

    def test_another_feature_set_is_refused(self, folder, small) -> None:
        with pytest.raises(FeatureSetMismatchError, match=f"expected feature set {feature_set_id()}, found .* 0000"):
            load_release(other(folder, small, feature_set="00000000"))

    def test_scores_that_other_code_made_are_refused(self, folder, small) -> None:
        with pytest.raises(RecallMismatchError, match=f"expected recall code {recall_code()}, found .* 0000"):
            load_release(other(folder, small, recall_code="00000000"))

    def test_a_source_that_this_code_does_not_know_is_named(self, tmp_path) -> None:
        save_arrays(tmp_path / "astrology", {"stars": np.ones(3)})
        with pytest.raises(ReleaseError, match="astrology"):
            load_recall(tmp_path)

    def test_an_index_that_lacks_an_array_is_named(self, tmp_path) -> None:
        save_arrays(tmp_path / "popular", {"items": np.ones(3, np.int32)})
        with pytest.raises(ReleaseError, match=r"popular: .*scores"):
            load_recall(tmp_path)


class TestNames:
    def test_a_name_is_the_day_and_a_digest_of_the_content(self) -> None:
        content = {"day": "2017-11-05", "metrics": {"a": 1.0}}
        assert release_name(content).startswith("20171105-")
        assert release_name(dict(reversed(content.items()))) == release_name(content)
        assert release_name(content | {"metrics": {"a": 2.0}}) != release_name(content)

    def test_the_same_content_has_the_same_name(self, folder, small, tmp_path) -> None:
        (tmp_path / "again").mkdir()
        assert publish(tmp_path / "again", small, first_column(1)).name == folder.name

    def test_every_complete_release_is_listed_oldest_day_first(self, folder, small) -> None:
        later = other(folder, small, day="2017-11-06")
        earlier = other(folder, small, day="2017-10-31")
        (folder.parent / ".staging-2017-11-07").mkdir()
        (folder.parent / ".staging-2017-11-07" / MANIFEST).write_text("{}")
        (folder.parent / "20171108-no-manifest").mkdir()
        assert names(folder.parent) == [earlier.name, folder.name, later.name]

    def test_where_nothing_was_published_there_is_nothing(self, tmp_path) -> None:
        assert names(tmp_path / "releases") == []
        assert current(tmp_path / "releases") is None


class TestThePointer:
    def test_it_moves_to_the_release_and_back(self, folder, small) -> None:
        later = other(folder, small, day="2017-11-06")
        for chosen in (folder.name, later.name, folder.name):
            point_to(folder.parent, chosen)
            assert current(folder.parent) == chosen

    def test_it_stays_where_the_new_release_is_damaged_missing_or_of_other_code(self, folder, small) -> None:
        point_to(folder.parent, folder.name)
        before = (folder.parent / "current").read_bytes()
        damaged = other(folder, small, day="2017-11-06")
        flip(damaged / "ranker" / "model.onnx", 9)
        for name in (damaged.name, "20171107-00000000", other(folder, small, feature_set="00000000").name):
            with pytest.raises((ReleaseError, FeatureSetMismatchError)):
                point_to(folder.parent, name)
            assert (folder.parent / "current").read_bytes() == before

    def test_only_the_pointer_changes(self, folder) -> None:
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        point_to(folder.parent, folder.name)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        beside = sorted(path.name for path in folder.parent.iterdir() if not path.name.startswith("."))
        assert beside == sorted([folder.name, "current"])


def test_the_manifest_names_every_file(folder) -> None:
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(read_manifest(folder).files) == files - {MANIFEST}
