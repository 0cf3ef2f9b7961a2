"""Keep a secret and read it. https://cloud.google.com/secret-manager/docs/create-secret-quickstart"""

import base64
import os
import sys

from googleapiclient.discovery import build

secrets = build("secretmanager", "v1").projects().secrets()
parent = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}"
secret = secrets.create(parent=parent, secretId=f"{sys.argv[1]}-secret", body={"replication": {"automatic": {}}}).execute()
payload = {"data": base64.b64encode(b"s3cr3t").decode()}
secrets.addVersion(parent=secret["name"], body={"payload": payload}).execute()
version = secrets.versions().access(name=f"{secret['name']}/versions/latest").execute()
print(base64.b64decode(version["payload"]["data"]).decode())
secrets.delete(name=secret["name"]).execute()
