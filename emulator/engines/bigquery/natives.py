"""Functions of GoogleSQL that DuckDB cannot say, in Python: exact, and slower than its own."""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

NUMERIC = "DECIMAL(38, 9)"
PLACES, LIMIT = Decimal("1e-9"), Decimal("1e29")
EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
MASK = (1 << 64) - 1
K0, K1, K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the functions known to a database."""
    connection.create_function("bq_farm_fingerprint", farm_fingerprint, ["BLOB"], "BIGINT")
    connection.create_function("bq_sha512", sha512, ["BLOB"], "BLOB")
    connection.create_function("bq_numeric_multiply", multiply, [NUMERIC, NUMERIC], NUMERIC)
    connection.create_function("bq_numeric_divide", divide, [NUMERIC, NUMERIC], NUMERIC)


def multiply(one: Decimal, other: Decimal) -> Decimal:
    """The product of two NUMERIC values, rounded half away from zero to nine places."""
    return _rounded(EXACT.multiply(one, other))


def divide(one: Decimal, other: Decimal) -> Decimal:
    """The quotient of two NUMERIC values, rounded half away from zero to nine places."""
    if not other:
        raise ValueError("division by zero")
    return _rounded(EXACT.divide(one, other))


def _rounded(value: Decimal) -> Decimal:
    with localcontext(EXACT):
        rounded = value.quantize(PLACES)
    if abs(rounded) >= LIMIT:
        raise ValueError("numeric overflow")
    return rounded


def sha512(value: bytes) -> bytes:
    """The digest of bytes."""
    return hashlib.sha512(value).digest()


def farm_fingerprint(value: bytes) -> int:
    """FarmHash's Fingerprint64 as a signed number.

    https://github.com/google/farmhash/blob/master/src/farmhash.cc (namespace farmhashna)
    """
    found = _fingerprint(bytes(value))
    return found - (1 << 64) if found >> 63 else found


def _word(text: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(text[at : at + size], "little")


def _rotated(value: int, shift: int) -> int:
    return (value >> shift | value << (64 - shift)) & MASK


def _mixed(value: int) -> int:
    return value ^ value >> 47


def _hash16(low: int, high: int, factor: int) -> int:
    a = (low ^ high) * factor & MASK
    b = (high ^ _mixed(a)) * factor & MASK
    return _mixed(b) * factor & MASK


def _fingerprint(text: bytes) -> int:
    size = len(text)
    if size <= 16:
        return _up_to_16(text, size)
    if size <= 32:
        factor = K2 + size * 2 & MASK
        a, b = _word(text, 0) * K1 & MASK, _word(text, 8)
        c, d = _word(text, size - 8) * factor & MASK, _word(text, size - 16) * K2 & MASK
        return _hash16(_rotated(a + b & MASK, 43) + _rotated(c, 30) + d & MASK, a + _rotated(b + K2 & MASK, 18) + c & MASK, factor)
    if size <= 64:
        return _up_to_64(text, size)
    return _beyond_64(text, size)


def _up_to_16(text: bytes, size: int) -> int:
    if size >= 8:
        factor = K2 + size * 2 & MASK
        a, b = _word(text, 0) + K2 & MASK, _word(text, size - 8)
        return _hash16(_rotated(b, 37) * factor + a & MASK, (_rotated(a, 25) + b) * factor & MASK, factor)
    if size >= 4:
        factor = K2 + size * 2 & MASK
        return _hash16(size + (_word(text, 0, 4) << 3) & MASK, _word(text, size - 4, 4), factor)
    if size > 0:
        y, z = text[0] + (text[size >> 1] << 8), size + (text[size - 1] << 2)
        return _mixed(y * K2 & MASK ^ z * K0 & MASK) * K2 & MASK
    return K2


def _up_to_64(text: bytes, size: int) -> int:
    factor = K2 + size * 2 & MASK
    a, b = _word(text, 0) * K2 & MASK, _word(text, 8)
    c, d = _word(text, size - 8) * factor & MASK, _word(text, size - 16) * K2 & MASK
    y = _rotated(a + b & MASK, 43) + _rotated(c, 30) + d & MASK
    z = _hash16(y, a + _rotated(b + K2 & MASK, 18) + c & MASK, factor)
    e, f = _word(text, 16) * factor & MASK, _word(text, 24)
    g, h = (y + _word(text, size - 32)) * factor & MASK, (z + _word(text, size - 24)) * factor & MASK
    return _hash16(_rotated(e + f & MASK, 43) + _rotated(g, 30) + h & MASK, e + _rotated(f + a & MASK, 18) + g & MASK, factor)


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(text, at + shift) for shift in (0, 8, 16, 24))
    a = a + w & MASK
    b = _rotated(b + a + z & MASK, 21)
    c = a
    a = a + x + y & MASK
    b = b + _rotated(a, 44) & MASK
    return a + z & MASK, b + c & MASK


def _beyond_64(text: bytes, size: int) -> int:
    x, y = 81, 81 * K1 + 113 & MASK
    z = _mixed(y * K2 + 113 & MASK) * K2 & MASK
    v, w = (0, 0), (0, 0)
    x = x * K2 + _word(text, 0) & MASK
    end, at = (size - 1) // 64 * 64, 0
    last = end + ((size - 1) & 63) - 63
    while True:
        x = _rotated(x + y + v[0] + _word(text, at + 8) & MASK, 37) * K1 & MASK
        y = _rotated(y + v[1] + _word(text, at + 48) & MASK, 42) * K1 & MASK
        x ^= w[1]
        y = y + v[0] + _word(text, at + 40) & MASK
        z = _rotated(z + w[0] & MASK, 33) * K1 & MASK
        v = _weak(text, at, v[1] * K1 & MASK, x + w[0] & MASK)
        w = _weak(text, at + 32, z + w[1] & MASK, y + _word(text, at + 16) & MASK)
        z, x = x, z
        at += 64
        if at == end:
            break
    factor = K1 + ((z & 0xFF) << 1) & MASK
    at = last
    w = (w[0] + ((size - 1) & 63) & MASK, w[1])
    v = (v[0] + w[0] & MASK, v[1])
    w = (w[0] + v[0] & MASK, w[1])
    x = _rotated(x + y + v[0] + _word(text, at + 8) & MASK, 37) * factor & MASK
    y = _rotated(y + v[1] + _word(text, at + 48) & MASK, 42) * factor & MASK
    x ^= w[1] * 9 & MASK
    y = y + v[0] * 9 + _word(text, at + 40) & MASK
    z = _rotated(z + w[0] & MASK, 33) * factor & MASK
    v = _weak(text, at, v[1] * factor & MASK, x + w[0] & MASK)
    w = _weak(text, at + 32, z + w[1] & MASK, y + _word(text, at + 16) & MASK)
    z, x = x, z
    return _hash16(_hash16(v[0], w[0], factor) + _mixed(y) * K0 + z & MASK, _hash16(v[1], w[1], factor) + x & MASK, factor)
