"""Python packages of training jobs: archives made importable without an installer.

Their files are put where Python finds them and nothing of theirs is run, so what `setup.py` would compute (a `package_dir`) is not
known, and what they depend on is not installed: a package runs with what is installed on this machine.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from emulator.behaviours import Refusal

LARGEST_BYTES = 1 << 30
"""Of what one archive unpacks to."""
SOURCES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")


def check(uri: str) -> None:
    """Refuses what is no archive of a Python package.

    Raises:
        Refusal: Says which archives are.
    """
    if not uri.startswith("gs://") or not uri.endswith((".whl", *SOURCES)):
        message = f"{uri!r} is no Python package in Cloud Storage: a source distribution (gs://….tar.gz) or a wheel (gs://….whl)."
        raise Refusal(400, "INVALID_ARGUMENT", f"{message} Nothing was run.")


def search_path(folder: Path) -> list[str]:
    """Where Python looks for the modules of what was unpacked into `folder`: there, and in `src` for packages that are laid out so."""
    return [str(folder), str(folder / "src")]


def unpack(archive: Path, uri: str, folder: Path) -> None:
    """Unpacks a package, without the folder `NAME-VERSION` that holds a source distribution.

    Args:
        archive: The file.
        uri: Its address, which tells what it is.
        folder: Where to; made where it is not there.

    Raises:
        Refusal: It is no such archive, leaves the folder, holds links or devices, or is too large.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if uri.endswith(".whl"):
            _unpack_wheel(archive, uri, folder)
        else:
            _unpack_source(archive, uri, folder)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _refused(uri, f"it cannot be unpacked ({error})") from error


def _unpack_source(archive: Path, uri: str, folder: Path) -> None:
    size = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            name = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            size = _measured(uri, size + member.size)
            if member.isdir() or not name.parts:
                continue
            if ".." in name.parts or name.is_absolute():
                raise _refused(uri, f"{member.name} leaves its folder")
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                raise _refused(uri, f"{member.name} is a link or a device")
            # Nothing but plain files was written, so that no part of the path can be a link.
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with content, (folder / name).open("wb") as file:
                shutil.copyfileobj(content, file)


def _unpack_wheel(archive: Path, uri: str, folder: Path) -> None:
    size = 0
    with zipfile.ZipFile(archive) as wheel:
        for member in wheel.infolist():
            path = PurePosixPath(member.filename)
            size = _measured(uri, size + member.file_size)
            if path.is_absolute() or ".." in path.parts:
                raise _refused(uri, f"{member.filename} leaves its folder")
            # https://packaging.python.org/en/latest/specifications/binary-distribution-format/#the-data-directory
            if len(path.parts) > 2 and path.parts[0].endswith(".data") and path.parts[1] in ("purelib", "platlib"):
                member.filename = str(PurePosixPath(*path.parts[2:])) + "/" * member.is_dir()
            wheel.extract(member, folder)


def _measured(uri: str, size: int) -> int:
    if size > LARGEST_BYTES:
        raise _refused(uri, f"it unpacks to more than {LARGEST_BYTES >> 20} MiB")
    return size


def _refused(uri: str, problem: str) -> Refusal:
    return Refusal(400, "INVALID_ARGUMENT", f"The package {uri} was not used: {problem}. The job ended. Build it again and upload it.")
