"""Run a container as a custom job. https://cloud.google.com/vertex-ai/docs/training/create-custom-job"""

import os
import sys

from google.cloud import aiplatform, storage

prefix, image = sys.argv[1:]
project = os.environ["GOOGLE_CLOUD_PROJECT"]
bucket = storage.Client().create_bucket(f"{project}-{prefix}-job", location="europe-west4")
aiplatform.init(project=project, location="europe-west4", staging_bucket=f"gs://{bucket.name}")
job = aiplatform.CustomJob(
    display_name=f"{prefix}-job",
    worker_pool_specs=[
        {
            "machine_spec": {"machine_type": "n1-standard-4"},
            "replica_count": 1,
            "container_spec": {"image_uri": image, "command": ["python", "-c", "print('training')"]},
        }
    ],
)
job.run()
print("It has ended:", job.state.name)
job.delete()
bucket.delete(force=True)
