"""Before endpoints are destroyed: their deployments belong to Python, so Python takes them away."""

from collections.abc import Callable, Iterable

from infra.terraform.rest import Google, Refused


def undeploy(google: Google, region: str, endpoints: Iterable[str], say: Callable[[str], None]) -> int:
    """Undeploy every model of the endpoints that exist; how many there were.

    Args:
        google: Google's REST APIs.
        region: of the endpoints.
        endpoints: full resource names.
        say: where progress goes.

    Raises:
        Refused: when Google refuses.
    """
    vertex, undeployed = f"https://{region}-aiplatform.googleapis.com/v1", 0
    for name in endpoints:
        try:
            endpoint = google.call("GET", f"{vertex}/{name}")
        except Refused as error:
            if error.status != 404:
                raise
            continue
        deployed = endpoint.get("deployedModels", [])
        if not deployed:
            continue
        say(f"undeploying {len(deployed)} {'model' if len(deployed) == 1 else 'models'} of {name}")
        # A model that still gets traffic is not undeployed while there is another one.
        google.call("PATCH", f"{vertex}/{name}", {"updateMask": "trafficSplit"}, {"trafficSplit": {}})
        for model in deployed:
            google.finished(vertex, google.call("POST", f"{vertex}/{name}:undeployModel", None, {"deployedModelId": model["id"]}))
            undeployed += 1
    return undeployed
