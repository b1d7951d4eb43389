"""Vectors as PostgreSQL reads them."""

import struct

from f.core.database import vector_text


def test_every_number_of_16_bits_is_written_so_that_it_is_read_as_itself() -> None:
    numbers = [struct.unpack("e", struct.pack("H", bits))[0] for bits in range(1 << 16) if bits & 0x7C00 != 0x7C00]

    written = vector_text(numbers)[1:-1].split(",")

    assert [struct.pack("e", float(text)) for text in written] == [struct.pack("e", number) for number in numbers]
