"""Who answers for a release that was made in a protected environment: an approver, by a key that only that person can use."""

from __future__ import annotations

from environments.clients import Clients
from playbook.releasing import ReleaseError
from releases import signing
from releases.ledger import Entry
from releases.signing import Signature


def sign(clients: Clients, person: str, content: bytes) -> dict[str, str]:
    """What the ledger keeps of a signature over a manifest; nothing where people may release without a review.

    Args:
        clients: of the environment.
        person: e-mail of who is logged in.
        content: bytes of the manifest.

    Raises:
        ReleaseError: when that person is no approver.
        SigningError: when Google does not sign.
    """
    environment = clients.names.environment
    if not environment.protected:
        return {}
    if person not in environment.approvers:
        raise ReleaseError(
            f"{person} is not among the approvers of environments/{environment.name}.yaml ({', '.join(environment.approvers)}), and "
            f"{environment.name} is protected. Nothing was released. Ask one of them."
        )
    signature = signing.sign(clients.session(), clients.names.approver_key(person), content)
    return {"version": signature.version, "signature": signature.value}


def verify(clients: Clients, entry: Entry, content: bytes) -> None:
    """Let only a release run again for which its approver has signed.

    Args:
        clients: of the environment.
        entry: that made the release what runs.
        content: bytes of its manifest.

    Raises:
        ReleaseError: when the signature is not of that person, or not over that manifest.
        SigningError: when Google does not give the public key.
    """
    if not clients.names.environment.protected:
        return
    signature = Signature(version=str(entry.body.get("version", "")), value=str(entry.body.get("signature", "")))
    theirs = signature.key == clients.names.approver_key(entry.by)
    if not theirs or not signing.verify(clients.session(), signature, content):
        why = "was signed over something else" if theirs else f"was not signed with the key of {entry.by}, who is said to have made it"
        raise ReleaseError(
            f"release {str(entry.body['release'])[:12]}… of {clients.names.environment.name} {why}. It does not run again, and nothing was "
            "changed. Find out who wrote entry "
            f"{entry.number} of the ledger, and release what is good: make release ENV={clients.names.environment.name}"
        )
