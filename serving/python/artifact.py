"""Brings the served files of a model near: two small files, never the training checkpoint."""

from pathlib import Path

from serving.python.settings import ServingError

FILES = ("model.tflite", "preprocessing.json")


def fetch(storage_uri: str, folder: Path) -> Path:
    """The folder with the model's files: `storage_uri` itself, or `folder` after a download from Cloud Storage.

    Raises:
        ServingError: when a file is missing or may not be read.
    """
    if not storage_uri.startswith("gs://"):
        near = Path(storage_uri)
        missing = [name for name in FILES if not (near / name).is_file()]
        if missing:
            raise ServingError(_missing(missing, storage_uri))
        return near

    from google.api_core.exceptions import ClientError
    from google.cloud import storage

    bucket_name, _, prefix = storage_uri.removeprefix("gs://").partition("/")
    bucket = storage.Client().bucket(bucket_name)
    for name in FILES:
        try:
            bucket.blob(f"{prefix.rstrip('/')}/{name}".lstrip("/")).download_to_filename(folder / name)
        except ClientError as error:
            raise ServingError(f"{_missing([name], storage_uri)} Cloud Storage answered: {error.message}") from None
    return folder


def _missing(names: list[str], uri: str) -> str:
    return (
        f"{', '.join(names)} cannot be read from {uri}, so nothing can be served. "
        "Register a model whose artifact folder holds them, and let the serving account read its bucket."
    )
