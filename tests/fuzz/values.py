"""Values that programs stumble over: numbers at the edges of types, hostile texts, values of wrong types."""

from __future__ import annotations

from typing import Any

HOSTILE_MODULE = "hostile_module"  # An input that names it must never have it imported.

NUMBERS: tuple[float, ...] = (
    0, -1, 1, 2, 3, 7, 255, 256, -0.0, 0.5, 1e-320, 1e-9, 1e38, 1e39, 1e308, -1e308, float("nan"), float("inf"),
    float("-inf"), 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "²", "١٢", "nan", "1e999", "0x10", "1_000", "true", "null", "none", "-", "--help", ".", "..", "/",
    "../../outside", "/dev/zero", "~", "~nobody/x", "con", "a\nb", "a\x1b[31mb", "a\x00b", "a\tb", "é", "e\u0301",
    "\u202eabc", "\ud800", "\U0001f600", "x" * 300, "{seed}", "{0.__class__}", "{{7*7}}", "%s%n%d", "$(touch x)",
    "`touch x`", "__import__('os')", f"{HOSTILE_MODULE}:procedure", HOSTILE_MODULE, "=1+1", "[1,2", "<b>bold</b>",
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "'-alert(1)-'",
    "<!--", "]]>", "&lt;", "javascript:alert(1)", "\\u0041", "$\\frac{", "$x^{$", "\\", "a/b", "a:b", "a,b", "a;b",
)  # fmt: skip
WRONG: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [None],
    [[]],
    [""],
    {"a": 1},
    [1, 2],
    [1.5],
    [[1, 2], [3]],
    {"": {}},
)
VALUES: tuple[Any, ...] = (*NUMBERS, *TEXTS, *WRONG)

# Whole contents: deep nesting, numbers of many digits, nothing at all.
FILLS = (
    (b"", 0), (b"[", 100_000), (b'{"a":', 5_000), (b"9", 5_000), (b"\0", 64), (b"\xff", 64), (b"\n", 5_000),
    (b"a=[", 3_000), (b"a.", 2_000), (b"{}", 1), (b"[]", 1), (b"null", 1), (b"\xef\xbb\xbf", 1), (b"\xff\xfe", 1),
)  # fmt: skip

# What a line of TOML, of a table of text or of overrides may say in place of a value.
LITERALS = (
    "0", "-1", "1e400", "nan", "inf", "-inf", "9223372036854775807", "9223372036854775808", "1" + "0" * 400, "true",
    "[]", "[[]]", "[1]", "[1, 'a']", "{}", "{a = 1}", "''", '"\\u0000"', '"a\\nb"', "1979-05-27", "07:32:00", "0x7f",
    "[0]", "[1e308, 1e308]", "[99999999999]", "1e308", "5e-324", "'²'", "²", "none", "'../x'", "'<b>'", "0.1", "3",
)  # fmt: skip

DTYPES = (
    "|b1", "|i1", "|u1", "<i2", ">i4", "<i8", "<u8", "<f2", "<f4", ">f8", "<c16", "|O", "|S3", "<U3", "<M8[s]", "<m8[D]",
    "|V4",
)  # fmt: skip
SHAPES = (
    (), (0,), (1,), (12,), (0, 0), (12, 0), (1, 12), (12, 12), (12, 8, 8), (12, 8, 8, 0), (12, 8, 8, 1), (12, 8, 8, 3),
    (12, 3, 8, 8), (6, 8, 8, 3), (12, 1, 1, 1, 1), (10**12,), (10**6, 10**6, 3), (2**62, 4), (-1,), (12, -8), (2**64,),
    (0, 2**62), (2**32, 2**32),
)  # fmt: skip
