"""XML files of one image each, parsed without entities: a document type declaration is refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from spine.annotations.text_file import read_bytes_of
from spine.annotations.types import EXPORT_AGAIN, Malformed, as_malformed
from spine.core.files import atomic_file
from spine.core.problems import brief
from spine.images.integrity import check_bytes

__all__ = ["child", "child_text", "parse_xml", "write_xml"]


_PER_TAG = 200  # bytes that an element takes in memory, about


class _Builder(ElementTree.TreeBuilder):
    """Stops at the start of a DOCTYPE, before any entity in it is defined (expansion attacks, file inclusion)."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse the declaration."""
        raise Malformed(f"declares a document type ({name!r}), which may hide entities", "remove the DOCTYPE line")


def parse_xml(path: Path) -> ElementTree.Element:
    """The root `<annotation>` of a file; Malformed where it cannot be read, is another, or declares a DOCTYPE."""
    data = read_bytes_of(path)
    with as_malformed(path):
        check_bytes(len(data) + _PER_TAG * data.count(b"<"), path)
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_Builder()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Malformed(f"is not readable XML: {error}", EXPORT_AGAIN) from error
    if root.tag != "annotation":
        raise Malformed(f"has the root <{root.tag}>; it should be <annotation>")
    return root


def child(element: ElementTree.Element, tag: str) -> ElementTree.Element:
    """The child of that tag; Malformed where there is none, or several."""
    children = element.findall(tag)
    if len(children) > 1:
        raise Malformed(f"<{element.tag}> has {len(children)} <{tag}>, not one", "keep the one that is right")
    if not children:
        has = ", ".join(dict.fromkeys(inner.tag for inner in element)) or "nothing"
        raise Malformed(f"<{element.tag}> lacks <{tag}>; it has {brief(has)}")
    return children[0]


def child_text(element: ElementTree.Element, tag: str) -> str:
    """The stripped text of a child; Malformed where it is missing or empty."""
    text = (child(element, tag).text or "").strip()
    if not text:
        raise Malformed(f"<{tag}> in <{element.tag}> is empty")
    return text


def write_xml(root: ElementTree.Element, path: Path) -> None:
    """Write indented UTF-8, atomically."""
    ElementTree.indent(root)
    with atomic_file(path) as temporary:
        temporary.write_bytes(ElementTree.tostring(root, encoding="utf-8") + b"\n")
