"""What a path that a person names really is: a file that ends, and a name that can be written down."""

import os
import stat
from pathlib import Path

from ml.data.rows import DataError

SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def size_of(path: Path) -> int:
    """The size of a regular file, in bytes; links are followed.

    Raises:
        DataError: when it is not there or anything else: a pipe or a device may never end.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{SPECIAL.get(stat.S_IFMT(status.st_mode), 'something else')}, not a file")
    return status.st_size


def is_utf8(text: str) -> bool:
    """Whether text from outside can be written down: bytes that were not UTF-8 stand in it as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(text: str) -> str:
    """Text from outside as people can be shown it: bytes that were not UTF-8 are written in hexadecimal."""
    return os.fsencode(text).decode("utf-8", "backslashreplace") if not is_utf8(text) else text
