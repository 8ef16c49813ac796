import pytest

from spine.core.hosts import is_loopback


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(("localhost", True), ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("0.0.0.0", False)),
        *(("192.168.1.5", False), ("pacs.example.org", False), ("localhost.example.org", False), ("", False)),
    ],
)
def test_what_is_this_machine(host, here):
    assert is_loopback(host) is here
