"""Tests of shared.net.urls: a table of addresses that lead inside, in every disguise, and of those that do not."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import FetchError, RefusedError
from shared.net.urls import HostPolicy, Url, is_internal, read_url

NAMES = {
    "data.example.org": ["93.184.215.14"],
    "six.example.org": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "nat64.example.org": ["64:ff9b::5db8:d70e"],
    "localhost": ["127.0.0.1", "::1"],
    "printer.lan": ["192.168.1.20"],
    "metadata.google.internal": ["169.254.169.254"],
    "rebound.example.org": ["93.184.215.14", "10.0.0.5"],
    "inside.example.org": ["::ffff:10.1.2.3"],
    "inside64.example.org": ["64:ff9b::a00:1"],
    "teredo.example.org": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "label-studio": ["172.18.0.3"],
    "files.intranet": ["10.20.30.40"],
    "empty.example.org": [],
}

REFUSED = (
    """
http://localhost/a.csv
http://localhost:8080/a.csv
http://LOCALHOST/a.csv
http://localhost./a.csv
http://127.0.0.1/a.csv
http://127.0.0.1:6379/
http://127.0.0.1./a.csv
http://127.1/a.csv
http://127.0.1/a.csv
http://127.255.255.254/a.csv
http://2130706433/a.csv
http://017700000001/a.csv
http://0177.0.0.1/a.csv
http://0177.0.0.01/a.csv
http://0x7f000001/a.csv
http://0x7f.0.0.1/a.csv
http://0x7f.1/a.csv
http://127.0.0.0x1/a.csv
http://127.000.000.001/a.csv
http://0/a.csv
http://0.0.0.0/a.csv
http://0x0/a.csv
http://00000/a.csv
http://256.0.0.1/a.csv
http://1.2.3/a.csv
http://1.2.3.4.5/a.csv
http://4294967295/a.csv
http://99999999999/a.csv
http://10.0.0.1/a.csv
http://10.255.255.255/a.csv
http://172.16.0.1/a.csv
http://172.31.255.255/a.csv
http://192.168.0.1/a.csv
http://192.0.0.192/a.csv
http://192.0.2.1/a.csv
http://192.88.99.1/a.csv
http://198.18.0.1/a.csv
http://198.51.100.7/a.csv
http://203.0.113.7/a.csv
http://100.64.0.1/a.csv
http://100.100.100.200/latest/meta-data/
http://168.63.129.16/metadata
http://169.254.169.254/latest/meta-data/iam/
http://169.254.170.2/v2/credentials
http://224.0.0.1/a.csv
http://239.255.255.250/a.csv
http://240.0.0.1/a.csv
http://255.255.255.255/a.csv
http://[::]/a.csv
http://[::1]/a.csv
http://[0:0:0:0:0:0:0:1]/a.csv
http://[0000:0000:0000:0000:0000:0000:0000:0001]/a.csv
http://[::127.0.0.1]/a.csv
http://[::ffff:127.0.0.1]/a.csv
http://[::ffff:7f00:1]/a.csv
http://[0:0:0:0:0:ffff:10.0.0.1]/a.csv
http://[::ffff:169.254.169.254]/a.csv
http://[::ffff:0:127.0.0.1]/a.csv
http://[64:ff9b::127.0.0.1]/a.csv
http://[64:ff9b::a9fe:a9fe]/a.csv
http://[64:ff9b:1::1]/a.csv
http://[2002:7f00:1::]/a.csv
http://[2002:a00:1::1]/a.csv
http://[2001::1]/a.csv
http://[2001:db8::1]/a.csv
http://[3fff::1]/a.csv
http://[100::1]/a.csv
http://[fc00::1]/a.csv
http://[fd00:ec2::254]/a.csv
http://[fe80::1]/a.csv
http://[fe80::1%25eth0]/a.csv
http://[fec0::1]/a.csv
http://[ff02::1]/a.csv
http://[5f00::1]/a.csv
http://[::1/a.csv
http://::1/a.csv
http://[127.0.0.1]/a.csv
http://１２７.０.０.１/a.csv
http://127。0。0。1/a.csv
http://①②⑦.0.0.1/a.csv
http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/a.csv
http://%31%32%37.0.0.1/a.csv
http://127.0.0.1%00.example.org/a.csv
http://data.example.org@127.0.0.1/a.csv
http://data.example.org:80@127.0.0.1/a.csv
http://user:secret@data.example.org/a.csv
http://127.0.0.1@data.example.org/a.csv
http://data.example.org%40127.0.0.1/a.csv
http://127.0.0.1\\@data.example.org/a.csv
http://data.example.org\\.127.0.0.1/a.csv
http://data.example.org#@127.0.0.1\t/a.csv
http://127.0.0.1?@data.example.org/a.csv
http://127.0.0.1#@data.example.org/a.csv
http://127.0.0.1:80:80/a.csv
http://127.0.0.1:0/a.csv
http://data.example.org:99999/a.csv
http://data.example.org:80a/a.csv
http://data.example.org:８０/a.csv
http://printer.lan/a.csv
http://metadata.google.internal/computeMetadata/v1/
http://rebound.example.org/a.csv
http://inside.example.org/a.csv
http://inside64.example.org/a.csv
http://teredo.example.org/a.csv
http://127.0.0.1.nip.example/a.csv
http://label-studio:8080/a.csv
http:///a.csv
http:/127.0.0.1/a.csv
http:127.0.0.1/a.csv
https://127.0.0.1/a.csv
file:///etc/passwd
ftp://127.0.0.1/a.csv
gopher://127.0.0.1:6379/_INFO
dict://127.0.0.1:11211/stats
data:text/csv,a
javascript:alert(1)
jar:http://127.0.0.1!/a
//127.0.0.1/a.csv
""".replace("\\\\", "\\")
    .replace("\\t", "\t")
    .split("\n")[1:-1]
)

READ = [
    ("http://data.example.org/a.csv", "http://data.example.org/a.csv"),
    ("HTTPS://Data.Example.ORG:443/a.csv?x=1#part", "https://data.example.org/a.csv?x=1"),
    ("http://data.example.org./a.csv", "http://data.example.org/a.csv"),
    ("http://data.example.org", "http://data.example.org/"),
    ("http://data.example.org?x=/../y", "http://data.example.org/?x=/../y"),
    ("http://data.example.org:8000/ä b.csv", "http://data.example.org:8000/%C3%A4%20b.csv"),
    ("http://ｄａｔａ.example.org/a%20b.csv", "http://data.example.org/a%20b.csv"),
    ("http://six.example.org/a.csv", "http://six.example.org/a.csv"),
    ("http://nat64.example.org/a.csv", "http://nat64.example.org/a.csv"),
    ("http://[2606:2800:21F:CB07:6820:80DA:AF6B:8B2C]:81/", "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:81/"),
    ("http://8.8.8.8/a.csv", "http://8.8.8.8/a.csv"),
    ("http://172.32.0.1/a.csv", "http://172.32.0.1/a.csv"),
    ("http://my_bucket.8.8.8.8.example/a.csv", None),
]


def resolve(host: str, port: int) -> Sequence[str]:
    """The test's name service."""
    if host not in NAMES:
        raise OSError("Name or service not known")
    return NAMES[host]


def test_the_table_has_a_hundred_addresses() -> None:
    assert len(REFUSED) == len(set(REFUSED)) >= 100


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_leads_inside_or_is_disguised_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        HostPolicy(resolve=resolve).check(read_url(url))


@pytest.mark.parametrize(("url", "read"), READ)
def test_a_public_address_is_read_one_way_only(url: str, read: str | None) -> None:
    found = read_url(url)
    if read is None:
        with pytest.raises(FetchError, match="cannot be looked up"):
            HostPolicy(resolve=resolve).check(found)
    else:
        assert str(found) == read
        assert HostPolicy(resolve=resolve).check(found) == tuple(NAMES.get(found.host, [found.host]))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://printer.lan/a.csv", "printer.lan"),
        ("http://printer.lan:81/a.csv", "Printer.lan:81"),
        ("http://printer.lan/a.csv", "192.168.1.20"),
        ("http://printer.lan/a.csv", "192.168.0.0/16"),
        ("http://127.0.0.1:9000/a.csv", "127.0.0.1"),
        ("http://[::1]/a.csv", "::1"),
        ("http://[::1]/a.csv", "[::1]"),
        ("http://[fd12::5]/a.csv", "fd00::/8"),
        ("http://inside.example.org/a.csv", "10.0.0.0/8"),
        ("http://localhost/a.csv", "localhost"),
    ],
)
def test_the_operator_may_allow_names_addresses_and_networks(url: str, allowed: str) -> None:
    assert HostPolicy([allowed], resolve).check(read_url(url))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://printer.lan/a.csv", "lan"),
        ("http://printer.lan:82/a.csv", "printer.lan:81"),
        ("http://printer.lan/a.csv", "10.0.0.0/8"),
        ("http://rebound.example.org/a.csv", "192.168.0.0/16"),
        ("http://localhost/a.csv", "127.0.0.1"),  # it is ::1, too
    ],
)
def test_allowing_one_place_allows_no_other(url: str, allowed: str) -> None:
    with pytest.raises(RefusedError, match="DATA_HOSTS_ALLOWED"):
        HostPolicy([allowed], resolve).check(read_url(url))


def test_label_studio_itself_may_be_inside_but_only_at_its_own_port() -> None:
    home = read_url("http://label-studio:8080")
    policy = HostPolicy(resolve=resolve)
    assert policy.check(read_url("http://label-studio:8080/data/upload/1/a.csv"), home) == ("172.18.0.3",)
    with pytest.raises(RefusedError, match="add label-studio to DATA_HOSTS_ALLOWED"):
        policy.check(read_url("http://label-studio:5432/"), home)


def test_a_name_that_is_not_known_may_be_known_later() -> None:
    for host in ("nowhere.example.org", "empty.example.org"):
        with pytest.raises(FetchError, match=host):
            HostPolicy(resolve=resolve).check(read_url(f"http://{host}/a.csv"))


def test_a_message_shows_neither_password_nor_signature() -> None:
    for url in ("http://user:secret@printer.lan/a.csv", "http://printer.lan/a.csv?X-Amz-Signature=secret"):
        with pytest.raises(RefusedError) as caught:
            HostPolicy(resolve=resolve).check(read_url(url))
        assert "secret" not in str(caught.value)


def test_a_user_name_before_the_host_is_named_as_the_error() -> None:
    with pytest.raises(RefusedError, match="carries a user name"):
        read_url("http://data.example.org@127.0.0.1/a.csv")


@given(st.text(max_size=40).map(lambda text: "http://" + text) | st.text(max_size=40))
def test_any_text_is_a_url_in_one_reading_or_refused(text: str) -> None:
    try:
        url = read_url(text)
    except RefusedError:
        return
    assert read_url(str(url)) == url
    assert isinstance(url, Url)
    assert url.target.isascii()


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_checked_the_same_inside_an_ipv6_address(address: object) -> None:
    from ipaddress import IPv4Address, IPv6Address

    assert isinstance(address, IPv4Address)
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        assert is_internal(IPv6Address(prefix | int(address))) == is_internal(address)


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_internal(address: object) -> None:
    from ipaddress import IPv4Address, IPv6Address

    assert isinstance(address, IPv4Address | IPv6Address)
    if address.is_private or address.is_link_local or address.is_multicast or address.is_reserved:
        assert is_internal(address) or getattr(address, "ipv4_mapped", None) or address.exploded.startswith("0064:ff9b")
