"""Write arrays in the format of MNIST."""

import struct


def idx_of(values):
    """Bytes of a file that holds an array of uint8."""
    head = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    return head + values.tobytes()
