"""Which hosts and which network addresses files may come from."""

import pytest

from f.core.network_addresses import AllowedHost, find_host, host_name, may_connect

TENANT, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"

PUBLIC = ("93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::808:808")
OWN_NETWORK = ("127.0.0.1", "10.1.2.3", "172.16.0.9", "192.168.1.20", "100.64.0.1", "::1", "fd12:3456::7")
NOBODYS = (
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::", "fe80::1", "fe80::1%eth0", "ff02::1", "fec0::1", "2001:db8::1"),
)
CARRIERS = (
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "2002:7f00:1::", "2002:808:808::"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2001:0:808:808::1"),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_connected_to(address: str) -> None:
    assert may_connect(address, internal=False)
    assert may_connect(address, internal=True)


@pytest.mark.parametrize("address", OWN_NETWORK)
def test_an_address_of_ones_own_network_is_connected_to_only_where_that_is_said(address: str) -> None:
    assert not may_connect(address, internal=False)
    assert may_connect(address, internal=True)


@pytest.mark.parametrize("address", [*NOBODYS, *CARRIERS])
def test_an_address_that_no_server_has_or_that_hides_another_is_never_connected_to(address: str) -> None:
    assert not may_connect(address, internal=False)
    assert not may_connect(address, internal=True)


def test_a_host_is_allowed_by_its_name_its_port_and_its_scheme() -> None:
    hosts = [AllowedHost("files.example.org"), AllowedHost("scans.example.org", port=8443, plain_http=True)]

    def allowed(scheme: str, name: str, port: int | None = None) -> bool:
        return find_host(hosts, TENANT, scheme, name, port) is not None

    assert allowed("https", "files.example.org")
    assert allowed("https", "files.example.org", 443)
    assert not allowed("https", "files.example.org", 8443)
    assert not allowed("http", "files.example.org")
    assert not allowed("https", "example.org")
    assert not allowed("https", "a.files.example.org")
    assert not allowed("https", "files.example.org.evil.example")
    assert allowed("http", "scans.example.org", 8443)
    assert not allowed("http", "scans.example.org")
    assert not allowed("https", "scans.example.org")


def test_a_star_stands_for_all_names_below_and_for_nothing_else() -> None:
    hosts = [AllowedHost("example.org", subdomains=True)]
    for name, allowed in (
        ("a.example.org", True),
        ("a.b.example.org", True),
        ("example.org", False),
        ("evilexample.org", False),
        ("example.org.evil.example", False),
    ):
        assert (find_host(hosts, TENANT, "https", name, None) is not None) is allowed, name


def test_a_host_may_belong_to_some_tenants_only() -> None:
    hosts = [AllowedHost("files.example.org", internal=True, tenants=(TENANT,)), AllowedHost("files.example.org")]
    mine, others = (find_host(hosts, tenant, "https", "files.example.org", None) for tenant in (TENANT, OTHER))
    assert mine is not None
    assert mine.internal
    assert others is not None
    assert not others.internal


def test_hosts_are_compared_in_one_form() -> None:
    assert host_name("Files.Example.ORG") == "files.example.org"
    assert host_name("0:0:0:0:0:0:0:1") == host_name("::1") == "::1"
    assert host_name("FD12::0:7") == "fd12::7"
    for text in ("", "a b", "evil\\@good", "good%2eexample", "a..b", ".a", "a.", "fe80::1%eth0", "a" * 254):
        assert host_name(text) is None, text
