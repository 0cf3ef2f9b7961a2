"""Who calls: application default credentials, identity tokens and borrowed identities, by `google-auth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.clients.place import Place

calls = pytest.mark.calls
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


@calls("storage.buckets.get")
def test_default_credentials_call_an_api(place: Place) -> None:
    """https://cloud.google.com/docs/authentication/application-default-credentials"""
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, project = google.auth.default(scopes=SCOPES)
    assert project == place.project
    answer = AuthorizedSession(credentials).get(f"https://storage.googleapis.com/storage/v1/b/{place.bucket}", timeout=60)
    assert (answer.status_code, answer.json()["name"]) == (200, place.bucket)
    assert credentials.valid


@calls("cloudresourcemanager.projects.get")
def test_a_projects_number_is_found_over_grpc(place: Place) -> None:
    """https://cloud.google.com/resource-manager/reference/rest/v3/projects/get"""
    from google.cloud import resourcemanager_v3

    project = resourcemanager_v3.ProjectsClient().get_project(name=f"projects/{place.project}")
    assert (project.project_id, project.name.removeprefix("projects/").isdigit()) == (place.project, True)


@calls("oauth2.token")
def test_a_service_account_gets_an_identity_token(place: Place) -> None:
    """Its audience is what was asked for, and it is signed by Google's keys.

    https://cloud.google.com/docs/authentication/get-id-token
    """
    import google.auth
    from google.auth import jwt
    from google.auth.transport.requests import Request
    from google.oauth2 import id_token, service_account

    credentials, _ = google.auth.default(scopes=SCOPES)
    if not isinstance(credentials, service_account.Credentials):
        pytest.skip("only a service account's key makes an identity token without impersonation")
    token = id_token.fetch_id_token(Request(), "https://example.com/service")
    claims = jwt.decode(token, verify=False)
    assert (claims["aud"], claims["email"]) == ("https://example.com/service", credentials.service_account_email)


@calls(
    "iam.projects.serviceAccounts.create",
    "iamcredentials.projects.serviceAccounts.generateAccessToken",
    "iamcredentials.projects.serviceAccounts.generateIdToken",
    "iam.projects.serviceAccounts.delete",
)
def test_the_identity_of_a_service_account_is_borrowed(place: Place) -> None:
    """Who may create tokens for an account calls as it.

    https://cloud.google.com/docs/authentication/use-service-account-impersonation
    """
    import time

    import google.auth
    from google.auth import impersonated_credentials, jwt
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import AuthorizedSession, Request
    from googleapiclient import discovery

    accounts = discovery.build("iam", "v1").projects().serviceAccounts()
    account = accounts.create(
        name=f"projects/{place.project}", body={"accountId": place.name("sa")[:30], "serviceAccount": {"displayName": "borrowed"}}
    ).execute()
    try:
        source, _ = google.auth.default(scopes=SCOPES)
        me = getattr(source, "service_account_email", "") or getattr(source, "account", "")
        member = f"{'serviceAccount' if me.endswith('gserviceaccount.com') else 'user'}:{me}"
        binding = {"role": "roles/iam.serviceAccountTokenCreator", "members": [member]}
        accounts.setIamPolicy(resource=account["name"], body={"policy": {"bindings": [binding]}}).execute()
        borrowed = impersonated_credentials.Credentials(source, account["email"], SCOPES)
        for attempt in range(12):
            try:
                borrowed.refresh(Request())
                break
            except RefreshError:
                # A grant takes a minute or two to be known everywhere.
                time.sleep(10 if attempt < 11 else 0)
        answer = AuthorizedSession(borrowed).get("https://www.googleapis.com/oauth2/v3/userinfo", timeout=60)
        assert (borrowed.valid, answer.json().get("email", account["email"])) == (True, account["email"])
        token = impersonated_credentials.IDTokenCredentials(borrowed, target_audience="https://service.example.com", include_email=True)
        token.refresh(Request())
        claims = jwt.decode(token.token, verify=False)
        assert (claims["aud"], claims["email"]) == ("https://service.example.com", account["email"])
    finally:
        accounts.delete(name=account["name"]).execute()
