"""Executes compiled KFP pipeline specifications, as Vertex AI Pipelines does; kfp itself is imported in the steps alone.

`run` schedules one pipeline: conditions, loops, nested pipelines, exit handlers, failure and cancellation. `step` executes
one container: its inputs, its process, its retries, its outputs. `containers` turns a container specification into a
command, `artifacts` is where a step's files lie in Cloud Storage, `cache` remembers what steps gave,
`placeholders` and `values` are the small languages of the specification, `tasks` is the record of a task.
`runs` holds the runs of one emulator. What a PipelineJob or an execution looks like as a resource is
`emulator.behaviours.pipelines`.
Start reading: `tasks.py`, then `run.py`.
"""

from emulator.engines.pipelines.runs import Pipelines

__all__ = ["Pipelines"]
