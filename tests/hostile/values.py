"""What a number, a word or a text is replaced by: what files in the wild hold where a number should stand."""

from __future__ import annotations

import random

__all__ = ["NAMES", "NUMBERS", "TOKENS", "WORDS", "Random"]

Random = random.Random

NUMBERS = (0, -1, 1, 2**15, 2**31, 2**32 - 1, 2**63, 10**40)  # as numbers of a text; a field of a header wraps them
WORDS = (
    *("", "word", "NaN", "nan", "inf", "-Infinity", "1e999", "1_0", "1,5", "0x10", "١٢", "true", "null"),
    *("-0", "9" * 5000, "=1+1", "\x1b[31mred", "../../etc/hostname", "/etc/hostname", "a;b", "ä", "\0", "2001-01-01"),
    *map(str, NUMBERS),
)
TOKENS = (  # raw tokens of JSON, and of YAML
    *("NaN", "Infinity", "-Infinity", "1e999", "null", "true", "[]", "{}", '""', '"word"', '"NaN"', '"\\ud800"', "1.5"),
    *("9" * 5000, "[1, [2, [3]]]", "{nan: 1}", '{"a": {"b": 1}}', "[NaN, NaN, NaN, NaN]", '"1_0"', "-1.0e-5"),
    *map(str, NUMBERS),
)
NAMES = ("Å\x1b[31m", "x" * 250, "a;b, c", "=cmd", "-rf", "two  words", "ä", "a\u0308", "%41", "[red]", "a\nb", "NUL")
