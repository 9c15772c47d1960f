"""Files that only their owner may read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from identity.errors import PlatformError


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that nobody but its owner may read; if anything fails, there is none.

    Raises:
        PlatformError: It cannot be written, or is there already.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "wb") as file:
                yield file
        except BaseException:
            path.unlink()
            raise
    except OSError as error:
        raise PlatformError(
            f"{path} cannot be written: {error.strerror or 'input or output error'}"
        ) from None
