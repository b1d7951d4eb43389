"""An installation that can send: with a mail server and a receiver of webhooks on loopback, and notices to send."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from local.database import Server
from local.settings import Credentials
from local.stack import local_stack
from tests.support.installation import Installation, Json, Tenant
from tests.support.mail_server import PASSWORD, USER, MailBox, mail_server
from tests.support.webhook_receiver import Receiver, webhook_receiver

EMAIL, WEBHOOK = "f/operations/deliver_by_email", "f/operations/deliver_by_webhook"
SIGNING_SECRET = "whsec_" + "c2lnbnMgd2hhdCBpcyBwb3N0ZWQgdG8gd2ViaG9va3M="
SENDER = "Family Brain <notices@brain.example>"


@dataclass
class Post:
    """An installation with its servers.

    Attributes:
        installation: What is tested; everything that is sent is sent for all its tenants.
        box: The mail server, as far as it is told what to do.
        receiver: The same of the webhook.
        mail_port: Of the mail server that the installation trusts.
        webhook_port: Of the receiver.
        authority: Signs certificates that the installation trusts.
    """

    installation: Installation
    box: MailBox
    receiver: Receiver
    mail_port: int
    webhook_port: int
    authority: trustme.CA

    def reset(self) -> None:
        """Forget all notices, and let both servers do as they should."""
        self.installation.query("UPDATE documents SET expires_at = NULL; DELETE FROM expiry_notices")
        self.box.reset()
        self.receiver.reset()
        self.use_mail(port=self.mail_port)
        self.use_webhook(f"http://127.0.0.1:{self.webhook_port}/notices")
        self.installation.set_variable("f/operations/notice_sender", SENDER)

    def use_mail(self, **changed: object) -> None:
        """Say which mail server is used."""
        value = {"host": "localhost", "port": self.mail_port, "user": USER, "password": PASSWORD, **changed}
        self.installation.stack.server.workspace.set_resource("f/operations/smtp", value, "smtp")

    def use_webhook(self, url: str, secret: str = SIGNING_SECRET) -> None:
        """Say where notices are posted."""
        value = {"url": url, "signing_secret": secret}
        self.installation.stack.server.workspace.set_resource("f/operations/notice_webhook", value)

    def counts(self, script: str) -> Json:
        """Send what is due, and return what became of it."""
        data = self.installation.run(script).data
        assert data["set_up"] is True
        return {name: data[name] for name in ("sent", "waiting", "failed", "unknown") if data[name]}

    def tenant(self, language: str = "english", time_zone: str = "UTC") -> Tenant:
        """Make a tenant whose members all have an account."""
        made = self.installation.new_tenant()
        self.installation.query(
            "UPDATE tenants SET language = %s, time_zone = %s WHERE id = %s", (language, time_zone, made.id)
        )
        for member in made.types.values():
            self.installation.query(
                "WITH account AS (INSERT INTO users (email) VALUES (%s) RETURNING id), belongs AS ("
                " INSERT INTO tenant_memberships (tenant_id, user_id) SELECT %s, id FROM account)"
                " UPDATE family_members SET user_id = account.id FROM account"
                " WHERE family_members.tenant_id = %s AND family_members.id = %s",
                (self.address(made, member), made.id, made.id, member),
            )
        return made

    def address(self, tenant: Tenant, member: int) -> str:
        """Tell a member's address."""
        return f"member-{member}@{tenant.id[:8]}.example"

    def notice(
        self, tenant: Tenant, member: int, title: str = "Passport", *, days: float = 6.5, age_hours: float = 0,
        visibility: str = "everyone", assigned_to: int | None = None, expires_at: datetime | None = None,
    ) -> int:  # fmt: skip
        """Put in a document that expires with a notice of it to one member, and return the document's id."""
        moment = expires_at or datetime.now(UTC) + timedelta(days=days)
        (row,) = self.installation.query(
            "INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count, visibility,"
            " assigned_to, expires_at)"
            " VALUES (%s, %s, 'Its secret text.', sha256('x'), 'english', 1, %s, %s, %s) RETURNING id",
            (tenant.id, title, visibility, assigned_to, moment),
        )
        self.installation.query(
            "INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at, created_at)"
            " VALUES (%s, %s, %s, '7_days', %s, now() - make_interval(hours => %s))",
            (tenant.id, row["id"], member, moment, age_hours),
        )
        return int(row["id"])

    def deliveries(self, tenant: Tenant) -> list[Json]:
        """Return a tenant's deliveries."""
        return self.installation.query(
            "SELECT *, next_attempt_at - updated_at AS waits FROM notice_deliveries WHERE tenant_id = %s"
            " ORDER BY document_id, channel",
            (tenant.id,),
        )

    def statuses(self, tenant: Tenant) -> list[str]:
        """Return the statuses of a tenant's deliveries."""
        return [row["status"] for row in self.deliveries(tenant)]

    def let_time_pass(self) -> None:
        """Let every wait be over, and every run that is being sent by be long ago."""
        self.installation.query(
            "UPDATE notice_deliveries SET next_attempt_at = now(), updated_at = now() - interval '1 hour'"
            " WHERE status IN ('waiting', 'sending')"
        )


@contextmanager
def running_post(postgres: Server, credentials: Credentials, template: str, home: Path) -> Iterator[Post]:
    """Start an installation with its servers."""
    authority = trustme.CA()
    trusted = home / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    box, receiver = MailBox(), Receiver()
    with ExitStack() as started:
        stack = started.enter_context(
            local_stack(
                home / "installation", postgres=postgres, dbname=postgres.create_database(template=template),
                installs=False, credentials=credentials, environment={}, delay_factor=0.05,
                extra_environment={"SSL_CERT_FILE": str(trusted)},
            )
        )  # fmt: skip
        mail_port = started.enter_context(mail_server(box, server_context(authority)))
        webhook_port = started.enter_context(webhook_receiver(receiver))
        yield Post(Installation(stack), box, receiver, mail_port, webhook_port, authority)


def server_context(authority: trustme.CA, *names: str):  # type: ignore[no-untyped-def] # of ssl, by trustme
    """Make what a server needs to speak TLS in a name, or several."""
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def running(
    postgres: Server, credentials: Credentials, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Post]:
    """The installation and its servers, as the tests before left them."""
    with running_post(postgres, credentials, template, tmp_path_factory.mktemp("post")) as post:
        yield post


@pytest.fixture
def post(running: Post) -> Post:
    """The installation with nothing to send, and servers that do as they should."""
    running.reset()
    return running


__all__ = ["EMAIL", "SIGNING_SECRET", "WEBHOOK", "Post", "post", "running", "server_context"]
