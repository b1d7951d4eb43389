"""Notices by e-mail, over SMTP.

Shared module. It reads the resource ``f/operations/smtp`` (Windmill's own type: host, port, user, password) and the
variable ``f/operations/notice_sender``. The connection is encrypted and the server's certificate is checked: from the
beginning on port 465, by STARTTLS on every other; only a server on the machine itself may do without. A member gets one
mail for all that is due. SMTP says at each step whether a mail was taken: until its last line has been sent it was
certainly not, and an answer after that says what became of it; without that answer nobody knows. When a mail or its
recipient is refused, that is the end of it; when the sender or the login is refused, what is due waits, and the run
fails so that somebody sees to it.
"""

import contextlib
import hashlib
import ipaddress
import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from types import TracebackType

from f.core.errors import ChannelUnavailable, KnowledgeError, Misconfigured
from f.core.job import read_resource, read_variable, tls_context
from f.core.notice_delivery import Fate, Notice
from f.core.notice_text import mail_text

SMTP_SERVER = "f/operations/smtp"
SENDER = "f/operations/notice_sender"
NOTICES_A_MAIL = 50
_TIMEOUT_SECONDS = 20
_ENCRYPTED_PORT, _USUAL_PORT, _HIGHEST_PORT = 465, 587, 65_535
_LOGIN_NEEDED = (530, 534, 538)
"""Codes that ask for a login, or another one (RFC 4954)."""
_SECURITY_OR_SENDER = re.compile(rb"5\.(7\.\d{1,3}|1\.[78])(?!\d)")
"""Codes of a server that does not serve this sender (RFC 3463): a relay that is denied, a sender not its own."""
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Which server takes the mails, and from whom they are."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender_name: str
    sender: str


def mail_settings() -> MailSettings | None:
    """Read how mails are sent; None when no server is named, because mails are not set up.

    Raises:
        Misconfigured: When what is there cannot be used.
    """
    value = read_resource(SMTP_SERVER)
    if not isinstance(value, dict):
        raise Misconfigured(f"The resource {SMTP_SERVER} needs host, port, user and password.")
    host = str(value.get("host") or "").strip()
    if not host:
        return None
    port = value.get("port") or _USUAL_PORT
    name, sender = parseaddr(read_variable(SENDER))
    if type(port) is not int or not 0 < port <= _HIGHEST_PORT or not _ADDRESS.fullmatch(sender):
        raise Misconfigured(f"The resource {SMTP_SERVER} needs a port, and the variable {SENDER} an e-mail address.")
    user, password = str(value.get("user") or ""), str(value.get("password") or "")
    if not _is_host(host) or not f"{user}{password}".isascii():
        raise Misconfigured(
            f"The host of {SMTP_SERVER} must be a host's name, user and password of ASCII characters alone."
        )
    return MailSettings(host, port, user, password, name, sender)


class MailServer:
    """A mail server, connected when the first mail is sent; one connection serves all mails of a run."""

    def __init__(self, settings: MailSettings) -> None:
        """Take where it is; nothing is sent yet."""
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> "MailServer":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connection."""
        self._leave()

    def send(self, notices: Sequence[Notice]) -> Fate:
        """Send one mail about notices of one member, and say what became of it."""
        recipient = notices[0].email or ""
        if not _ADDRESS.fullmatch(recipient):
            return Fate("failed", "The account's address is none that mail can be sent to.")
        try:
            mail = _mail(self._settings, recipient, notices)
            smtp = self._connected()
        except (OSError, smtplib.SMTPException, ValueError, Misconfigured) as error:
            trouble = _trouble(error)
            return Fate("waiting", str(trouble), trouble=trouble)
        try:
            fate = _offer(smtp, self._settings.sender, recipient)
        except (OSError, smtplib.SMTPException):
            self._leave()
            return Fate("waiting", "The mail server broke off before it took the mail.")
        return fate or self._hand_over(smtp, mail)

    def _hand_over(self, smtp: smtplib.SMTP, mail: bytes) -> Fate:
        """Send the mail itself."""
        try:
            answer: tuple[int, bytes | str] = smtp.data(mail)
        except smtplib.SMTPDataError as refused:
            answer = refused.smtp_code, refused.smtp_error
        except (OSError, smtplib.SMTPException):
            self._leave()
            return Fate("unknown", "The mail server broke off while it was given the mail.")
        if not 200 <= answer[0] < 300:
            self._leave()
        return _by_code(*answer) or Fate("sent")

    def _connected(self) -> smtplib.SMTP:
        """Return a connection over which mails can be sent: the one there is, while the server keeps it open."""
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                if self._smtp.noop()[0] == 250:
                    return self._smtp
            self._leave()
        self._smtp = _connect(self._settings)
        return self._smtp

    def _leave(self) -> None:
        """Close the connection, if there is any."""
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
            self._smtp.close()
            self._smtp = None


def _connect(settings: MailSettings) -> smtplib.SMTP:
    """Connect, encrypt and log in."""
    if settings.port == _ENCRYPTED_PORT:
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=_TIMEOUT_SECONDS, context=tls_context()
        )
    else:
        smtp = smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_SECONDS)
    try:
        smtp.ehlo_or_helo_if_needed()
        if settings.port != _ENCRYPTED_PORT and smtp.has_extn("starttls"):
            smtp.starttls(context=tls_context())
            smtp.ehlo()
        elif settings.port != _ENCRYPTED_PORT and not _is_this_machine(settings.host):
            raise Misconfigured("The mail server offers no encryption (STARTTLS); nothing is sent to it.")
        if settings.user:
            smtp.login(settings.user, settings.password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _trouble(error: Exception) -> KnowledgeError:
    """Say why there is no connection over which mails can be sent."""
    if isinstance(error, Misconfigured):
        return error
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Misconfigured(f"The mail server refuses the login of {SMTP_SERVER}; what is due waits.")
    if isinstance(error, ssl.SSLCertVerificationError):
        return ChannelUnavailable(
            f"The mail server's certificate is for another host than {SMTP_SERVER} names, or not to be trusted; "
            "what is due waits."
        )
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return Misconfigured(f"What {SMTP_SERVER} or {SENDER} says cannot be used; what is due waits.")
    return ChannelUnavailable("The mail server does not answer; what is due waits.")


def _is_host(host: str) -> bool:
    """Tell whether a name can be looked up."""
    try:
        return bool(host.encode("idna")) and host.isprintable()
    except UnicodeError:
        return False


def _is_this_machine(host: str) -> bool:
    """Tell whether what is sent to a host never leaves the machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _offer(smtp: smtplib.SMTP, sender: str, recipient: str) -> Fate | None:
    """Name sender and recipient; a refusal is what becomes of the mail."""
    code, said = smtp.mail(sender)
    refused = _by_code(code, said, is_sender=True)
    if refused is None:
        refused = _by_code(*smtp.rcpt(recipient))
    if refused is not None:
        smtp.rset()
    return refused


def _by_code(code: int, said: bytes | str, *, is_sender: bool = False) -> Fate | None:
    """Say what an answer of the server means; None that it goes on (RFC 5321, 4.2.1).

    Some servers refuse a sender or a missing login only with the recipient or the whole mail, with the same codes as
    what a rule says against that one mail: others are tried all the same.
    """
    if 200 <= code < 300:
        return None
    if 400 <= code < 500:
        return Fate("waiting", f"The mail server did not take it for now ({code}).")
    exact = said if isinstance(said, bytes) else said.encode()
    if is_sender or code in _LOGIN_NEEDED or _SECURITY_OR_SENDER.match(exact):
        refuses = f"The mail server refuses the sender or wants a login ({code})."
        trouble = Misconfigured(f"{refuses} See to {SMTP_SERVER} and {SENDER}; what is due waits.")
        return Fate("waiting", refuses, trouble=trouble, goes_on=not is_sender)
    return Fate("failed", f"The mail server refused it ({code}).")


def _mail(settings: MailSettings, recipient: str, notices: Sequence[Notice]) -> bytes:
    """Write the mail.

    The subject is encoded as a whole: a title that looks like an encoded word itself arrives as it was written, and
    nothing in it can begin another header.
    """
    text = mail_text(notices)
    mail = MIMEText(text.body, "plain", "utf-8")
    mail["From"] = formataddr((settings.sender_name, settings.sender))
    mail["To"] = recipient
    mail["Subject"] = Header(text.subject, "utf-8", header_name="Subject")  # type: ignore[assignment] # the type knows texts alone
    mail["Date"] = format_datetime(datetime.now(UTC))
    named = hashlib.sha256(" ".join(notice.delivery_id for notice in notices).encode()).hexdigest()[:32]
    mail["Message-ID"] = f"<{named}@{settings.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    return mail.as_bytes(policy=mail.policy.clone(linesep=SMTP.linesep))
