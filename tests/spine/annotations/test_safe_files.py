"""Text, JSON and XML files: encodings, sizes, keys told twice, and nesting."""

import json

import pytest

from spine.annotations.safe_json import brief_repr, need, parse_json, repeated_keys
from spine.annotations.safe_xml import parse_xml
from spine.annotations.text_file import read_text
from spine.annotations.types import Malformed
from spine.images import integrity


@pytest.fixture
def file(tmp_path):
    return tmp_path / "x"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_an_encoding_that_the_first_bytes_tell_is_read(file, encoding):
    file.write_text("Wirbelkörper", encoding=encoding)
    assert read_text(file) == "Wirbelkörper"


def test_big_endian_text_with_its_mark_is_read(file):
    file.write_bytes(b"\xfe\xff" + "Wirbelkörper".encode("utf-16-be"))
    assert read_text(file) == "Wirbelkörper"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_an_encoding_that_nothing_tells_is_a_problem_with_advice(file, encoding):
    file.write_text("Wirbelkörper", encoding=encoding)
    with pytest.raises(Malformed, match="is not readable text in UTF-8") as error:
        read_text(file)
    assert error.value.advice == "save it again in UTF-8"
    assert read_text(file, lenient=True) == "Wirbelk\udcf6rper"


@pytest.mark.parametrize("data", ["Körper".encode("utf-16-le"), b"a\0b", bytes(8)])
def test_zero_bytes_are_no_text(file, data):
    file.write_bytes(data)
    with pytest.raises(Malformed, match=r"holds zero bytes|is not readable text"):
        read_text(file)


def test_a_file_that_is_too_large_or_cannot_be_opened_is_told_before_it_is_read(file):
    with file.open("wb") as stream:
        stream.truncate(integrity.MAX_BYTES + 1)  # holes: it takes no room
    for read in (read_text, parse_json, parse_xml):
        with pytest.raises(Malformed, match="would take 1,073,741,825 bytes"):
            read(file)
    with pytest.raises(Malformed, match="cannot be opened"):
        read_text(file.with_name("nowhere"))


@pytest.mark.parametrize("text", ["[" + "[]," * 5_000_000 + "0]", "[" + "{}," * 3_000_000 + "0]"])
def test_a_json_file_of_more_values_than_there_is_room_for_is_not_parsed(file, monkeypatch, text):
    monkeypatch.setattr(json, "loads", None)  # a call of it is a TypeError
    monkeypatch.setattr(integrity.check_bytes, "__defaults__", (2**29,))
    file.write_text(text)
    with pytest.raises(Malformed, match="bytes, and 536,870,912 can be read"):
        parse_json(file)


def test_an_xml_file_of_more_tags_than_there_is_room_for_is_not_parsed(file, monkeypatch):
    monkeypatch.setattr(integrity.check_bytes, "__defaults__", (2**20,))
    file.write_text("<annotation>" + "<a/>" * 10_000 + "</annotation>")
    with pytest.raises(Malformed, match="would take"):
        parse_xml(file)


def test_keys_that_are_told_twice_and_differ_are_no_record(file):
    file.write_text('{"a": {"x": 1, "x": 2}, "b": {"x": 1, "x": 1}, "c": {"x": [1], "y": 2}}')
    content = parse_json(file)
    assert [repeated_keys(content[key]) for key in "abc"] == [("x",), (), ()]
    with pytest.raises(Malformed, match="tells the key 'x' twice, and differently"):
        need(content["a"], "x")
    assert need(content["b"], "x") == 1


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000, "{" * 100_000, '{"a": 1,}', "{'a': 1}"])
def test_json_that_cannot_be_read_is_told(file, text):
    file.write_text(text)
    with pytest.raises(Malformed, match="is not readable JSON"):
        parse_json(file)


def test_a_value_is_shown_in_a_few_letters():
    assert len(brief_repr({"a": [list(range(1000))] * 1000, "b": "x" * 10**6})) <= 200


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "cp1252"])
def test_xml_is_read_in_the_encoding_that_it_declares(file, encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><annotation><name>Wirbelkörper</name></annotation>'
    file.write_bytes(text.encode(encoding))
    assert parse_xml(file).findtext("name") == "Wirbelkörper"


@pytest.mark.parametrize("encoding", ["no-such", "shift_jis", "utf-7"])
def test_an_encoding_that_xml_cannot_have_is_told(file, encoding):
    file.write_text(f'<?xml version="1.0" encoding="{encoding}"?><annotation/>')
    with pytest.raises(Malformed, match="is not readable XML"):
        parse_xml(file)


def test_deep_xml_is_read_or_told(file):
    file.write_text("<annotation>" + "<a>" * 200_000 + "</a>" * 200_000 + "</annotation>")
    assert parse_xml(file).tag == "annotation"
