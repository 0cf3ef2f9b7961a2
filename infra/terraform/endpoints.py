"""Before endpoints are destroyed: their deployments belong to Python, so Python takes them away."""

from collections.abc import Callable, Iterable

from environments.clients import Clients


def undeploy(clients: Clients, endpoints: Iterable[str], say: Callable[[str], None]) -> None:
    """Undeploy every model of the endpoints that exist.

    Args:
        clients: client factory of the environment.
        endpoints: full resource names.
        say: where progress goes.
    """
    from google.api_core import exceptions

    vertex = clients.vertex()
    for name in endpoints:
        try:
            endpoint = vertex.Endpoint(name)
            deployed = endpoint.list_models()
        except exceptions.NotFound:
            continue
        if deployed:
            say(f"undeploying {len(deployed)} models of {name}")
            endpoint.undeploy_all()
