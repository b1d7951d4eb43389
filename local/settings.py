"""What an installation on one machine is made of: its secrets, and the resources and variables that scripts read.

Module of ``local.stack``. The secrets are drawn once and kept in a file that only its owner can read.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local.database import write_private
from local.server.workspace import Workspace

APP_LOGIN, OPERATOR_LOGIN = "knowledge_app", "knowledge_operator"

OFFLINE_SETTINGS: Mapping[str, Any] = {
    "provider": "offline",
    "deadline_seconds": 40,
    "search_deadline_seconds": 6,
    "minimum_similarity": 0.1,
    "embed": {"model": "offline-hashing-1024"},
    "rerank": {"model": "offline-overlap", "by_default": True},
    "chat": {"model": "offline-sentences"},
    "fallback_chat": None,
    "other_prices": {},
}
"""The value of ``f/chatbot/ai_settings`` that needs no network and no key."""


class SettingsIncomplete(ValueError):
    """The environment asks for a provider and does not say enough to use it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets of one installation.

    Attributes:
        app_password: Of the login ``knowledge_app``.
        operator_password: Of the login ``knowledge_operator``.
        session_signing_key: Signs session tokens.
    """

    app_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    operator_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    session_signing_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @classmethod
    def kept_in(cls, file: Path) -> "Credentials":
        """Read them from a file, or draw them and write it, readable only by its owner."""
        if file.exists():
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        drawn = cls()
        write_private(file, json.dumps(asdict(drawn)))
        return drawn


def ai_settings(environment: Mapping[str, str], template: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the models.

    Args:
        environment: ``AI_PROVIDER`` is ``offline`` (the default), ``cloud`` (with ``COHERE_API_KEY`` and
            ``GROQ_API_KEY``) or ``openai_compatible`` (with ``AI_BASE_URL``, ``AI_EMBED_MODEL`` and ``AI_CHAT_MODEL``,
            and ``GROQ_API_KEY`` as the bearer if there is one).
        template: The value in the repository, with the cloud's models and prices.

    Raises:
        SettingsIncomplete: When the provider is unknown or a variable that it needs is missing.
    """
    provider = environment.get("AI_PROVIDER") or "offline"
    needed = {
        "offline": (),
        "cloud": ("COHERE_API_KEY", "GROQ_API_KEY"),
        "openai_compatible": ("AI_BASE_URL", "AI_EMBED_MODEL", "AI_CHAT_MODEL"),
    }
    if provider not in needed:
        raise SettingsIncomplete(f"AI_PROVIDER is {provider!r}; it can be {', '.join(needed)}.")
    missing = [name for name in needed[provider] if not environment.get(name)]
    if missing:
        raise SettingsIncomplete(f"AI_PROVIDER={provider} needs {' and '.join(missing)} in the environment.")
    if provider == "offline":
        return dict(OFFLINE_SETTINGS)
    if provider == "cloud":
        return {**template, "provider": "cloud"}
    base_url = environment["AI_BASE_URL"]
    return {
        **OFFLINE_SETTINGS,
        "provider": "openai_compatible",
        "embed": {"model": environment["AI_EMBED_MODEL"], "base_url": base_url},
        "chat": {"model": environment["AI_CHAT_MODEL"], "base_url": base_url},
        "rerank": None,
    }


def fill_workspace(
    workspace: Workspace,
    credentials: Credentials,
    database: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Set the values that the repository only has templates for.

    Args:
        workspace: The workspace of the running server.
        credentials: The secrets.
        database: ``host``, ``port`` and ``dbname`` of the installed database.
        environment: Where provider and keys come from, see ``ai_settings``.

    Raises:
        SettingsIncomplete: See ``ai_settings``.
    """
    logins = (
        ("chatbot", APP_LOGIN, credentials.app_password),
        ("operations", OPERATOR_LOGIN, credentials.operator_password),
    )
    for folder, user, password in logins:
        workspace.set_variable(f"f/{folder}/postgres_password", password, is_secret=True)
        value = {
            **database,
            "user": user,
            "password": f"$var:f/{folder}/postgres_password",
            "sslmode": "disable",  # the embedded server has no TLS and listens on 127.0.0.1 only
        }
        workspace.set_resource(f"f/{folder}/postgres_db", value, "postgresql")
    for name, variable in (("cohere", "COHERE_API_KEY"), ("groq", "GROQ_API_KEY")):
        workspace.set_variable(f"f/chatbot/{name}_key", environment.get(variable, ""), is_secret=True)
        workspace.set_resource(f"f/chatbot/{name}_api_key", f"$var:f/chatbot/{name}_key")
    workspace.set_variable("f/chatbot/session_signing_keys", credentials.session_signing_key, is_secret=True)
    if "f/chatbot/identity_mode" not in workspace.variables:
        workspace.set_variable("f/chatbot/identity_mode", "trusted")
    template = workspace.resources.get("f/chatbot/ai_settings", {}).get("value") or {}
    workspace.set_resource("f/chatbot/ai_settings", ai_settings(environment, template))
