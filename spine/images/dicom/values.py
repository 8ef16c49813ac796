"""Values of a DICOM header as numbers: strict, with remarks on what is meant though it bends the standard.

Files state a decimal comma, one value twice, a text where binary numbers are due, or NaN. What can only be meant in one
way is read, and a remark tells so; the rest is an error that names the element and quotes what it holds, or where the
picture can do without it (`known`) a remark, and the element counts as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spine.core.numbers import finite, whole
from spine.core.problems import SpineError, brief, fault_of

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["REPAIR", "Header"]

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_TEXT = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
_BINARY = {"AT", "FD", "FL", "SL", "SQ", "SS", "SV", "UL", "US", "UV", "US or SS", "US or OW", "US or SS or OW"}
REPAIR = "repair its header, or leave the file out"


@dataclass(frozen=True)
class Header:
    """A dataset, or an item of one, and the remarks made on its values; items share the remarks of their dataset.

    `lines` are these, as the keys of a dict: each of thousands of frames may make one.
    `order` is the byte order of 16-bit words within byte values: "<" or ">", as the transfer syntax has it.
    """

    dataset: Dataset
    order: str = "<"
    lines: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset) -> Header:
        """The header of a whole dataset, in the byte order of its transfer syntax."""
        meta = getattr(dataset, "file_meta", None)
        return cls(dataset, ">" if meta and meta.get("TransferSyntaxUID") == _BIG_ENDIAN else "<")

    def item(self, dataset: Dataset) -> Header:
        """The header of an item within, whose remarks join these."""
        return Header(dataset, self.order, self.lines)

    @property
    def remarks(self) -> list[str]:
        """The remarks until now, in the order in which they were made."""
        return list(self.lines)

    def remark(self, text: str) -> None:
        """Note, once, what a reader of the picture should know about its header."""
        self.lines.setdefault(brief(text))

    def has(self, keyword: str) -> bool:
        """Whether the element is there and not empty."""
        return bool(self._parts(keyword))

    def numbers(self, keyword: str) -> list[float]:
        """All values of an element as finite numbers, none where it is absent; SpineError of what is no number."""
        return [self._number(keyword, part) for part in self._parts(keyword)]

    def known(
        self, keyword: str, holds: Callable[[Sequence[float]], bool], fault: str = "does not hold"
    ) -> tuple[float, ...] | None:
        """As `numbers`, but None where the element is absent or, with a remark, damaged or `holds` denies it.

        `fault` is what the remark says then: "EchoTime is '-5', which <fault>".
        """
        try:
            values = tuple(self.numbers(keyword))
        except SpineError as error:
            self.remark(f"{str(error).partition(';')[0]}: it is damaged and was passed over")
            return None
        if values and not holds(values):
            self.remark(f"{keyword} is {self.quote(keyword)}, which {fault}: it is damaged and was passed over")
            return None
        return values or None

    def number(self, keyword: str, default: float | None = None) -> float:
        """The one value of an element, or the default where it is absent or empty; SpineError where neither holds."""
        values = self.numbers(keyword)
        if not values and default is not None:
            return default
        if not values or len(set(values)) > 1:
            told = self.quote(keyword) if values else "missing or empty"
            raise SpineError(f"{keyword} is {told}, where one number must hold; {REPAIR}")
        if len(values) > 1:
            self.remark(f"{keyword} is {self.quote(keyword)}, read as {values[0]:g}")
        return values[0]

    def whole(self, keyword: str, default: int | None = None) -> int:
        """The one value of an element as a whole number; as `number`."""
        value = self.number(keyword, default)
        try:
            return whole(value)
        except ValueError as error:
            raise SpineError(f"{keyword} is {value:g}, where a whole number must hold; {REPAIR}") from error

    def text(self, keyword: str) -> str:
        """The first value of an element as text in capitals, such as a code; "" where it is absent."""
        parts = self._parts(keyword)
        return str(parts[0]).strip(" \0").upper() if parts else ""

    def label(self, keyword: str) -> str:
        """An element as text in the file's own character set, as a name or a UID; "" where it is absent."""
        value = self._value(keyword)
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        parts = value if _is_many(value) else [value]
        return "" if value is None else "\\".join("" if part is None else str(part).strip(" \0") for part in parts)

    def names(self, keyword: str) -> list[str]:
        """The values of `label` one by one; none where they cannot be read."""
        try:
            label = self.label(keyword)
        except SpineError:  # a name is only looked for, and whoever asks for it is told what there is
            return []
        return label.split("\\") if label else []

    def items(self, keyword: str) -> list[Header]:
        """The items of a sequence; none, with a remark, where the element is no sequence."""
        items = self._items(keyword)
        if items is None:
            self.remark(f"{keyword} is no sequence of items, and was passed over")
        return [self.item(one) for one in items or ()]

    def macro(self, keyword: str, frame: int = 0) -> Header:
        """The item of a functional group macro that holds for a frame, or the header itself where there is none.

        An enhanced multi-frame object says things a frame in PerFrameFunctionalGroupsSequence, or once for all in
        SharedFunctionalGroupsSequence (PS3.3 C.7.6.16); a classic object says them at its root. SpineError where these
        are no sequences, or have no item for the frame.
        """
        per_frame = self._groups("PerFrameFunctionalGroupsSequence")
        if per_frame and frame >= len(per_frame):
            raise SpineError(f"PerFrameFunctionalGroupsSequence has {len(per_frame)} items, and none for frame {frame}")
        shared = self._groups("SharedFunctionalGroupsSequence")
        for group in (*per_frame[frame : frame + 1], *shared[:1]):
            if items := self.item(group)._groups(keyword):
                return self.item(items[0])
        return self

    def words(self, keyword: str) -> np.ndarray:
        """All values of an element as uint16 words, signed ones in two's complement, whatever their VR."""
        parts = self._parts(keyword)
        of_text = any(isinstance(part, str) for part in parts)
        values = np.array([self._number(keyword, part) for part in parts] if of_text else parts)
        if len(values) and not (((values == np.rint(values)) & (values >= -(2**15)) & (values < 2**16)).all()):
            raise SpineError(f"{keyword} is {self.quote(keyword)}, where 16-bit numbers must hold; {REPAIR}")
        return (values.astype(np.int64) & 0xFFFF).astype(np.uint16)

    def bytes_of(self, keyword: str) -> bytes:
        """The values of an element as bytes, the least significant of each word first, whatever its VR and order."""
        element = self.dataset.get_item(keyword)
        if element is not None and element.VR == "OB" and isinstance(element.value, bytes):
            return element.value
        return self.words(keyword).astype("<u2").tobytes()

    def quote(self, keyword: str) -> str:
        """What an element holds, in a few letters."""
        parts = self._parts(keyword) or ("",)
        return brief(repr("\\".join(map(str, parts))) if isinstance(parts[0], str) else str(list(parts)), 60)

    def _value(self, keyword: str) -> Any:
        try:
            return self.dataset.get(keyword)
        except Exception as error:  # pydicom raises anything on a value that is not of its VR
            raise SpineError(f"{keyword} cannot be read ({fault_of(error)}); {REPAIR}") from error

    def _items(self, keyword: str) -> Sequence[Any] | None:
        """The datasets of a sequence; None where the element is none."""
        value = self._value(keyword)
        if value is None or (_is_many(value) and not len(value)):
            return ()
        # One look is enough, and cheap where thousands of frames have an item: a sequence holds nothing else.
        return value if _is_many(value) and hasattr(value[0], "get_item") else None

    def _groups(self, keyword: str) -> Sequence[Any]:
        items = self._items(keyword)
        if items is None:
            raise SpineError(f"{keyword} is no sequence of items; {REPAIR}")
        return items

    def _parts(self, keyword: str) -> Sequence[Any]:
        """The values of an element: text as it is written, or numbers; bytes are read as unsigned words."""
        element = self.dataset.get_item(keyword)
        if element is None or element.value is None or (_is_many(element.value) and not len(element.value)):
            return ()
        try:
            if hasattr(element, "is_raw") and element.is_raw and _is_text(element):
                value: Any = element.value.decode("latin-1").strip(" \0").split("\\")
            else:
                value = self.dataset[keyword].value
        except Exception as error:  # as `_value`
            raise SpineError(f"{keyword} cannot be read ({fault_of(error)}); {REPAIR}") from error
        if isinstance(value, bytes):
            order = "<" if element.VR == "OB" else self.order
            value = np.frombuffer(value + b"\0" * (len(value) % 2), f"{order}u2").tolist()
        parts = [str(part) if _is_decimal(part) else part for part in (value if _is_many(value) else [value])]
        while parts and (parts[-1] is None or (isinstance(parts[-1], str) and not parts[-1].strip(" \0"))):
            parts.pop()
        return parts

    def _number(self, keyword: str, part: Any) -> float:
        text = part.strip(" \0") if isinstance(part, str) else part
        try:
            if isinstance(text, str) and text.count(",") == 1 and "." not in text:
                value = finite(text.replace(",", "."))
                self.remark(f"{keyword} is {text!r}, with a decimal comma: read as {value:g}")
                return value
            return finite(text)
        except ValueError as error:
            raise SpineError(f"{keyword} is {brief(repr(text), 60)}, which is not a finite number; {REPAIR}") from error


def _is_text(element: Any) -> bool:
    """Whether a raw element is text: by its own VR, or where that tells nothing (UN, an unknown one) by its keyword."""
    from pydicom.datadict import dictionary_VR

    vr = element.VR or dictionary_VR(element.tag)
    return vr in _TEXT or (vr not in _BINARY and dictionary_VR(element.tag) in _TEXT)


def _is_many(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)  # a PersonName has a length, and is one value


def _is_decimal(part: Any) -> bool:
    return hasattr(part, "original_string")  # pydicom's DS and IS, which keep what was written
