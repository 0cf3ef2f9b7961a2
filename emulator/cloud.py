"""The local Google Cloud as its behaviours see it: state, rule, operations, and the engines, each made when it is first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.access import Access
from emulator.engines.objects import Objects
from emulator.identity import key_of
from emulator.images import Images
from emulator.operations import Operations
from emulator.processes.supervisor import Supervisor
from emulator.projects import Projects, project_number
from emulator.resources import Resources
from emulator.store import Store

if TYPE_CHECKING:
    from emulator.engines.alerts import Alerts
    from emulator.engines.background import Background
    from emulator.engines.batch_prediction import BatchPredictions
    from emulator.engines.bigquery.engine import BigQuery
    from emulator.engines.clockwork import Clockwork
    from emulator.engines.containers import Containers
    from emulator.engines.features.engine import Features
    from emulator.engines.gemini.engine import Gemini
    from emulator.engines.gemini.tuning import Tunings
    from emulator.engines.jobs import Jobs
    from emulator.engines.messages import Messages
    from emulator.engines.metrics import Metrics
    from emulator.engines.pipelines import Pipelines
    from emulator.engines.push import Pushes
    from emulator.engines.requests import RequestLog
    from emulator.engines.serving import Servers
    from emulator.engines.traffic import Traffic
    from emulator.engines.tuning.engine import Tuning

KEY = "GOOGLE_APPLICATION_CREDENTIALS"


class Cloud:
    """Everything that a behaviour may need.

    Args:
        state: Folder that holds all state.
        environment: Variables that lead a process to this cloud; supervised processes are given them.
        images: Which image is which entry point.
        enforced: Whether a call without its permission is refused.
    """

    def __init__(self, state: Path, environment: dict[str, str], images: Images, enforced: bool = False) -> None:
        self.state = state
        self.environment = environment
        self.images = images
        self.store = Store(state / "state.db")
        self.projects = Projects(self.store)
        self.access = Access(self.store, self.projects, enforced)
        self.objects = Objects(state / "objects", self.store)
        self.resources = Resources(self)
        self.operations = Operations(self.store)
        self._stopped = asyncio.Event()
        self._fault = ""
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self.supervisor = Supervisor([image.preload for image in images.by_name.values()], environment)
        self.at_end(self.supervisor.close)

    @cached_property
    def pipelines(self) -> Pipelines:
        """The pipeline engine."""
        from emulator.engines.pipelines import Pipelines

        return Pipelines(self)

    @cached_property
    def servers(self) -> Servers:
        """Deployed models."""
        from emulator.engines.serving import Servers

        return Servers(self)

    @cached_property
    def background(self) -> Background:
        """What goes on behind jobs of every kind."""
        from emulator.engines.background import Background

        return Background(self)

    @cached_property
    def jobs(self) -> Jobs:
        """Custom jobs."""
        from emulator.engines.jobs import Jobs

        return Jobs(self)

    @cached_property
    def batch_predictions(self) -> BatchPredictions:
        """Batch prediction jobs."""
        from emulator.engines.batch_prediction import BatchPredictions

        return BatchPredictions(self)

    @cached_property
    def tuning(self) -> Tuning:
        """Hyperparameter tuning jobs."""
        from emulator.engines.tuning.engine import Tuning

        return Tuning(self)

    @cached_property
    def bigquery(self) -> BigQuery:
        """Tables and their rows."""
        from emulator.engines.bigquery.engine import BigQuery

        return BigQuery(self)

    @cached_property
    def containers(self) -> Containers:
        """Container images."""
        from emulator.engines.containers import Containers

        return Containers(self.state / "containers", self.store)

    @cached_property
    def requests(self) -> RequestLog:
        """The logs of predictions on their way to BigQuery."""
        from emulator.engines.requests import RequestLog

        return RequestLog(self)

    @cached_property
    def metrics(self) -> Metrics:
        """Time series."""
        from emulator.engines.metrics import Metrics

        return Metrics(self.store)

    @cached_property
    def traffic(self) -> Traffic:
        """What the deployed models answer, counted."""
        from emulator.engines.traffic import Traffic

        return Traffic(self)

    @cached_property
    def alerts(self) -> Alerts:
        """Alert policies at work: incidents and notifications."""
        from emulator.engines.alerts import Alerts

        return Alerts(self)

    @cached_property
    def features(self) -> Features:
        """The online tables of feature views."""
        from emulator.engines.features.engine import Features

        return Features(self)

    @cached_property
    def messages(self) -> Messages:
        """What is published and not yet acknowledged."""
        from emulator.engines.messages import Messages

        return Messages(self)

    @cached_property
    def pushes(self) -> Pushes:
        """The deliveries of push subscriptions."""
        from emulator.engines.push import Pushes

        return Pushes(self)

    @cached_property
    def clockwork(self) -> Clockwork:
        """What happens by the clock."""
        from emulator.engines.clockwork import Clockwork

        return Clockwork(self)

    @cached_property
    def gemini(self) -> Gemini:
        """The small on-device models that answer for Gemini."""
        from emulator.engines.gemini.engine import Gemini

        return Gemini()

    @cached_property
    def tunings(self) -> Tunings:
        """Tuning jobs, and what they have learnt."""
        from emulator.engines.gemini.tuning import Tunings

        return Tunings(self)

    def environment_of(self, account: str, project: str) -> dict[str, str]:
        """Variables of a process that runs as the service account `account`, or as Compute Engine's default one where none is named."""
        if KEY not in self.environment:
            return self.environment
        return {**self.environment, KEY: str(key_of(self.account_of(account, project), self.state / "key.json"))}

    def account_of(self, account: str, project: str) -> str:
        """E-mail of the service account that a process runs as: of the one that is named, or of Compute Engine's default one."""
        return account.rpartition("/")[2] or f"{project_number(project)}-compute@developer.gserviceaccount.com"

    def log(self, resource: str, line: str) -> None:
        """Appends a line to the log of a resource."""
        self.store.log(resource, line)

    def stop(self, fault: str = "") -> None:
        """Ends the emulator, cleanly or because of `fault`, which is told to the person who started it."""
        self._fault = self._fault or fault
        self._stopped.set()

    async def stopped(self) -> str:
        """Waits for `stop` and returns its fault."""
        await self._stopped.wait()
        return self._fault

    def at_end(self, end: Callable[[], Awaitable[None]]) -> None:
        """`end` runs when the emulator ends, last registered first."""
        self._ends.append(end)

    async def close(self) -> None:
        """Ends what runs, then closes the state."""
        for end in reversed(self._ends):
            await end()
        await self.operations.close()
        self.store.close()
