"""Synchronise a table into an online store, and read it. https://cloud.google.com/vertex-ai/docs/featurestore/latest/serve-feature-values"""

import os
import sys

from google.cloud import aiplatform, bigquery
from vertexai.resources.preview import feature_store
from vertexai.resources.preview.feature_store import utils

prefix, project = sys.argv[1], os.environ["GOOGLE_CLOUD_PROJECT"]
warehouse = bigquery.Client(location="europe-west4")
dataset = warehouse.create_dataset(f"{prefix}_features")
table = f"{project}.{dataset.dataset_id}.customers"
warehouse.query(f"CREATE TABLE `{table}` AS SELECT '42' AS id, 'gold' AS tier, TIMESTAMP '2026-01-01' AS feature_timestamp").result()
aiplatform.init(project=project, location="europe-west4")
store = feature_store.FeatureOnlineStore.create_bigtable_store(f"{prefix}_store")
view = store.create_feature_view("customers", utils.FeatureViewBigQuerySource(f"bq://{table}", ["id"]))
view.sync()
print({feature["name"]: feature["value"] for feature in view.read(["42"]).to_dict()["features"]}["tier"])
store.delete(force=True)
warehouse.delete_dataset(dataset, delete_contents=True)
