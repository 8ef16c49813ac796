"""Mutations of text: tables, XML, the headers of volumes, label files, text format."""

from __future__ import annotations

import csv
import io
import re

from tests.hostile.values import WORDS, Random

__all__ = ["MUTATIONS", "header_and_rest"]

_LEAF = re.compile(r"<(\w+)>([^<>]*)</\1>")
_OTHER_FILES = ("/etc/hostname", "../other.raw", "../../../../etc/hostname", "LIST", "p%d.raw 1 9 1", "nowhere.raw")


def replace_a_cell(data: bytes, random: Random) -> bytes:
    rows = _rows(data)
    row = random.choice(rows[1:])
    row[random.randrange(len(row))] = random.choice(WORDS)
    return _table(rows)


def replace_a_heading(data: bytes, random: Random) -> bytes:
    rows = _rows(data)
    rows[0][random.randrange(len(rows[0]))] = random.choice(["", "word", rows[0][0], f" {rows[0][-1]} "])
    return _table(rows)


def drop_a_column(data: bytes, random: Random) -> bytes:
    rows = _rows(data)
    gone = random.randrange(len(rows[0]))
    return _table([row[:gone] + row[gone + 1 :] for row in rows])


def change_a_rows_length(data: bytes, random: Random) -> bytes:
    rows = _rows(data)
    number = random.randrange(1, len(rows))
    rows[number] = random.choice([rows[number][:-1], [*rows[number], "more"], [], ["", ""], rows[number] * 2])
    return _table(rows)


def change_the_rows(data: bytes, random: Random) -> bytes:
    rows = _rows(data)
    header, first, *rest = rows
    orders = ([header], [header, *rest], [header, first, first, *rest], [header, *rest, first], [first, *rest])
    return _table(random.choice(orders))


def break_the_quotes(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + random.choice([b'"', b'"\n', b'""', b"\r", b"\0", b"," * 3, b"x" * 200_000]) + data[place:]


def of_another_encoding(data: bytes, random: Random) -> bytes:
    text = data.decode().replace("p1", "pä", 1)
    return text.encode(random.choice(["utf-16", "latin-1", "utf-8-sig", "utf-32"]))


def replace_a_leaf(data: bytes, random: Random) -> bytes:
    return _in_leaf(data, random, lambda tag, text: f"<{tag}>{_escaped(random.choice(WORDS))}</{tag}>")


def drop_a_leaf(data: bytes, random: Random) -> bytes:
    return _in_leaf(data, random, lambda tag, text: "")


def tell_a_leaf_twice(data: bytes, random: Random) -> bytes:
    return _in_leaf(data, random, lambda tag, text: f"<{tag}>{text}</{tag}><{tag}>word</{tag}>")


def rename_a_leaf(data: bytes, random: Random) -> bytes:
    return _in_leaf(data, random, lambda tag, text: f"<word>{text}</word>")


def nest_a_leaf(data: bytes, random: Random) -> bytes:
    depth = random.choice([50, 100_000])
    return _in_leaf(data, random, lambda tag, text: f"<{tag}>{'<a>' * depth}{text}{'</a>' * depth}</{tag}>")


def xml_bomb(data: bytes, random: Random) -> bytes:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
    outside = '<!ENTITY a8 SYSTEM "file:///etc/hostname">'
    entities = random.choice([f'<!ENTITY a0 "ha">{laughs}', outside])
    body = re.sub(r"^\s*<\?xml[^>]*\?>", "", data.decode())
    told = _LEAF.sub(r"<\1>&a8;</\1>", body, count=1)
    return f"<!DOCTYPE x [{entities}]>{told}".encode()


def replace_a_word(data: bytes, random: Random) -> bytes:
    return _in_words(data, random, lambda word: random.choice(WORDS))


def drop_a_word(data: bytes, random: Random) -> bytes:
    return _in_words(data, random, lambda word: "")


def tell_a_word_twice(data: bytes, random: Random) -> bytes:
    return _in_words(data, random, lambda word: f"{word} {word}")


def drop_a_line(data: bytes, random: Random) -> bytes:
    return _in_lines(data, random, lambda line: [])


def tell_a_line_twice(data: bytes, random: Random) -> bytes:
    return _in_lines(data, random, lambda line: [line, line])


def replace_a_values_words(data: bytes, random: Random) -> bytes:
    """`key = value` of which the value becomes another one."""

    def change(line: str) -> list[str]:
        key, separator, value = re.match(r"([^=:]*)([=:]*)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
        words = value.split() or [""]
        words[random.randrange(len(words))] = random.choice(WORDS)
        return [f"{key}{separator} {random.choice([' '.join(words), random.choice(WORDS)])}"]

    return _in_lines(data, random, change)


def of_another_file(data: bytes, random: Random) -> bytes:
    """The data of a header lie elsewhere on this machine."""
    header, rest = header_and_rest(data)
    if b"NRRD" in header:
        keyless = re.sub(rb"(?m)^data ?file:.*\n", b"", header)
        return keyless.rstrip(b"\n") + f"\ndata file: {random.choice(_OTHER_FILES)}\n\n".encode() + rest
    changed = re.sub(
        rb"(?m)^ElementDataFile *=.*", b"ElementDataFile = " + random.choice(_OTHER_FILES).encode(), header
    )
    return changed + rest


def header_and_rest(data: bytes) -> tuple[bytes, bytes]:
    """The text of a MetaImage or NRRD header, to its last line's end, and the bytes behind; else all is text."""
    found = re.search(rb"(?m)^ElementDataFile *=.*\n", data) if b"NDims" in data else re.search(rb"\n\n", data)
    end = found.end() if found and data[:1] in b"NO" else len(data)
    return data[:end], data[end:]


def _rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode())))


def _table(rows: list[list[str]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()


def _in_leaf(data: bytes, random: Random, change) -> bytes:
    text = data.decode()
    leaf = random.choice(list(_LEAF.finditer(text)))
    return (text[: leaf.start()] + change(leaf[1], leaf[2]) + text[leaf.end() :]).encode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _in_words(data: bytes, random: Random, change) -> bytes:
    header, rest = header_and_rest(data)
    text = header.decode()
    word = random.choice(list(re.finditer(r"\S+", text)))
    return (text[: word.start()] + change(word[0]) + text[word.end() :]).encode() + rest


def _in_lines(data: bytes, random: Random, change) -> bytes:
    header, rest = header_and_rest(data)
    lines = header.decode().splitlines()
    number = random.randrange(len(lines))
    lines[number : number + 1] = change(lines[number])
    return "".join(f"{line}\n" for line in lines).encode() + rest


_OF_WORDS = (replace_a_word, drop_a_word, tell_a_word_twice, drop_a_line, tell_a_line_twice)
MUTATIONS = {
    "table": (
        *(replace_a_cell, replace_a_heading, drop_a_column, change_a_rows_length, change_the_rows),
        *(break_the_quotes, of_another_encoding),
    ),
    "xml": (
        *(replace_a_leaf, drop_a_leaf, tell_a_leaf_twice, rename_a_leaf, nest_a_leaf, xml_bomb, of_another_encoding),
    ),
    "words": (*_OF_WORDS, of_another_encoding),
    "header": (*_OF_WORDS, replace_a_values_words, of_another_file),
}
