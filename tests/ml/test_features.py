"""Features of rows: the vectors of the trained model, a text's sentiment, and statements that hold no data."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ml.data.ingest import ingest
from ml.data.rows import DataError, read
from ml.data.splits import split
from ml.export.embedding import EMBEDDING, digest, embeddings
from ml.export.formats import ExportError
from ml.features.build import FILE, build
from ml.features.history import as_of
from ml.features.sentiment import sentiments
from ml.tasks import module
from tests.ml import drawn


def exported(source: Path, task: str, out: Path) -> Path:
    """The folder of a model that was hardly trained, its rows beside it."""
    steps = module(task)
    ingest(str(source), steps.KIND, out / "data", out)
    split(out / "data/rows.parquet", out / "rows")
    steps.preprocess(out / "rows/rows.parquet", None, out / "prepared")
    steps.train(out / "prepared", out / "model", epochs=1, report=lambda _: None)
    steps.export(out / "model/model.keras", out / "prepared", out / "model")
    return out


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("texts")
    return exported(drawn.table(out / "texts.csv", 20), "nlp", out)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pictures")
    return exported(drawn.folder(out / "pictures", 10), "vision", out)


def test_every_row_gets_its_features_and_a_text_its_sentiment(texts: Path, tmp_path: Path) -> None:
    described = build(texts / "rows/rows.parquet", texts / "model", tmp_path)
    rows, made = read(texts / "rows/rows.parquet").sort_by("id"), read(tmp_path / FILE)
    assert made["entity_id"].to_pylist() == rows["id"].to_pylist()
    assert made["label"].to_pylist() == rows["label"].to_pylist()
    assert set(made["embedding_model"].to_pylist()) == {digest(texts / "model")} == {described["embedding_model"]}
    assert all(-1 <= sentiment <= 1 for sentiment in made["sentiment"].to_pylist())
    assert json.loads((tmp_path / "features.json").read_text()) == described


def test_pictures_have_no_sentiment(pictures: Path, tmp_path: Path) -> None:
    described = build(pictures / "rows/rows.parquet", pictures / "model", tmp_path)
    assert described["features"] == ["embedding", "embedding_model", "label"]
    assert read(tmp_path / FILE).schema.field("embedding").type == pa.list_(pa.float32())
    assert {len(vector) for vector in read(tmp_path / FILE)["embedding"].to_pylist()} == {described["width"]}


@pytest.mark.parametrize("kind", ["texts", "pictures"])
def test_the_vectors_are_those_of_the_last_hidden_layer(kind: str, request: pytest.FixtureRequest) -> None:
    import keras

    from ml.export.preprocessing import Preprocessor

    folder = request.getfixturevalue(kind)
    contents = read(folder / "rows/rows.parquet")["content"].to_pylist()
    model = keras.models.load_model(folder / "model/model.keras", compile=False)
    hidden = keras.Model(model.input, model.get_layer(EMBEDDING).output)
    inputs = Preprocessor.load(folder / "model/preprocessing.json").batch(contents)
    np.testing.assert_allclose(embeddings(folder / "model", contents), hidden.predict(inputs, verbose=0), atol=1e-4)


def test_equal_rows_and_models_give_equal_bytes_and_another_model_another_digest(texts: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build(texts / "rows/rows.parquet", texts / "model", tmp_path / name)
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()
    for changed in ("embedding.tflite", "preprocessing.json"):
        other = tmp_path / changed
        other.mkdir()
        for name in ("embedding.tflite", "preprocessing.json"):
            (other / name).write_bytes((texts / "model" / name).read_bytes() + (b" " if name == changed else b""))
        assert digest(other) != digest(texts / "model")


def test_no_rows_give_no_vectors_of_the_right_width(texts: Path) -> None:
    assert embeddings(texts / "model", []).shape == (0, embeddings(texts / "model", ["good"]).shape[1])


def test_features_need_no_tensorflow(pictures: Path, tmp_path: Path) -> None:
    rows, model = pictures / "rows/rows.parquet", pictures / "model"
    code = f"import sys\nfrom pathlib import Path\nfrom ml.features.build import build\nbuild(Path({str(rows)!r}), Path({str(model)!r}), "
    code += f"Path({str(tmp_path)!r}))\nassert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_model_without_embeddings_is_refused_with_what_mends_it(texts: Path, tmp_path: Path) -> None:
    (tmp_path / "preprocessing.json").write_text((texts / "model/preprocessing.json").read_text())
    with pytest.raises(DataError, match="Export it again"):
        build(texts / "rows/rows.parquet", tmp_path, tmp_path / "features")
    assert not (tmp_path / "features").exists()


def test_a_network_that_names_no_layer_as_its_embedding_is_not_exported(texts: Path, tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "model.keras")
    with pytest.raises(ExportError, match="name='embedding'"):
        module("nlp").export(tmp_path / "model.keras", texts / "prepared", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_praise_is_positive_blame_is_negative_and_a_negation_turns_it() -> None:
    praise, blame, neither, turned = sentiments(["A wonderful, moving film!", "A dull, awful mess.", "The film has two acts.", "Not good."])
    assert praise > 0.5 > 0 == neither
    assert blame < -0.5
    assert turned < 0


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(DataError, match="no time zone"):
        as_of(None, "a.b.c", [("row", datetime(2026, 1, 1))])
