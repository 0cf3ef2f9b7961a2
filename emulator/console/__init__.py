"""The console: pages, rendered on the server, that show what the local Google Cloud holds, and three actions.

It shows Google's resources as they are (pages for the team's own work live elsewhere). It needs neither scripts nor anything from
another host, and no page reads more than it shows. What changes something (cancel, reset, send) is a request like that of any client.

* `frame` – the page around every view, and which path is which view. Start here.
* `overview`, `resources`, `calls`, `logs`, `inbox` – the cloud as a whole; `access`, `keys` – who may what.
* `runs` with `graph`, `jobs`, `models`, `lineage`, `endpoints`, `datasets`, `experiments` with `curves`, `features` – Vertex AI.
* `storage` with `previews`, `bigquery`, `pubsub`, `schedules` – data.
* `cancel`, `reset`, `send` – the three actions; `forms` – how a form becomes a request, and which forms are refused.
* `parts` – what several views share; `markup` – elements, escaped; `style.css` – how they look, light and dark.
"""

from emulator.console.frame import answer

__all__ = ["answer"]
