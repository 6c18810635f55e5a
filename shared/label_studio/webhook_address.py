"""Which addresses Label Studio accepts for webhooks.

Label Studio takes any address for a backend, but holds that of the backend's webhook against Django's rule for URLs. If
it does not match, the webhook is dropped silently: predictions work, annotations arrive by reconciling only.
Source: https://docs.djangoproject.com/en/5.2/ref/validators/#urlvalidator, of which this is the part for http(s).
"""

import ipaddress
import re
from urllib.parse import urlsplit

LONGEST = 2048  # characters of Label Studio's column for webhooks' addresses
LONGEST_HOST = 253
SHOWN = 100  # characters of an address that are quoted

_LETTERS = "a-z\u00a1-\uffff"
_LABEL = rf"[{_LETTERS}0-9](?:[{_LETTERS}0-9-]{{0,61}}[{_LETTERS}0-9])?"
_NAME = re.compile(
    rf"(?:{_LABEL}(?:\.(?!-)[{_LETTERS}0-9-]{{1,63}}(?<!-))*"
    rf"\.(?!-)(?:[{_LETTERS}-]{{2,63}}|xn--[a-z0-9]{{1,59}})(?<!-)\.?|localhost)",
    re.IGNORECASE,
)


def accepts_webhook(url: str) -> bool:
    """Whether Label Studio makes a webhook of this http(s) address."""
    if len(url) > LONGEST or re.search(r"\s", url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host or len(host) > LONGEST_HOST:
        return False
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return _NAME.fullmatch(host) is not None


def webhook_objection(url: str) -> str:
    """Why events do not arrive at a backend of this address, and what to do; "" if they do."""
    if accepts_webhook(url):
        return ""
    return (
        f"Label Studio makes no webhook for {url[:SHOWN]}, without saying so: its host needs a dot and letters after "
        "the last one. Connect another name of this server: server.internal in Docker Compose, "
        "segmenter.NAMESPACE.svc.cluster.local in Kubernetes, or an IP address. Until then annotations are found by "
        "reconciling only."
    )
