"""Google's own services in a project: which APIs are enabled, and the agents under which they work.

Terraform declares the APIs too, and finds them enabled. They come first all the same, since nothing else can be made without them; and
the agents are ours, since the provider has no resource for them.
"""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from environments import Names
from environments.names import Agent
from infra import services
from infra.terraform.rest import Google, Refused
from infra.terraform.step import Step

SERVICES = "https://serviceusage.googleapis.com"
STORAGE = "https://storage.googleapis.com/storage/v1"
BIGQUERY = "https://bigquery.googleapis.com/bigquery/v2"
ASKED_AT_ONCE, ENABLED_AT_ONCE = 30, 20
"""How many services Google takes in one request."""
WITH_THE_API: tuple[Agent, ...] = ("compute",)
"""Agents that come into being when their API is enabled; the others when they are asked for."""


def steps(names: Names, google: Google) -> list[Step]:
    """The APIs of everything that is switched on."""
    parent = f"projects/{names.project}"
    wanted = [f"{api}.googleapis.com" for api in services.apis(names.environment)]

    def disabled() -> list[str]:
        states: dict[str, str] = {}
        for first in range(0, len(wanted), ASKED_AT_ONCE):
            query = urlencode([("names", f"{parent}/services/{api}") for api in wanted[first : first + ASKED_AT_ONCE]])
            try:
                page = google.call("GET", f"{SERVICES}/v1/{parent}/services:batchGet?{query}")
            except Refused as error:
                if error.status not in (403, 404):
                    raise
                return wanted
            states |= {service["name"].rpartition("/")[2]: service.get("state", "") for service in page.get("services", [])}
        return [api for api in wanted if states.get(api) != "ENABLED"]

    def lacking() -> str:
        missing = disabled()
        return f"to be enabled: {', '.join(api.removesuffix('.googleapis.com') for api in missing)}" if missing else ""

    def make() -> None:
        missing = disabled()
        for first in range(0, len(missing), ENABLED_AT_ONCE):
            body = {"serviceIds": missing[first : first + ENABLED_AT_ONCE]}
            google.finished(f"{SERVICES}/v1", google.call("POST", f"{SERVICES}/v1/{parent}/services:batchEnable", None, body))

    return [Step("APIs", lacking, make)]


def ask_for_agents(names: Names, google: Google) -> None:
    """Have every service agent made that a grant names. Google answers with the same one ever after, so nobody looks first.

    Raises:
        Refused: when Google refuses.
    """

    def ask(agent: Agent) -> None:
        match agent:
            case "storage":
                google.call("GET", f"{STORAGE}/projects/{names.project}/serviceAccount")
            case "bigquery":
                google.call("GET", f"{BIGQUERY}/projects/{names.project}/serviceAccount")
            case _:
                service = f"projects/{names.project}/services/{agent}.googleapis.com"
                google.finished(f"{SERVICES}/v1", google.call("POST", f"{SERVICES}/v1beta1/{service}:generateServiceIdentity"))

    asked = [agent for agent in services.agents(names.environment) if agent not in WITH_THE_API]
    with ThreadPoolExecutor(len(asked)) as pool:
        list(pool.map(ask, asked))
