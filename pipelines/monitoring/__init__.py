"""Whether live traffic still looks like what the champion was measured on.

`start` submits the monitor's pipeline for a window of time (`python -m pipelines.monitoring --env dev --task vision --hours 24`),
`requests` for each message of the schedule (`python -m pipelines.monitoring --env dev --listen`);
`traffic` reads the requests and answers of the champion, `record` keeps its answers and the verdict in BigQuery, `alert` tells people
(Cloud Monitoring), other systems and the retraining (Pub/Sub).
Does not live here: the detectors (`ml.drift`), the alert policy and the topics (`infra.stacks.monitoring`), and what follows from an
event (`pipelines.retraining`).
Start reading: `pipelines/definitions/monitoring.py`.
"""
