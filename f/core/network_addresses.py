"""Which hosts files may be fetched from, and which network addresses such a host may have.

Shared module, pure. A host is allowed by an entry of ``f/chatbot/file_sources``, by exactly its name or as a subdomain
of it. That is not enough: whoever answers for a name in the DNS chooses the address that it leads to, and that must
not be one inside of the network where the workers are, unless the entry says so.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

import f.core.errors  # noqa: F401 -- refuses to run as a script

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_UNIQUE_LOCAL = ipaddress.ip_network("fc00::/7")
_NOBODYS = tuple(ipaddress.ip_network(block) for block in ("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24"))
"""This network, protocol assignments, relays of 6to4: no server has such an address (RFC 6890, RFC 7526)."""


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host that files may be fetched from.

    Attributes:
        name: Its name in lower case and in ASCII (IDNA), or its address in the shortest form.
        subdomains: Whether all names below it are meant, and not itself.
        port: The one port that is allowed; None is the usual one of the scheme.
        plain_http: Whether it may be asked without TLS.
        internal: Whether it may be inside of one's own network.
        tenants: The tenants that may fetch from it; none named are all.
    """

    name: str
    subdomains: bool = False
    port: int | None = None
    plain_http: bool = False
    internal: bool = False
    tenants: tuple[str, ...] = ()

    def allows(self, tenant_id: str, scheme: str, name: str, port: int | None) -> bool:
        """Tell whether a tenant may ask for an address of this scheme, host (as ``host_name`` gives it) and port."""
        if self.tenants and tenant_id not in self.tenants:
            return False
        if scheme != "https" and not (scheme == "http" and self.plain_http):
            return False
        if (port or _DEFAULT_PORTS[scheme]) != (self.port or _DEFAULT_PORTS[scheme]):
            return False
        return name.endswith(f".{self.name}") if self.subdomains else name == self.name


def find_host(
    hosts: Sequence[AllowedHost], tenant_id: str, scheme: str, name: str, port: int | None
) -> AllowedHost | None:
    """Return the entry that allows an address; one for servers inside of the network before others."""
    allowing = [host for host in hosts if host.allows(tenant_id, scheme, name, port)]
    return max(allowing, key=lambda host: host.internal, default=None)


def host_name(text: str) -> str | None:
    """Return a host's name or address in the form in which it is compared; None for what is neither.

    Args:
        text: A name in ASCII, or an IPv4 or IPv6 address without brackets. Numbers in other forms (``2130706433``,
            ``0x7f.1``) count as names: what they lead to is looked at with all other addresses.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        name = text.lower()
        return name if _NAME.fullmatch(name) else None
    return None if "%" in text else str(address)


def may_connect(address: str, *, internal: bool) -> bool:
    """Tell whether a connection to a network address may be made.

    Args:
        address: As the resolver gives it.
        internal: Whether it may be private, shared, or of this machine. Link-local addresses, where clouds have the
            service that hands out a machine's credentials, multicast and reserved ones are refused even then.
    """
    if "%" in address:
        return False  # belongs to one interface: link-local
    numeric = ipaddress.ip_address(address)
    if isinstance(numeric, ipaddress.IPv6Address):
        return _may_connect_six(numeric, internal)
    return _may_connect_four(numeric, internal)


def _may_connect_four(address: ipaddress.IPv4Address, internal: bool) -> bool:
    """Judge an IPv4 address."""
    if address.is_multicast or address.is_reserved or address.is_link_local:
        return False
    if any(address in block for block in _NOBODYS):
        return False
    return address.is_global or (internal and (address.is_private or address in _SHARED))


def _may_connect_six(address: ipaddress.IPv6Address, internal: bool) -> bool:
    """Judge an IPv6 address.

    What carries an IPv4 address is refused, but for NAT64 (RFC 6052), by which workers without IPv4 reach all others:
    that is judged by what it carries.
    """
    if address in _NAT64:
        return _may_connect_four(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), internal=False)
    if internal and (address.is_loopback or address in _UNIQUE_LOCAL):
        return True
    if address.sixtofour is not None or address.teredo is not None:
        return False
    return address in _GLOBAL_UNICAST and address.is_global
