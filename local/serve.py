"""Runs the scripts on this machine, without Windmill, until Ctrl-C: ``python -m local.serve``, or ``make serve``.

It reads ``PORT`` (8000), ``WM_TOKEN`` (``local``), ``LOCAL_HOME`` (``.local`` in the repository) and ``AI_PROVIDER``
with what belongs to it (see ``local.settings.ai_settings``) from the environment.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping

from deploy.layout import LayoutError
from local.database import DatabaseNotStarted, local_home
from local.placement import NoUnprivilegedUser
from local.server.listening import PortTaken
from local.server.server import DEFAULT_TOKEN
from local.server.workspace import MalformedItem
from local.settings import SettingsIncomplete
from local.stack import Stack, local_stack
from sql.install import InstallError

DEFAULT_PORT = 8000
_CLEAR_ERRORS = (
    *(DatabaseNotStarted, NoUnprivilegedUser, PortTaken, SettingsIncomplete),
    *(InstallError, LayoutError, MalformedItem),
)

_WELCOME = """
This is a stand-in for Windmill, to develop and to try with. It is never the engine in production:
one user, no permissions between folders, jobs in memory, schedules that do not fire.

  server     {base_url}   workspace {workspace}   token {token}
  database   PostgreSQL on 127.0.0.1:{port}, database {dbname}, schema {schema_version}
  models     {models}

Copy and paste, into a second terminal, all of it or line by line:

BASE={base_url}/api/w/{workspace}
post() {{ curl -s "$BASE/$1" -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d "$2"; echo; }}

# a family, and one of its adults
TENANT=$(post jobs/run_wait_result/p/f/operations/create_tenant \\
  '{{"name": "Garcia", "slug": "garcia-'$(date +%s)'"}}' \\
  | sed -E 's/.*"tenant_id": ?"([^"]+)".*/\\1/'); echo "tenant $TENANT"
MEMBER=$(post jobs/run_wait_result/p/f/operations/add_member \\
  '{{"tenant_id": "'$TENANT'", "name": "Maria", "member_type": "adult"}}' \\
  | sed -E 's/.*"user_member_id": ?([0-9]+).*/\\1/'); echo "member $MEMBER"
WHO='"tenant_id": "'$TENANT'", "user_member_id": '$MEMBER

# a document in, through the flow: stored, embedded, logged
post jobs/run_wait_result/f/f/chatbot/ingest_document '{{'"$WHO"', "title": "Car insurance", "category": "insurance",
  "content": "The car is insured with Mutua until 30 June 2027. The excess is 300 euro for each claim."}}'

# search, ask, and ask with the answer as it is written
post jobs/run_wait_result/p/f/chatbot/search '{{'"$WHO"', "query": "car insurance"}}'
post jobs/run_wait_result/p/f/chatbot/chat '{{'"$WHO"', "question": "What is the excess of the car insurance?"}}'
curl -sN "$BASE/jobs/run_and_stream/p/f/chatbot/chat" -H 'Authorization: Bearer {token}' \\
  -H 'Content-Type: application/json' \\
  -d '{{'"$WHO"', "question": "Until when is the car insured?", "stream": true}}'

Ctrl-C stops everything.
"""


def main() -> int:
    """Run until SIGINT or SIGTERM, and return the exit status."""
    stopping = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda _number, _frame: stopping.set())
    try:
        port = _port(os.environ)
        print("Starting the database and the server ...", flush=True)
        with local_stack(local_home(), port=port, token=os.environ.get("WM_TOKEN") or DEFAULT_TOKEN) as stack:
            print(welcome(stack, os.environ), flush=True)
            while not stopping.wait(1.0):
                if not stack.server.is_running():
                    print("The server has stopped by itself.", file=sys.stderr)
                    return 1
            print("Stopping ...", flush=True)
    except _CLEAR_ERRORS as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def welcome(stack: Stack, environment: Mapping[str, str]) -> str:
    """Write what somebody needs who has just started it: addresses, models, and lines to copy."""
    provider = stack.server.workspace.resources["f/chatbot/ai_settings"]["value"]["provider"]
    models = f"{provider}, as AI_PROVIDER says"
    if provider == "offline":
        models = "offline: no network, no key; answers are put together from the best sentences"
        known = [name for name in ("COHERE_API_KEY", "GROQ_API_KEY") if environment.get(name)]
        if known:
            models += f"\n             (AI_PROVIDER=cloud make serve uses Cohere and Groq; {' and '.join(known)} set)"
    return _WELCOME.format(
        base_url=stack.base_url,
        workspace=stack.workspace,
        token=stack.token,
        port=stack.postgres.port,
        dbname=stack.dbname,
        schema_version=stack.report.schema_version if stack.report else "as it was",
        models=models,
    )


def _port(environment: Mapping[str, str]) -> int:
    text = environment.get("PORT") or str(DEFAULT_PORT)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise PortTaken(f"PORT is {text!r}; it must be a number from 1 to 65535.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
