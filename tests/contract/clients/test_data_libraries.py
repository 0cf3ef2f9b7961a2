"""Objects as files of other libraries: Arrow, pandas over Arrow, and TensorFlow's file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls


@calls("storage.objects.insert", "storage.objects.get", "storage.objects.list")
def test_arrow_writes_lists_and_reads_a_dataset(place: Place) -> None:
    """https://arrow.apache.org/docs/python/filesystems.html#google-cloud-storage-file-system"""
    import pyarrow as pa
    from pyarrow import dataset, fs, parquet

    files, folder = fs.FileSystem.from_uri(place.uri("arrow/rows"))
    for part in range(2):
        parquet.write_table(pa.table({"id": [part, part + 10], "kind": ["a", "b"]}), f"{folder}/{part}.parquet", filesystem=files)
    found = files.get_file_info(fs.FileSelector(folder))
    assert [one.base_name for one in found] == ["0.parquet", "1.parquet"]
    table = dataset.dataset(folder, filesystem=files).to_table(filter=dataset.field("kind") == "b")
    assert sorted(table["id"].to_pylist()) == [10, 11]
    files.delete_file(f"{folder}/0.parquet")
    assert files.get_file_info(f"{folder}/0.parquet").type == fs.FileType.NotFound


@calls("storage.objects.insert", "storage.objects.get")
def test_pandas_reads_and_writes_by_arrows_file_system(place: Place) -> None:
    """https://pandas.pydata.org/docs/reference/api/pandas.read_parquet.html"""
    import pandas as pd
    from pyarrow import fs

    files, path = fs.FileSystem.from_uri(place.uri("pandas/rows.parquet"))
    frame = pd.DataFrame({"id": [1, 2], "kind": ["a", None]})
    frame.to_parquet(path, filesystem=files)
    pd.testing.assert_frame_equal(pd.read_parquet(path, filesystem=files), frame)
    with files.open_output_stream(f"{path}.csv") as file:
        frame.to_csv(file, index=False)
    with files.open_input_stream(f"{path}.csv") as file:
        assert list(pd.read_csv(file)["id"]) == [1, 2]


@calls("storage.objects.insert", "storage.objects.get", "storage.objects.list", "storage.objects.delete")
def test_tensorflow_reads_and_writes_objects_as_files(place: Place) -> None:
    """https://www.tensorflow.org/api_docs/python/tf/io/gfile"""
    import tensorflow as tf

    base = place.uri("tensorflow")
    with tf.io.gfile.GFile(f"{base}/lines.txt", "w") as file:
        file.write("".join(f"line {number}\n" for number in range(1000)))
    assert tf.io.gfile.exists(f"{base}/lines.txt")
    assert tf.io.gfile.stat(f"{base}/lines.txt").length == sum(len(f"line {number}\n") for number in range(1000))
    assert [line.numpy() for line in tf.data.TextLineDataset(f"{base}/lines.txt").skip(998)] == [b"line 998", b"line 999"]
    tf.io.gfile.copy(f"{base}/lines.txt", f"{base}/copy.txt")
    assert sorted(tf.io.gfile.glob(f"{base}/*.txt")) == [f"{base}/copy.txt", f"{base}/lines.txt"]
    tf.io.gfile.rename(f"{base}/copy.txt", f"{base}/renamed.txt")
    assert sorted(tf.io.gfile.listdir(base)) == ["lines.txt", "renamed.txt"]
    tf.io.gfile.remove(f"{base}/renamed.txt")
    assert not tf.io.gfile.exists(f"{base}/renamed.txt")


@calls("storage.objects.insert", "storage.objects.get")
def test_records_and_weights_of_tensorflow_live_in_a_bucket(place: Place) -> None:
    """https://www.tensorflow.org/tutorials/load_data/tfrecord, https://www.tensorflow.org/guide/checkpoint"""
    import tensorflow as tf

    path = place.uri("tensorflow/rows.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for number in range(5):
            writer.write(str(number).encode())
    assert [record.numpy() for record in tf.data.TFRecordDataset(path)] == [b"0", b"1", b"2", b"3", b"4"]
    value = tf.Variable(2.5)
    saved = tf.train.Checkpoint(value=value).save(place.uri("tensorflow/checkpoint/one"))
    value.assign(0.0)
    tf.train.Checkpoint(value=value).restore(saved).assert_consumed()
    assert value.numpy() == 2.5
