"""A pickle of tensors, read without unpickling.

`pickletools` names the opcodes and this module acts on them: no name of the file is imported, none is called, and no
object is made but dicts, lists, tuples, numbers, text and the descriptions below. What else occurs is refused by name.
"""

from __future__ import annotations

import pickletools
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

__all__ = ["AGAIN", "BadStateDict", "Global", "Storage", "Tensor", "read_pickle"]

MOST_OPCODES = 2_000_000  # a ResNet-152 has about 25,000
MOST_BYTES = 2**16  # of one name or number
AGAIN = "fetch it again"  # of a file that may have been damaged on its way
_ADVICE = "give the weights alone, as torch.save(model.state_dict(), FILE) writes them"


class BadStateDict(ValueError):
    """A file that is no state dict, or is damaged; its text says why."""


@dataclass(frozen=True)
class Global:
    """A name of Python that the pickle mentions; it stays a name."""

    module: str
    name: str


@dataclass(frozen=True)
class Storage:
    """`count` numbers of a type such as "Float", stored in the file under `key`."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pickle(stream: BinaryIO) -> Any:
    """What the pickle at the stream's position describes; the stream then stands after it. BadStateDict where it
    holds anything but tensors in dicts and lists."""
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(cast(BinaryIO, _Bounded(stream)))):
            if opcode.name == "STOP":
                return machine.pop()
            if number > MOST_OPCODES:
                raise BadStateDict(f"it has more than {MOST_OPCODES:,} opcodes")
            machine.do(opcode.name, argument)
    except BadStateDict:
        raise
    except (IndexError, KeyError, ValueError) as error:  # ValueError of genops: an opcode that is none, or one cut off
        raise BadStateDict(f"its pickle is damaged ({error}); {AGAIN}") from None
    raise BadStateDict(f"its pickle has no end; {AGAIN}")


class _Bounded:
    """A stream of which no read asks for more than a pickle of names and shapes can need, whatever the pickle says."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.tell = stream, stream.tell

    def read(self, size: int) -> bytes:
        return self._stream.read(min(size, MOST_BYTES))

    def readline(self) -> bytes:
        return self._stream.readline(MOST_BYTES)


_MARK = object()
_LITERALS = frozenset(
    ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING")
) | {"SHORT_BINSTRING"}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_SMALL_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        item = self._stack.pop()
        if item is _MARK:
            raise BadStateDict("its pickle is damaged (a mark where a value should be)")
        return item

    def do(self, name: str, argument: Any) -> None:
        """Act on one opcode; BadStateDict where it is none that tensors need."""
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _SMALL_TUPLES:
            self._stack.append(tuple([self.pop() for _ in range(_SMALL_TUPLES[name])][::-1]))
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise BadStateDict(f"its pickle has the opcode {name}, which tensors do not need; {_ADVICE}")

    def mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def tuple_of_marked(self, _: Any) -> None:
        self._stack.append(tuple(self._marked()))

    def remember(self, place: Any) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def recall(self, place: Any) -> None:
        self._stack.append(self._memo[place])

    def name(self, text: Any) -> None:
        module, _, name = text.partition(" ")
        self._stack.append(_allowed(Global(module, name)))

    def name_of_stack(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        self._stack.append(_allowed(Global(str(module), str(name))))

    def reduce(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        rebuild = _REBUILT.get(function) if isinstance(function, Global) else None
        if rebuild is None or not isinstance(arguments, tuple):
            raise BadStateDict(f"its pickle calls {_shown(function)}, which is not called here; {_ADVICE}")
        self._stack.append(rebuild(*arguments))

    def storage(self, _: Any) -> None:
        match self.pop():
            case ("storage", Global("torch", kind), str(key), str(), int(count), *view) if not any(view) and count >= 0:
                self._stack.append(Storage(kind.removesuffix("Storage"), key, count))
            case other:
                raise BadStateDict(f"its pickle refers to {_shown(other)}, which is no storage of numbers")

    def append(self, _: Any) -> None:
        item = self.pop()
        _as(self._stack[-1], list).append(item)

    def extend(self, _: Any) -> None:
        items = self._marked()
        _as(self._stack[-1], list).extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._set((key, value))

    def set_items(self, _: Any) -> None:
        self._set(self._marked())

    def ignore_attributes(self, _: Any) -> None:
        self.pop()  # of an OrderedDict: the versions of its modules
        _as(self._stack[-1], dict)

    def _set(self, items: Any) -> None:
        taken = _as(self._stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            taken[_as(key, (str, int))] = value

    def _marked(self) -> list[Any]:
        items = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_of_marked,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.recall),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_of_stack,
    "REDUCE": _Machine.reduce,
    "BINPERSID": _Machine.storage,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "BUILD": _Machine.ignore_attributes,
}


def _as(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise BadStateDict(f"its pickle is damaged, or holds other things than tensors ({type(value).__name__})")
    return value


def _shown(value: Any) -> str:
    """Its beginning: what is nested in itself over and over is small in a file and endless in words."""
    return str(value) if isinstance(value, Global) else reprlib.repr(value)


def _allowed(name: Global) -> Global:
    if name not in _REBUILT and not (name.module == "torch" and name.name.endswith("Storage")):
        raise BadStateDict(f"its pickle names {name.module}.{name.name}, which is no tensor; {_ADVICE}")
    return name


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return {_as(key, (str, int)): value for key, value in _as(pairs, (list, tuple))}


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    numbers = (offset, *_as(shape, tuple), *_as(strides, tuple))
    if not all(type(number) is int and 0 <= number < 2**48 for number in numbers) or len(shape) != len(strides):
        raise BadStateDict(f"its pickle has a tensor of shape {_shown(shape)} and strides {_shown(strides)}")
    return Tensor(_as(storage, Storage), offset, shape, strides)


def _parameter(data: Any, *_: Any) -> Any:
    return data


# What a pickle may call, and what stands for it here.
_REBUILT: dict[Global, Callable[..., Any]] = {
    Global("collections", "OrderedDict"): _ordered,
    Global("torch._utils", "_rebuild_tensor"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Global("torch._utils", "_rebuild_parameter"): _parameter,
}
