"""Tokens: the OAuth endpoints that clients sign in at, and the ones that a service account's identity is borrowed through."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from emulator import identity
from emulator.behaviours import Call, Json, on, route

if TYPE_CHECKING:
    from emulator.cloud import Cloud


async def token(call: Call, cloud: Cloud) -> Json:
    """An access token for whoever signed the assertion, and an identity token for the audience that its claims name."""
    form = parse_qs(call.raw.decode(errors="replace"))
    assertion = form.get("assertion", [""])[0]
    e_mail = identity.issuer(assertion) or identity.E_MAIL
    audience = str(identity.claims(assertion).get("target_audience", "local"))
    return {
        "access_token": identity.access_token(e_mail),
        "id_token": identity.identity_token(e_mail, audience, int(time.time())),
        "expires_in": identity.LIFETIME_SECONDS,
        "token_type": "Bearer",
    }


route(r"oauth2\.googleapis\.com", "POST", "/token")(token)
route(r"www\.googleapis\.com", "POST", "/oauth2/v4/token")(token)


@route(r"(?:www|openidconnect|oauth2)\.googleapis\.com", "GET", r"/(?:oauth2/v[123]|v1|oauth2/v3)/(?:userinfo|tokeninfo)")
async def user(call: Call, cloud: Cloud) -> Json:
    """Who the caller is; Terraform's provider asks at each start."""
    e_mail = call.identity or identity.E_MAIL
    return {"sub": e_mail, "email": e_mail, "email_verified": True}


@on("iamcredentials", "projects.serviceAccounts.generateAccessToken")
async def access_token(call: Call, cloud: Cloud) -> Json:
    """A token of the service account in the call's path."""
    expires = datetime.now(UTC) + timedelta(seconds=identity.LIFETIME_SECONDS)
    return {"accessToken": identity.access_token(_account(call)), "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}


@on("iamcredentials", "projects.serviceAccounts.generateIdToken")
async def identity_token(call: Call, cloud: Cloud) -> Json:
    """An identity token of the service account in the call's path."""
    return {"token": identity.identity_token(_account(call), call.body.get("audience", ""), int(time.time()))}


def _account(call: Call) -> str:
    return call.name.rpartition("/")[2]
