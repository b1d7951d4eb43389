"""A real mail server on loopback, by aiosmtpd: with a login, STARTTLS, and the faults of mail servers."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.patience import PROMPTLY_SECONDS
from tests.support.ports import bound_socket, port_of

USER, PASSWORD = "notices", "password-of-the-mail-server"


@dataclass(frozen=True)
class Mail:
    """A mail that the server has, whatever it answered."""

    sender: str
    recipients: tuple[str, ...]
    content: EmailMessage

    @property
    def subject(self) -> str:
        """The subject as a reader shows it."""
        return str(self.content["Subject"])

    @property
    def text(self) -> str:
        """The body."""
        return str(self.content.get_content())


@dataclass
class MailBox:
    """What the server does, and what it got; aiosmtpd calls its methods.

    Attributes:
        mails: All that came, in their order.
        logins: The passwords that it was told.
        sender_code: What it answers when it is told the sender; a code, or that with the exact one of RFC 3463.
        recipient_codes: The same when it is told a recipient; others are taken.
        data_code: What it answers to a mail.
        drops_at: ``mail`` or ``data``: where it closes the connection instead of answering.
        holds_at: The same, where it does not answer until the connection is closed.
        has_one: Set when it holds.
    """

    mails: list[Mail] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    sender_code: int | str = 250
    recipient_codes: dict[str, int | str] = field(default_factory=dict)
    data_code: int | str = 250
    drops_at: str = ""
    holds_at: str = ""
    has_one: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Forget all and do as a mail server should."""
        self.__init__()  # type: ignore[misc] # a dataclass's own

    async def _stop_here(self, server: Any, where: str) -> None:
        if self.holds_at == where:
            self.has_one.set()
            await asyncio.Event().wait()  # cancelled when the connection is closed
        if self.drops_at == where:
            server.transport.abort()

    async def handle_MAIL(  # noqa: N802 -- aiosmtpd's name
        self, server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        await self._stop_here(server, "mail")
        if self.sender_code != 250:
            return f"{self.sender_code} as told"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        code = self.recipient_codes.get(address, 250)
        if code == 250:
            envelope.rcpt_tos.append(address)
        return f"{code} as told"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        content = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(Mail(envelope.mail_from, tuple(envelope.rcpt_tos), content))
        await self._stop_here(server, "data")
        return f"{self.data_code} as told"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        """Check a login."""
        assert isinstance(data, LoginPassword)
        self.logins.append(data.password.decode())
        return AuthResult(success=(data.login.decode(), data.password.decode()) == (USER, PASSWORD), handled=False)

    def sent_to(self, address: str) -> list[Mail]:
        """List the mails to an address."""
        return [mail for mail in self.mails if address in mail.recipients]


@contextmanager
def mail_server(box: MailBox, certificate: ssl.SSLContext | None, *, logs_in: bool = True) -> Iterator[int]:
    """Run a server for a box, and give its port; without a certificate it offers no encryption."""
    controller = _Controller(
        box,
        ready_timeout=PROMPTLY_SECONDS,
        tls_context=certificate,
        require_starttls=certificate is not None,
        authenticator=box.authenticate if logs_in else None,
        auth_required=logs_in,
        auth_require_tls=certificate is not None,
        enable_SMTPUTF8=False,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


class _Controller(Controller):
    """Runs the server on a port that is its own before it begins to listen: nobody takes it in between."""

    def __init__(self, box: MailBox, **settings: Any) -> None:
        self._own = bound_socket()
        super().__init__(box, "127.0.0.1", port_of(self._own), **settings)

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._own)
