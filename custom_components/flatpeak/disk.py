"""Files that are only added to."""

import os
from pathlib import Path


def append_durably(path: Path, text: str) -> None:
    """Add text to a file so that it survives a power cut, on a line of its own."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab+") as file:
        size = file.tell()
        if not size:
            _sync_folder(path.parent)
        elif os.pread(descriptor, 1, size - 1) != b"\n":
            file.write(b"\n")
        file.write(text.encode())
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
