"""Write tar archives of given names and contents."""

import io
import tarfile


def write_tar(path, members, mode="w:gz"):
    """Write pairs of a name and its bytes or text, in their order, and return the path."""
    with tarfile.open(path, mode) as archive:
        for name, text in members:
            content = text if isinstance(text, bytes) else text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path
