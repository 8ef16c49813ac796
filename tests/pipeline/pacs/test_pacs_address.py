import pytest
from requests import Request

from pipeline.pacs.address import Address, Credentials
from spine.core.problems import SpineError


def header(credentials):
    return Request("GET", "http://x/", auth=credentials.auth).prepare().headers.get("Authorization")


def test_credentials_of_the_environment():
    assert header(Credentials.of(None, {})) is None
    assert header(Credentials.of(None, {"SPINE_PACS_TOKEN": "abc"})) == "Bearer abc"
    given = {"SPINE_PACS_USER": "a", "SPINE_PACS_PASSWORD": "b"}
    assert header(Credentials.of(None, given)) == "Basic YTpi"  # base64 of a:b


def test_credentials_of_a_file_come_first(tmp_path):
    (tmp_path / "c.yaml").write_text("user: a\npassword: b\n")
    assert header(Credentials.of(tmp_path / "c.yaml", {"SPINE_PACS_TOKEN": "abc"})) == "Basic YTpi"


@pytest.mark.parametrize(
    "given",
    [
        {"SPINE_PACS_USER": "a"},
        {"SPINE_PACS_PASSWORD": "secret"},
        {"SPINE_PACS_USER": "a", "SPINE_PACS_PASSWORD": "secret", "SPINE_PACS_TOKEN": "c"},
        {"SPINE_PACS_TOKEN": "secret\nX-Other: 1"},
    ],
)
def test_credentials_that_are_none(given):
    with pytest.raises(SpineError) as error:
        Credentials.of(None, given)
    assert "secret" not in str(error.value)


def test_a_file_that_is_none_is_told_without_what_it_says(tmp_path):
    (tmp_path / "c.yaml").write_text("tokn: secret\n")
    with pytest.raises(SpineError, match="tokn") as error:
        Credentials.of(tmp_path / "c.yaml", {})
    assert "secret" not in str(error.value)


def test_no_password_of_another_program_is_sent(tmp_path, monkeypatch):
    from pipeline.pacs.bounded import Budget, session_of

    (tmp_path / "netrc").write_text("machine x login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for credentials, sent in ((Credentials(), None), (Credentials(token="abc"), "Bearer abc")):
        with session_of(Address("http://x/", credentials), Budget(1)) as session:
            assert session.prepare_request(Request("GET", "http://x/")).headers.get("Authorization") == sent


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x/y", "http://", "http://x:y/", "http://x/?a=b", "http://x/#a", "http://[::1/"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(SpineError):
        Address(url)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(SpineError, match="has a user or a password in it") as error:
        Address("http://me:secret@x/dicom-web")
    assert "secret" not in str(error.value)


def test_credentials_on_an_open_way_are_noticed():
    signed = Credentials(token="abc")
    assert Address("http://pacs.example.org/dicom-web", signed).is_open
    for url, credentials in (
        ("https://pacs.example.org", signed), ("http://127.0.0.1:8042", signed), ("http://localhost", signed),
        ("http://[::1]:80", signed), ("http://pacs.example.org", Credentials()),
    ):  # fmt: skip
        assert not Address(url, credentials).is_open
    assert "abc" not in repr(Address("http://x", signed))
