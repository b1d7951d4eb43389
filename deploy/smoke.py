"""A question to a server that has just been deployed to, as proof that everything between it and an answer works.

It is safe in production: it has a tenant of its own, which is made once and found again by the variable
``f/operations/smoke_test_tenant``. In that tenant there is one member and one document, the same at every deployment,
and no other tenant can see them.
"""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from deploy.server import WindmillServer
from deploy.tools import DeployError

TENANT_VARIABLE = "f/operations/smoke_test_tenant"
TENANT_SLUG = "smoke-test"
TITLE = "How the smoke test works"
CONTENT = """# How the smoke test works

After every deployment a question is asked whose answer stands here. The lighthouse keeper winds the clock at a quarter
past seven in the evening, and writes the time into the green book on the desk.
"""
QUESTION = "When does the lighthouse keeper wind the clock?"

_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class SmokeReport:
    """What the smoke test saw.

    Attributes:
        health: What ``check_health`` says: ``ok`` or ``degraded``.
        answer: The answer to the question.
        citations: How many citations it has, at least one.
    """

    health: str
    answer: str
    citations: int


def ask_smoke_question(server: WindmillServer) -> SmokeReport:
    """Check the server's health, store the document if need be, and ask.

    Args:
        server: A server to which the collection has been deployed.

    Returns:
        What came back.

    Raises:
        DeployError: If the health is ``down``, a step fails, or the answer has no citation.
    """
    health = str(_data(server, "p", "f/operations/check_health", {})["status"])
    if health == "down":
        raise DeployError("check_health says that the installation is down; run f/operations/check_health to see why.")
    identity = _identity(server)
    document = {"title": TITLE, "content": CONTENT, "idempotency_key": TENANT_SLUG, "language": "english"}
    _data(server, "f", "f/chatbot/ingest_document", {**identity, **document})
    answer = _data(server, "f", "f/chatbot/answer_question", {**identity, "question": QUESTION})
    if not answer["citations"]:
        raise DeployError("The smoke question was answered without a citation, though its document is there.")
    return SmokeReport(health=health, answer=str(answer["answer"]), citations=len(answer["citations"]))


def _identity(server: WindmillServer) -> dict[str, Any]:
    """Give the arguments that name the member who asks, with a short-lived token where identities are signed."""
    identity = _tenant_and_member(server)
    mode = server.variable("f/chatbot/identity_mode") or {}
    if mode.get("value") == "signed":
        token = _data(server, "p", "f/operations/issue_session_token", {**identity, "valid_seconds": 900})
        return {**identity, "session_token": token["session_token"]}
    return identity


def _tenant_and_member(server: WindmillServer) -> dict[str, Any]:
    """Find the tenant of earlier deployments, or make it."""
    known = server.variable(TENANT_VARIABLE)
    if known is not None:
        identity: dict[str, Any] = json.loads(known["value"])
        return identity
    tenant = {"name": "Smoke test of the deployment", "slug": TENANT_SLUG, "kind": "company"}
    status, body = server.run("p", "f/operations/create_tenant", tenant)
    if status == _CONFLICT:  # it is there, but who it is was forgotten with the variable
        tenant["slug"] = f"{TENANT_SLUG}-{secrets.token_hex(4)}"
        status, body = server.run("p", "f/operations/create_tenant", tenant)
    tenant_id = _checked("f/operations/create_tenant", status, body)["tenant_id"]
    member = {"tenant_id": tenant_id, "name": "Deployment", "member_type": "adult"}
    identity = {
        "tenant_id": tenant_id,
        "user_member_id": _data(server, "p", "f/operations/add_member", member)["user_member_id"],
    }
    server.set_variable(
        TENANT_VARIABLE,
        json.dumps(identity),
        is_secret=False,
        description="The tenant and member that the smoke question of a deployment is asked as",
    )
    return identity


def _data(server: WindmillServer, kind: str, path: str, arguments: dict[str, Any]) -> dict[str, Any]:
    status, body = server.run(kind, path, arguments)
    return _checked(path, status, body)


def _checked(path: str, status: int, body: Any) -> dict[str, Any]:
    """Take the data out of an answer, or tell why there are none."""
    if status < 300 and isinstance(body, dict) and body.get("success") is True:
        data: dict[str, Any] = body["data"]
        return data
    error = body.get("error") if isinstance(body, dict) else None
    told = error.get("message") if isinstance(error, dict) else error
    raise DeployError(f"{path} failed with the status {status}: {told or 'no reason given'}")
