"""The address of the API."""

from ipaddress import ip_address

from yarl import URL

DEFAULT_BASE_URL = "https://api.flatpeak.com"


def normalize_base_url(text: str) -> str:
    """Return an API address in its one spelling, without a trailing slash.

    The account's credentials travel to this address, so that only https will do,
    or http that does not leave this machine. The text is never repeated in an error.

    Raises:
        ValueError: It is no such address, or has a user, query or fragment.
    """
    try:
        url = URL(text.strip())
    except ValueError:
        url = URL()
    if not url.host:
        raise ValueError("Not a web address")
    if "@" in url.authority or "?" in text or "#" in text:
        raise ValueError("An address without user, query or fragment is needed")
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host)):
        raise ValueError("Only https is allowed, or http on this machine")
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    """Tell whether a host is this very machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
