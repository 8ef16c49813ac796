import time

import pytest
import yaml

from spine.core.problems import SpineError
from spine.core.yaml_files import MOST_BYTES, MOST_DEEP, load_yaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cnn: 1\nunet: 2\ncnn: 3", "line 3: 'cnn' is given again, after line 1; keep one of them"),
        ("members:\n  a: {epochs: 1,\n      epochs: 2}", "line 3: 'epochs' is given again, after line 2"),
        ("a: 1\n'a': 2", "line 2: 'a' is given again"),
        ("1: a\n+1: b", "line 2: '1' is given again"),
        ("1: a\n'1': b", "line 2: '1' is given again"),
        ("- {b: 1, b: 1}", "line 1: 'b' is given again, after line 1"),
        ("a: &a {x: 1}\nb: &b {x: 2}\nc: {<<: *a, <<: *b}", "line 3: '<<' is given again"),
    ],
)
def test_a_key_given_twice_is_told_with_both_lines(text, told):
    with pytest.raises(ValueError) as error:
        parse_yaml(text)
    assert str(error.value).startswith(told)


def test_a_merge_is_overridden_by_a_mapping_s_own_keys():
    text = "a: &a {x: 1, y: 2}\nb: &b {x: 5, z: 6}\nc: {<<: *a, x: 3}\nd: {<<: [*a, *b]}"
    assert parse_yaml(text) == {
        **{"a": {"x": 1, "y": 2}, "b": {"x": 5, "z": 6}},
        **{"c": {"x": 3, "y": 2}, "d": {"x": 1, "y": 2, "z": 6}},
    }


@pytest.mark.parametrize(
    ("key", "kind"),
    [("on", "bool"), ("Yes", "bool"), ("true", "bool"), ("null", "null"), ("~", "null"), ("1.5", "float")],
)
def test_a_key_that_yaml_takes_for_no_text_is_refused(key, kind):
    with pytest.raises(ValueError, match=rf'line 2: the key {key} is a {kind} to YAML; write "{key}", in quotes'):
        parse_yaml(f"a: 1\n{key}: 1")
    assert parse_yaml(f'"{key}": 1') == {key: 1}


@pytest.mark.parametrize("text", ["[1]: 2", "{a: 1}: 2", "? [1, 2]\n: 3"])
def test_a_key_is_no_list_or_mapping(text):
    with pytest.raises(ValueError, match="line 1: a list or mapping stands where a key is expected"):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0", 0), ("-12", -12), ("+3", 3), ("1.5", 1.5), ("-0.25", -0.25), (".5", 0.5), ("2.5e+3", 2500.0)),
        *(("true", True), ("no", False), ("~", None), ("", None), ("null", None), ("nan", "nan"), ("inf", "inf")),
        # Each of these is a date or another number to YAML 1.1.
        *(("2024-01-01", "2024-01-01"), ("2024-01-01 10:00:00Z", "2024-01-01 10:00:00Z")),
        *(("010", "010"), ("1:30", "1:30"), ("0x10", "0x10"), ("0b11", "0b11"), ("1_000", "1_000"), ("=", "=")),
    ],
)
def test_plain_values_are_decimal_numbers_truths_nothing_or_text(text, value):
    found = parse_yaml(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("number", [".nan", ".NaN", ".inf", "-.Inf", "+.INF", "1.0e+999", "9" * 5000, f"{'9' * 400}.0"])
def test_a_number_is_finite_and_of_a_length(number):
    with pytest.raises(ValueError, match=r"line 2: .*(finite|digits)"):
        parse_yaml(f"a: 1\nb: {number}")


@pytest.mark.parametrize(
    "tag", ["!!binary", "!!timestamp", "!!python/name:os.system", "!!set", "!!omap", "!own", "!!bool"]
)
def test_a_tag_is_refused(tag):
    with pytest.raises(ValueError, match=r"line 1: the tag .* is not read"):
        parse_yaml(f"a: {tag} 2024-01-01")
    assert parse_yaml("a: !!str 12") == {"a": "12"}


def doublings(count: int) -> str:
    """A text of a few hundred letters that is 2 ** count values with its aliases written out."""
    return "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, count))


@pytest.mark.parametrize(
    "text",
    [
        doublings(32),
        doublings(32).replace("[", "{p: ").replace(", ", ", q: ").replace("]", "}"),
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 32)),
        f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]",
        "&a [*a]",
        "x: &a {<<: *a}",
        "x: &a {y: {z: *a}}",
    ],
)
def test_aliases_that_blow_up_are_refused_at_once(text):
    started = time.monotonic()
    with pytest.raises(ValueError, match="its aliases written out"):
        parse_yaml(text)
    assert time.monotonic() - started < 5


def test_a_few_aliases_are_read():
    assert parse_yaml(doublings(4))["a3"] == [[["x"] * 2] * 2] * 2


@pytest.mark.parametrize(
    "text", ["[" * 3000, "{a: " * 3000, "\n".join(f"{' ' * n}a:" for n in range(200)), "- " * 3000]
)
def test_depth_has_a_bound(text):
    with pytest.raises(ValueError, match=f"nested over {MOST_DEEP} deep"):
        parse_yaml(text)
    assert parse_yaml("[" * (MOST_DEEP - 1) + "]" * (MOST_DEEP - 1))


@pytest.mark.parametrize(
    "text", ["a: [", "a: 1\n---\nb: 2", "a: *nowhere", "<<: 3", "a: \x1b[31m", "\ta: 1", "a: 'x", "%x"]
)
def test_whatever_does_not_hold_is_one_line_without_codes(text):
    with pytest.raises(ValueError) as error:
        parse_yaml(text)
    assert str(error.value).isprintable()


def test_what_pyyaml_writes_is_read_back_as_it_was():
    texts = [
        "2024-01-01",
        "010",
        "1e3",
        "1.0e5",
        "-.5",
        "1_0",
        "0x1",
        "no",
        "on",
        "~",
        "",
        "<<",
        "=",
        ".nan",
        "1:30",
        "ü",
    ]
    value = {"texts": texts, "numbers": [0.1, 1e-7, 1e300, -3, 10**20], "other": [True, None, {}, []]}
    assert parse_yaml(yaml.safe_dump(value)) == value
    assert parse_yaml(yaml.safe_dump({text: 1 for text in texts})) == {text: 1 for text in texts}


def test_a_file_is_read_in_its_own_encoding(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "x.yaml").write_bytes("a: wörter\r\nb: 1\r\n".encode(encoding))
        assert load_yaml(tmp_path / "x.yaml") == {"a": "wörter", "b": 1}
    (tmp_path / "x.yaml").write_bytes(b"a: w\xf6rter")
    with pytest.raises(SpineError, match=r"x\.yaml is not valid YAML: .*; save it as plain text in UTF-8"):
        load_yaml(tmp_path / "x.yaml")


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    (tmp_path / "x.yaml").write_text("#" * (MOST_BYTES + 1))
    with pytest.raises(SpineError, match=r"x\.yaml is longer than 262,144 bytes"):
        load_yaml(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("text", "held"), [("", "nothing"), ("- 1", "a list"), ("text", "a str"), ("# only this", "nothing")]
)
def test_a_configuration_is_a_mapping(tmp_path, text, held):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(SpineError, match=rf"x\.yaml holds {held}; a configuration is a mapping"):
        read_yaml(tmp_path / "x.yaml")


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(SpineError, match="is not a file; give the path of a YAML configuration"):
        read_yaml(tmp_path)


def test_a_relative_path_that_is_not_there_tells_where_it_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpineError, match=rf"x\.yaml is not a file; .* begin at the working directory, {tmp_path}\)"):
        read_yaml("x.yaml")


def test_scalars_may_be_asked_for_as_their_texts():
    text = "a: [no, 1, 1.50, ~, 2024-01-01, 010]\non: .nan"
    assert parse_yaml(text, texts=True) == {"a": ["no", "1", "1.50", "~", "2024-01-01", "010"], "on": ".nan"}
    with pytest.raises(ValueError, match="line 2: 'a' is given again"):
        parse_yaml("a: 1\na: 2", texts=True)
    with pytest.raises(ValueError, match="its aliases written out"):
        parse_yaml(doublings(32), texts=True)
