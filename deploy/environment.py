"""What a deployment reads from its environment, and which of it is secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from deploy.tools import DeployError

DEFAULT_WORKSPACE = "family-brain"

SECRETS = (
    "WM_TOKEN",
    "DATABASE_ADMIN_URL",
    "KNOWLEDGE_ADMIN_PASSWORD",
    "KNOWLEDGE_APP_PASSWORD",
    "KNOWLEDGE_OPERATOR_PASSWORD",
    "WINDMILL_DATABASE_PASSWORD",
    "COHERE_API_KEY",
    "GROQ_API_KEY",
    "SESSION_SIGNING_KEYS",
    "SMTP_PASSWORD",
    "NOTICE_WEBHOOK_SECRET",
)
"""The variables whose values are never shown."""

SHORTEST_SECRET = 6
"""What is shorter is shown: taken for a secret, a word such as ``local`` would make an output unreadable."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where to deploy to, and with what.

    Attributes:
        url: The server's address.
        workspace: The workspace's id.
        token: A token of one of its administrators.
        environment: Everything else that the deployment may set.
        dry_run: Change nothing.
    """

    url: str
    workspace: str
    token: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    dry_run: bool = False


def read_environment(environment: Mapping[str, str], *, dry_run: bool = False) -> Deployment:
    """Read where to deploy to.

    Args:
        environment: The environment of the process.
        dry_run: Change nothing.

    Returns:
        The deployment.

    Raises:
        DeployError: If something is missing; the message names all of it.
    """
    needed = ["WINDMILL_URL", "WM_TOKEN"]
    if environment.get("DATABASE_ADMIN_URL"):
        needed += ["KNOWLEDGE_APP_PASSWORD", "KNOWLEDGE_OPERATOR_PASSWORD"]
    missing = [name for name in needed if not environment.get(name, "").strip()]
    if missing:
        raise DeployError(f"Set {', '.join(missing)} in the environment; deploy/example.env says what they are.")
    if not environment["WINDMILL_URL"].startswith(("http://", "https://")):
        raise DeployError("WINDMILL_URL must begin with http:// or https://.")
    return Deployment(
        url=environment["WINDMILL_URL"].rstrip("/"),
        workspace=environment.get("WM_WORKSPACE") or DEFAULT_WORKSPACE,
        token=environment["WM_TOKEN"].strip(),
        environment=environment,
        dry_run=dry_run,
    )


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """List the secret values of an environment, longest first: whole, each word, and the password in an address."""
    values = {environment.get(name, "").strip() for name in SECRETS}
    values |= {unquote(urlsplit(value).password or "") for value in values if "://" in value}
    values |= {word for value in values for word in value.split()}
    return sorted((value for value in values if len(value) >= SHORTEST_SECRET), key=len, reverse=True)


def without_secrets(text: str, environment: Mapping[str, str]) -> str:
    """Replace every secret value of an environment in a text."""
    for secret in secrets_of(environment):
        text = text.replace(secret, "***")
    return text
