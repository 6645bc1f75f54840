"""Files that only their owner may read, replaced as a whole or not at all."""

import os
import secrets
from pathlib import Path

__all__ = ["make_private_folder", "write_private_file"]


def make_private_folder(folder: Path) -> None:
    """Make a folder, with its parents, that only its owner may enter (0700)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file with mode 0600; a crash leaves the old content or the new, never a part."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
