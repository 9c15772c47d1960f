"""Files that only their owner may read."""

import os
from collections.abc import Callable
from pathlib import Path

from identity.errors import PlatformError


def write_privately(path: Path, content: bytes, *, first: Callable[[], None] = lambda: None) -> None:
    """Write a file that nobody but its owner may read: it is there as a whole, or not at all.

    Args:
        path: The file. It may be there with the same content: what was interrupted may be done again.
        content: What it is to hold.
        first: What must have been done before it is there.

    Raises:
        PlatformError: It cannot be written, or is there with other content.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        if path.exists() and path.read_bytes() != content:
            raise PlatformError(f"{path} is there already with other content; name a new file")
        draft.unlink(missing_ok=True)
        try:
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(content)
            first()
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be written: {error.strerror or 'input or output error'}"
        ) from None
