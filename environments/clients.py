"""The one client factory: project and region are said here once, and so is how long to wait and how often to try again.

Gemini and plain REST take the policy below. Cloud Storage's library has the same timeout as its own default and repeats what may be
repeated for two minutes; a test holds it to that. Vertex AI's, like plain REST, takes a timeout with each call only: `TIMEOUT_SECONDS`.

Nothing here knows an address. Imports are inside the methods, since each library costs seconds that most callers never need.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from environments.loading import load, organisation
from environments.names import Names

if TYPE_CHECKING:
    from google import genai
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import bigquery, monitoring_v3, pubsub_v1, storage
    from google.cloud.aiplatform_v1 import FeatureOnlineStoreAdminServiceClient, FeatureOnlineStoreServiceClient

TIMEOUT_SECONDS = 60
"""For one attempt."""
ATTEMPTS = 5
BACKOFF_SECONDS = 0.5
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
USER = "https://openidconnect.googleapis.com/v1/userinfo"


@dataclass(frozen=True)
class Clients:
    """Clients of Google Cloud for one environment."""

    names: Names

    @classmethod
    def of(cls, environment: str) -> Clients:
        """Clients for the environment of that name."""
        return cls(Names(organisation(), load(environment)))

    @functools.cached_property
    def _storage(self) -> storage.Client:
        from google.cloud import storage

        return storage.Client(project=self.names.project)

    def storage(self) -> storage.Client:
        """Cloud Storage, with the library's own retries and timeouts; the same client at every call, since it keeps its connections."""
        return self._storage

    def bigquery(self) -> bigquery.Client:
        """BigQuery, with jobs where the data is."""
        from google.cloud import bigquery

        return bigquery.Client(project=self.names.project, location=self.names.environment.data_location)

    def session(self) -> AuthorizedSession:
        """REST for the APIs that no library here speaks; what only reads is tried again."""
        from google import auth
        from google.auth.transport.requests import AuthorizedSession
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        credentials, _ = auth.default(scopes=[SCOPE], quota_project_id=self.names.project)
        session = AuthorizedSession(credentials)
        patience = Retry(
            total=ATTEMPTS - 1, backoff_factor=BACKOFF_SECONDS, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False
        )
        session.mount("https://", HTTPAdapter(max_retries=patience))
        return session

    def principal(self) -> str:
        """E-mail of who is logged in, as Google knows them.

        Raises:
            RefreshError: when the login does not work, or says nobody.
        """
        from google.auth.exceptions import RefreshError
        from google.auth.transport.requests import Request

        session = self.session()
        credentials = session.credentials
        credentials.refresh(Request())
        account = getattr(credentials, "service_account_email", None)
        if account and account != "default":
            return str(account)
        answer = session.get(USER, timeout=TIMEOUT_SECONDS)
        e_mail = answer.json().get("email") if answer.ok else None
        if not e_mail:
            raise RefreshError(
                f"Google does not say whose login this is ({answer.status_code}), so that nothing can be done in anybody's name. "
                "Log in anew: gcloud auth application-default login"
            )
        return str(e_mail)

    def vertex(self) -> ModuleType:
        """`google.cloud.aiplatform`, initialised for this environment's project, region and staging bucket."""
        aiplatform = importlib.import_module("google.cloud.aiplatform")
        aiplatform.init(
            project=self.names.project,
            location=self.names.environment.region,
            staging_bucket=self.names.staging,
        )
        return aiplatform

    def feature_views(self) -> FeatureOnlineStoreAdminServiceClient:
        """Feature Store's online views, to synchronise them."""
        aiplatform = self.vertex()
        return aiplatform.initializer.global_config.create_client(aiplatform.utils.FeatureOnlineStoreAdminClientWithOverride)

    def online_features(self) -> FeatureOnlineStoreServiceClient:
        """Feature Store's online views, to read and search them: an optimised store answers at a host of its own.

        Raises:
            NotFound: when there is no online store.
        """
        aiplatform, host = self.vertex(), None
        if self.names.environment.features.online_store == "optimized":
            store = self.feature_views().get_feature_online_store(
                name=f"{self.names.location}/featureOnlineStores/{self.names.online_store}"
            )
            # It has none before its first synchronisation; until then every view is as good as missing at the common host.
            host = store.dedicated_serving_endpoint.public_endpoint_domain_name or None
        return aiplatform.initializer.global_config.create_client(
            aiplatform.utils.FeatureOnlineStoreClientWithOverride, api_path_override=host
        )

    def subscriber(self) -> pubsub_v1.SubscriberClient:
        """Pub/Sub, as a reader."""
        from google.cloud import pubsub_v1

        return pubsub_v1.SubscriberClient()

    def publisher(self) -> pubsub_v1.PublisherClient:
        """Pub/Sub, as a writer."""
        from google.cloud import pubsub_v1

        return pubsub_v1.PublisherClient()

    def metrics(self) -> monitoring_v3.MetricServiceClient:
        """Cloud Monitoring, to write and read time series."""
        from google.cloud import monitoring_v3

        return monitoring_v3.MetricServiceClient()

    def gemini(self) -> genai.Client:
        """Gemini on Vertex AI, with retries (the library has none unless they are asked for)."""
        from google import genai
        from google.genai import types

        return genai.Client(
            vertexai=True,
            project=self.names.project,
            location=self.names.environment.gemini_location,
            http_options=types.HttpOptions(timeout=TIMEOUT_SECONDS * 1000, retry_options=types.HttpRetryOptions(attempts=ATTEMPTS)),
        )
