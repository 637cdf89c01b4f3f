"""
Sets of agents as whole numbers: bit n stands for the agent in slot n.

Python's integers do a set operation on 100,000 agents in about a microsecond, need no library, and are
values: nobody can change a set that somebody else holds.
"""

from collections.abc import Iterable, Iterator


def of(slots: Iterable[int], size: int) -> int:
    """Return the set of these slots, all below `size`; far quicker than setting one bit after the other."""
    flags = bytearray((size + 7) // 8)
    for slot in slots:
        flags[slot >> 3] |= 1 << (slot & 7)
    return int.from_bytes(flags, "little")


def slots_in(bits: int) -> Iterator[int]:
    """Yield the slots of a set, the lowest first."""
    if bits.bit_count() < 8:
        while bits:
            low = bits & -bits
            yield low.bit_length() - 1
            bits ^= low
        return
    for place, byte in enumerate(flags_of(bits)):
        if byte:
            base = place << 3
            for bit in _BITS[byte]:
                yield base + bit


_BITS = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


def flags_of(bits: int) -> bytes:
    """Return the set as bytes, in which a single slot is looked up at once."""
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def has(flags: bytes, slot: int) -> bool:
    place = slot >> 3
    return place < len(flags) and bool(flags[place] >> (slot & 7) & 1)
