"""Several pipeline jobs submitted at one moment, run by `test_vertex_client.py` in processes that are led to the local Google Cloud."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from google.cloud import aiplatform


def main(process: str, bucket: str, specification: str, moment: float, jobs: int) -> None:
    aiplatform.init(project="acme-test", location="europe-west4", staging_bucket=f"gs://{bucket}")

    def submit(number: int) -> str:
        name, belongs_to = f"at-once-{process}-{number}", f"experiment-{process}-{number}"
        job = aiplatform.PipelineJob(
            display_name=name, template_path=specification, job_id=name, pipeline_root=f"gs://{bucket}/root", enable_caching=False
        )
        time.sleep(max(0.0, moment - time.time()))
        job.submit(experiment=belongs_to)
        job.wait()
        experiment = job.get_associated_experiment()
        assert experiment is not None
        assert experiment.name == belongs_to
        return str(job.state.name)

    with ThreadPoolExecutor(jobs) as threads:
        states = set(threads.map(submit, range(jobs)))
    print("all done", *states)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
