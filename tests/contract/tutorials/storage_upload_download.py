"""Upload a file, list the bucket, download it again. https://cloud.google.com/storage/docs/samples/storage-upload-file"""

import sys
import tempfile
from pathlib import Path

from google.cloud import storage

client = storage.Client()
bucket = client.create_bucket(f"{client.project}-{sys.argv[1]}-quickstart", location="EU")
with tempfile.TemporaryDirectory() as folder:
    source, target = Path(folder, "hello.txt"), Path(folder, "copy.txt")
    source.write_text("Hello, bucket!")
    bucket.blob("hello.txt").upload_from_filename(str(source))
    print([blob.name for blob in client.list_blobs(bucket)])
    bucket.blob("hello.txt").download_to_filename(str(target))
    print(target.read_text())
bucket.delete(force=True)
