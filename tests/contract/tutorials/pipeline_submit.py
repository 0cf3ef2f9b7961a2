"""Compile a pipeline and run it. https://cloud.google.com/vertex-ai/docs/pipelines/run-pipeline"""

import os
import sys
import tempfile

from google.cloud import aiplatform, storage
from kfp import compiler, dsl

prefix, image = sys.argv[1:]
project = os.environ["GOOGLE_CLOUD_PROJECT"]
bucket = storage.Client().create_bucket(f"{project}-{prefix}-pipeline", location="europe-west4")


@dsl.component(base_image=image, install_kfp_package=False)
def say_hello(name: str) -> str:
    text = f"Hello, {name}!"
    print(text)
    return text


@dsl.pipeline(name=f"{prefix}-hello")
def hello(recipient: str) -> str:
    return say_hello(name=recipient).output


with tempfile.TemporaryDirectory() as folder:
    compiler.Compiler().compile(hello, f"{folder}/pipeline.yaml")
    aiplatform.init(project=project, location="europe-west4")
    job = aiplatform.PipelineJob(
        display_name="hello",
        template_path=f"{folder}/pipeline.yaml",
        pipeline_root=f"gs://{bucket.name}/root",
        parameter_values={"recipient": "World"},
    )
    job.submit()
    job.wait()
[task] = [task for task in job.task_details if task.task_name == "say-hello"]
print(task.execution.metadata["output:Output"])
job.delete()
bucket.delete(force=True)
