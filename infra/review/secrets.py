"""What must not be read in a review although no provider marked it: attributes that carry secrets, and text that looks like one."""

import functools
import re
from collections.abc import Sequence

from infra.review.report import HIDDEN

NAMED = re.compile(
    r"(^|[_.-])(pass(word|wd|phrase)s?|pwd|secrets?|secret[_-]?(data|key|value|access[_-]?key)|private[_-]?key(_data|_pem)?|plaintext|"
    r"raw[_-]?key|rsa[_-]encrypted[_-]key|(auth|access|refresh|bearer|api|id|session|webhook|bot|oauth)?[_-]?tokens?|api[_-]?keys?|"
    r"apikey|client[_-]?secret|shared[_-]?secret|credentials?|auth[_-]?string|encryption[_-]?key[_-]?value|connection[_-]?string|dsn|"
    r"ssh[_-]?keys|signing[_-]?key[_-]?value)$",
    re.IGNORECASE,
)
"""Names whose values are secrets, whoever chose them: attributes, keys of labels, metadata and environment variables."""
REFERENCES = {"secret_key_ref", "secret_environment_variables", "secret_volumes", "secret_manager_secret", "available_secrets"}
"""Blocks that name a secret and do not hold it."""
CARRIERS = {
    "auth_info",
    "body",
    "build_environment_variables",
    "content",
    "content_base64",
    "custom_request_headers",
    "environment_variables",
    "env_variables",
    "env_vars",
    "headers",
    "header_values",
    "http_headers",
    "metadata_startup_script",
    "oauth2_client_secret",
    "payload",
    "policy_payload",
    "properties_sensitive",
    "request_headers",
    "secret_env",
    "sensitive_labels",
    "sensitive_params",
    "sensitive_content",
    "startup_script",
    "user_data",
}
"""Attributes into which people write whatever their programs need."""
MACHINES = ("google_compute_", "google_workbench_", "google_notebooks_", "google_container_", "google_colab_", "google_dataproc_")
"""Whose `metadata` is readable by every program on the machine, and is where start-up scripts and their secrets stand."""
PLAIN_METADATA = {
    "block-project-ssh-keys",
    "disable-legacy-endpoints",
    "enable-osconfig",
    "enable-oslogin",
    "idle-timeout-seconds",
    "notebook-disable-downloads",
    "notebook-disable-root",
    "notebook-disable-terminal",
    "notebook-upgrade-schedule",
    "report-event-health",
    "serial-port-enable",
    "proxy-mode",
    "framework",
    "terraform",
    "custom-container-image",
    "install-monitoring-agent",
    "disable-swap-binaries",
    "post-startup-script",
}
"""Metadata that is a switch of Google's, or the address of a script."""
CREDENTIAL = re.compile(
    r"-----BEGIN[A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END[A-Z ]*PRIVATE KEY-----|$)"
    r"|\bAIza[0-9A-Za-z_-]{35}"
    r"|\bya29\.[0-9A-Za-z_.-]{20,}"
    r"|\bgh[pousr]_[0-9A-Za-z]{20,}|\bgithub_pat_[0-9A-Za-z_]{20,}"
    r"|\bglpat-[0-9A-Za-z_-]{20,}"
    r"|\bxox[abeoprs]-[0-9A-Za-z-]{10,}"
    r"|\bhttps://hooks\.slack\.com/services/[^\s\"']+"
    r"|\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,}|\bsk-[0-9A-Za-z_-]{20,}|\bhf_[0-9A-Za-z]{30,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bGOOG1[0-9A-Z]{20,}"
    r"|\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]*"
    r"|(?<=://)[^/\s:@]+:[^/\s:@]+(?=@)"
    r"|(?i:(?<=token=)|(?<=secret=)|(?<=password=)|(?<=passwd=)|(?<=api_key=)|(?<=apikey=)|(?<=access_key=)|(?<=bearer )|(?<=basic ))"
    r"(?!\(sensitive\))[^\s&\"',;]{6,}"
)
"""Text that opens a door: private keys, tokens with a known beginning, names and passwords in addresses."""
SHORTEST, SHORTEST_TOKEN = 8, 20
"""No text that is shorter looks like a credential; nor does a shorter one of letters and digits alone."""
DOCUMENT = re.compile(
    r"""(["'][\w.-]*(?:pass(?:word|wd|phrase)|secret|token|api_?key|private_?key|access_?key)\\*["']\s*[:=]\s*\\*["'])[^"'\\\s]{6,}""",
    re.IGNORECASE,
)
"""A value inside JSON, HCL or YAML whose name says that it is secret."""


@functools.cache
def carries(type_: str, path: tuple[str, ...]) -> bool:
    """Whether the attribute at `path` of a type is one that holds secrets."""
    name = path[-1]
    if REFERENCES.intersection(path):
        return False
    if name in CARRIERS or NAMED.search(name):
        # A switch such as oauth_token, a block that says whose token it is, is walked into; its leaves are judged by their own names.
        return name not in {"oauth_token", "oidc_token", "id_token"}
    if "metadata" in path and type_.startswith(MACHINES):
        return name != "metadata" and name not in PLAIN_METADATA
    if "parameters" in path[:-1] and type_.startswith("google_dataflow_"):
        return True
    return name == "value" and any(part in {"env", "environment", "env_var", "container_env", "parameters"} for part in path)


def scrubbed(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without whatever looks like a credential, and without the secrets that are known from elsewhere in the plan."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _without_credentials(text)


# A plan says the same project, region and label a thousand times.
@functools.lru_cache(maxsize=65_536)
def _without_credentials(text: str) -> str:
    if len(text) < SHORTEST or (text.isalnum() and len(text) < SHORTEST_TOKEN):
        return text
    return DOCUMENT.sub(lambda found: found[1] + HIDDEN, CREDENTIAL.sub(HIDDEN, text))
