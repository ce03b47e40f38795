# SPDX-License-Identifier: LGPL-2.1-or-later
"""XXH3-64, and XXH3-128 of more than 240 bytes, with seed 0; from the algorithm's description.

(github.com/Cyan4973/xxHash, doc/xxhash_spec.md)
"""

M64 = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)


def _r32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def _r64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def _rotl(x, n):
    return ((x << n) | (x >> (64 - n))) & M64


def _fold(a, b):
    product = a * b
    return (product & M64) ^ (product >> 64)


def _avalanche64(h):
    h ^= h >> 33
    h = h * P64_2 & M64
    h ^= h >> 29
    h = h * P64_3 & M64
    return h ^ (h >> 32)


def _avalanche(h):
    h ^= h >> 37
    h = h * MX1 & M64
    return h ^ (h >> 32)


def _mix16(data, at, secret):
    return _fold(_r64(data, at) ^ _r64(SECRET, secret),
                 _r64(data, at + 8) ^ _r64(SECRET, secret + 8))


def _short(data):
    """At most 16 bytes."""
    n = len(data)
    if n > 8:
        low = _r64(data, 0) ^ _r64(SECRET, 24) ^ _r64(SECRET, 32)
        high = _r64(data, n - 8) ^ _r64(SECRET, 40) ^ _r64(SECRET, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return _avalanche((n + swapped + high + _fold(low, high)) & M64)
    if n >= 4:
        h = _r32(data, n - 4) + (_r32(data, 0) << 32) ^ _r64(SECRET, 8) ^ _r64(SECRET, 16)
        h ^= _rotl(h, 49) ^ _rotl(h, 24)
        h = h * MX2 & M64
        h ^= (h >> 35) + n
        h = h * MX2 & M64
        return h ^ (h >> 28)
    if n > 0:
        h = (data[0] << 16) | (data[n >> 1] << 24) | data[n - 1] | (n << 8)
        return _avalanche64(h ^ _r32(SECRET, 0) ^ _r32(SECRET, 4))
    return _avalanche64(_r64(SECRET, 56) ^ _r64(SECRET, 64))


def _middle(data):
    """17 to 240 bytes."""
    n = len(data)
    acc = n * P64_1
    if n <= 128:
        for i in range((n - 1) // 32, -1, -1):
            acc += _mix16(data, 16 * i, 32 * i) + _mix16(data, n - 16 * (i + 1), 32 * i + 16)
        return _avalanche(acc & M64)
    for i in range(8):
        acc += _mix16(data, 16 * i, 16 * i)
    acc = _avalanche(acc & M64)
    for i in range(8, n // 16):
        acc += _mix16(data, 16 * i, 16 * (i - 8) + 3)
    return _avalanche((acc + _mix16(data, n - 16, 136 - 17)) & M64)


def _accumulate(acc, data, at, secret):
    for i in range(8):
        value = _r64(data, at + 8 * i)
        key = value ^ _r64(SECRET, secret + 8 * i)
        acc[i ^ 1] = (acc[i ^ 1] + value) & M64
        acc[i] = (acc[i] + (key & 0xFFFFFFFF) * (key >> 32)) & M64


def _long(data):
    n = len(data)
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    blocks = (n - 1) // 1024
    for block in range(blocks):
        for stripe in range(16):
            _accumulate(acc, data, block * 1024 + stripe * 64, stripe * 8)
        for i in range(8):
            acc[i] = ((acc[i] ^ (acc[i] >> 47) ^ _r64(SECRET, 128 + 8 * i)) * P32_1) & M64
    for stripe in range((n - 1 - blocks * 1024) // 64):
        _accumulate(acc, data, blocks * 1024 + stripe * 64, stripe * 8)
    _accumulate(acc, data, n - 64, 121)
    return acc


def _merge(acc, secret, start):
    for i in range(4):
        start += _fold(acc[2 * i] ^ _r64(SECRET, secret + 16 * i),
                       acc[2 * i + 1] ^ _r64(SECRET, secret + 16 * i + 8))
    return _avalanche(start & M64)


def xxh3_64(data):
    if len(data) <= 16:
        return _short(data)
    if len(data) <= 240:
        return _middle(data)
    return _merge(_long(data), 11, len(data) * P64_1 & M64)


def xxh3_128(data):
    """16 bytes, the high half first."""
    if len(data) <= 240:
        raise ValueError("the short forms of XXH3-128 are not here")
    acc = _long(data)
    low = _merge(acc, 11, len(data) * P64_1 & M64)
    high = _merge(acc, 192 - 64 - 11, ~(len(data) * P64_2) & M64)
    return high.to_bytes(8, "big") + low.to_bytes(8, "big")
