"""Where credentials may go."""

import pytest

from custom_components.flatpeak.api import DEFAULT_BASE_URL, normalize_base_url


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (DEFAULT_BASE_URL, "https://api.flatpeak.com"),
        (" https://api.flatpeak.com/ ", "https://api.flatpeak.com"),
        ("HTTPS://API.FlatPeak.com", "https://api.flatpeak.com"),
        (
            "https://proxy.example:8443/flat/peak//",
            "https://proxy.example:8443/flat/peak",
        ),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://@host:443", "https://host"),
        ("http://localhost:1", "http://localhost:1"),
    ],
)
def test_accepted(text: str, address: str) -> None:
    """One address has one spelling, and normalizing it again changes nothing."""
    assert normalize_base_url(text) == address
    assert normalize_base_url(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.flatpeak.com",
        "https://",
        "/path",
        "https://[::1",
        "https://host:99999",
        "https://host:port",
        "http://api.flatpeak.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://user:hunter2@host",
        "https://hunter2@host",
        "https://host/?hunter2",
        "https://host/#hunter2",
        "https://host?",
        "https://host#",
    ],
)
def test_refused(text: str) -> None:
    """Nothing else is accepted, and the text is not repeated."""
    with pytest.raises(ValueError, match=r"address|https") as caught:
        normalize_base_url(text)
    assert "hunter2" not in str(caught.value)
