"""Write small recordings in the layout of the face and noise study."""

import numpy as np

SFREQ = 64


def write_bdf(path, ch_names, microvolts, codes):
    """Write a BDF file: records of 1 s, 24 bits per sample, integer uV, trigger channel last.

    Codes map a sample to the value that the trigger channel holds for 2 samples from there on.
    """
    n_records = microvolts.shape[1] // SFREQ
    status = np.zeros(n_records * SFREQ, dtype=int)
    for sample, code in codes.items():
        status[sample : sample + 2] = code
    samples = np.vstack([np.round(microvolts[:, : len(status)]).astype(int), status])
    names = [*ch_names, "Status"]
    n = len(names)

    def fields(values, width):
        return "".join(str(value).ljust(width)[:width] for value in values)

    start = {
        80: "",
        160: "",
        168: "01.01.19",
        176: "12.00.00",
        184: 256 * (n + 1),
        228: "24BIT",
        236: n_records,
        244: 1,
        248: n,
    }
    widths = np.diff([0, *start])
    head = [
        "".join(
            str(value).ljust(width) for value, width in zip(start.values(), widths, strict=True)
        ),
        fields(names, 16),
        fields(["electrode"] * n, 80),
        fields(["uV"] * (n - 1) + ["Boolean"], 8),
        fields([-8388608] * n, 8),
        fields([8388607] * n, 8),
        fields([-8388608] * n, 8),
        fields([8388607] * n, 8),
        fields([""] * n, 80),
        fields([SFREQ] * n, 8),
        fields([""] * n, 32),
    ]
    records = samples.reshape(n, n_records, SFREQ).swapaxes(0, 1)
    words = np.ascontiguousarray(records).astype("<i4").reshape(-1, 1).view(np.uint8)
    body = words.reshape(-1, 4)[:, :3].tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xffBIOSEMI" + "".join(head).encode("ascii") + body)


def write_ced(path, ch_names):
    """Write electrode positions on a sphere as EEGLAB does: x to the nose, y to the left ear."""
    step = np.arange(len(ch_names))
    angle = 2 * np.pi * step / len(step)
    places = 85 * np.column_stack(
        [0.8 * np.cos(angle), 0.8 * np.sin(angle), np.full(len(step), 0.6)]
    )
    lines = ["Number\tlabels\ttheta\tradius\tX\tY\tZ"]
    lines += [
        f"{number}\t{name}\t0\t0\t{x:.3f}\t{y:.3f}\t{z:.3f}"
        for number, (name, (x, y, z)) in enumerate(zip(ch_names, places, strict=True), start=1)
    ]
    path.write_text("\n".join(lines) + "\n")
