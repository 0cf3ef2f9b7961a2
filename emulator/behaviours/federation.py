"""Workload Identity Federation: a token of another issuer becomes an identity here, where the provider's condition lets it.

Who signed the token is not checked: the condition, the mapping and the grants are what a configuration gets wrong.
https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from emulator import identity
from emulator.behaviours import Call, Json, Response, route
from emulator.expressions import ExpressionError, holds, value
from emulator.validation import camel, parsed

if TYPE_CHECKING:
    from emulator.cloud import Cloud

AUDIENCE = re.compile(r"(?:https:)?//iam\.googleapis\.com/((projects/[^/]+/locations/global/workloadIdentityPools/[^/]+)/providers/[^/]+)")


@route(r"sts\.googleapis\.com", "POST", "/v1/token")
async def exchange(call: Call, cloud: Cloud) -> Json | Response:
    """A token for the principal that the provider's mapping makes of the claims."""
    form = "form" in call.headers.get("content-type", "")
    given = {camel(key): text for key, text in (dict(parse_qsl(call.raw.decode(errors="replace"))) if form else parsed(call.raw)).items()}
    audience = AUDIENCE.fullmatch(given.get("audience", ""))
    provider = cloud.store.of("iam").get(cloud.projects.by_id(audience[1])) if audience else None
    if audience is None or provider is None or provider.get("disabled") or provider.get("state") == "DELETED":
        return _refused("invalid_target", 'The target service indicated by the "audience" parameters is invalid.')
    claims = identity.claims(given.get("subjectToken", ""))
    expected = provider.get("oidc", {}).get("issuerUri", "")
    if claims.get("iss") != expected:
        return _refused("invalid_grant", f"The issuer in ID Token {claims.get('iss')} does not match the expected ones: {expected}")
    facts = {f"assertion.{name}": claim for name, claim in claims.items()}
    try:
        mapped = {name: value(expression, facts) for name, expression in provider.get("attributeMapping", {}).items()}
        condition = provider.get("attributeCondition", "")
        if condition and not holds(condition, facts | mapped):
            return _refused("unauthorized_client", "The given credential is rejected by the attribute condition.")
    except ExpressionError as error:
        return _refused("invalid_grant", f"A mapping or the condition cannot be decided for this token: {error}")
    principal = f"principal://iam.googleapis.com/{audience[2]}/subject/{mapped.get('google.subject', '')}"
    attributes = {name: str(mapped[name]) for name in mapped if name.startswith("attribute.")}
    cloud.store.of("principals").put(principal, "Principal", {"pool": audience[2], "attributes": attributes})
    return {
        "access_token": identity.access_token(principal),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": identity.LIFETIME_SECONDS,
    }


def _refused(error: str, description: str) -> Response:
    """An error as OAuth gives it."""
    return Response.of({"error": error, "error_description": description}, 401 if error == "unauthorized_client" else 400)
