"""XML files of one image each, parsed without entities: a document type declaration is refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from spine.annotations.types import Malformed
from spine.files import atomic_file

__all__ = ["child", "child_text", "integer", "parse_xml", "write_xml"]


class _Builder(ElementTree.TreeBuilder):
    """Stops at the start of a DOCTYPE, before any entity in it is defined (expansion attacks, file inclusion)."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse the declaration."""
        raise Malformed(f"declares a document type ({name!r}), which may hide entities", "remove the DOCTYPE line")


def parse_xml(path: Path) -> ElementTree.Element:
    """The root `<annotation>` of a file; Malformed where it cannot be read, is another, or declares a DOCTYPE."""
    try:
        parser = ElementTree.XMLParser(target=_Builder())
        root = ElementTree.parse(path, parser).getroot()
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise Malformed(f"is not readable XML: {error}", "export or copy the file again") from error
    if root.tag != "annotation":
        raise Malformed(f"has the root <{root.tag}>; it should be <annotation>")
    return root


def child(element: ElementTree.Element, tag: str) -> ElementTree.Element:
    """The first child of that tag; Malformed where there is none."""
    found = element.find(tag)
    if found is None:
        has = ", ".join(inner.tag for inner in element) or "nothing"
        raise Malformed(f"<{element.tag}> lacks <{tag}>; it has {has}")
    return found


def child_text(element: ElementTree.Element, tag: str) -> str:
    """The stripped text of a child; Malformed where it is missing or empty."""
    text = (child(element, tag).text or "").strip()
    if not text:
        raise Malformed(f"<{tag}> in <{element.tag}> is empty")
    return text


def integer(element: ElementTree.Element, path: str) -> int | None:
    """The whole number at `path`, None where it is missing or is not one."""
    text = (element.findtext(path) or "").strip()
    return int(text) if text.isdecimal() else None


def write_xml(root: ElementTree.Element, path: Path) -> None:
    """Write indented UTF-8, atomically."""
    ElementTree.indent(root)
    with atomic_file(path) as temporary:
        temporary.write_bytes(ElementTree.tostring(root, encoding="utf-8") + b"\n")
