"""The declared public data sets: where they come from, their digests and their licences, and how they are fetched.

Every file is checked by sha256 before anything reads it and enters the cache atomically; an archive is read member by
member, never unpacked by its own paths. `python -m ml.data.sources CACHE` fetches all of them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.data.rows import DataError, Kind, replacing

TIMEOUT_SECONDS = 60
Report = Callable[[str], None]


@dataclass(frozen=True)
class Dataset:
    """A public data set."""

    name: str
    kind: Kind
    licence: str
    citation: str
    files: Mapping[str, str]
    """Name → sha256 of each file that is kept in the cache."""
    fetch: Callable[[Dataset, Path, Report], None]
    """Puts the files into a folder; they are checked afterwards."""
    rows: Callable[[Path], Iterator[tuple[str, bytes | str, str]]]
    """From that folder: (source, content, label)."""


def fetched(dataset: Dataset, cache: Path, report: Report = print) -> Path:
    """The folder with the data set's files, fetched when the cache does not hold them.

    Raises:
        DataError: when no way of fetching works, or what came is not what was declared.
    """
    folder = cache / dataset.name
    if folder.is_dir() and not _faults(dataset, folder):
        return folder
    report(f"fetching {dataset.name} ({dataset.licence})")
    with replacing(folder) as partial:
        partial.mkdir()
        dataset.fetch(dataset, partial, report)
        faults = _faults(dataset, partial)
        if faults:
            raise DataError(
                f"{dataset.name} did not arrive as declared: {'; '.join(faults)}. Nothing was kept, since rows of unknown origin would be "
                "trained on. Run the command again; if it stays so, the publisher changed the files: compare and mend ml/data/sources.py."
            )
    report(f"fetched {dataset.name} into {folder}")
    return folder


def _faults(dataset: Dataset, folder: Path) -> list[str]:
    faults = []
    for name, expected in dataset.files.items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            faults.append(f"{name} has another sha256 than declared")
    return faults


# Fashion-MNIST: small grey pictures of clothes.

FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
"""The project's own address; plain HTTP is all it offers, so the digests below carry the trust."""
FASHION_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
FASHION_ROWS = 16_000
"""The first rows of the training file: enough for the gate, and a training of ten seconds on two cores."""


def _fetch_fashion_mnist(dataset: Dataset, folder: Path, report: Report) -> None:
    if shutil.which("apt-get") and shutil.which("dpkg"):
        with tempfile.TemporaryDirectory() as scratch:
            # apt-get download needs neither root nor an installation; it checks the archive's signature.
            if _run(["apt-get", "download", FASHION_PACKAGE], scratch) is None:
                package = next(Path(scratch).glob(f"{FASHION_PACKAGE}_*.deb"))
                if _run(["dpkg", "-x", str(package), f"{scratch}/content"], scratch) is None:
                    for name in dataset.files:
                        shutil.copyfile(Path(scratch, "content/usr/share/datasets/fashion-mnist", name), folder / name)
                    return
        report(f"the Debian package {FASHION_PACKAGE} cannot be had here; asking the project's own address")
    for name in dataset.files:
        report(f"downloading {name}")
        try:
            with urllib.request.urlopen(f"{FASHION_ADDRESS}/{name}", timeout=TIMEOUT_SECONDS) as answer:
                (folder / name).write_bytes(answer.read())
        except (urllib.error.URLError, OSError) as error:
            raise DataError(
                f"{name} cannot be downloaded: {error}. Without it there is nothing to learn from. Mend the network or its proxy, or, on "
                f"Debian and Ubuntu, run apt-get update so that {FASHION_PACKAGE} is found; or use pictures of your own (DATA=folder)."
            ) from None


def _fashion_mnist_rows(folder: Path) -> Iterator[tuple[str, bytes | str, str]]:
    pictures = _idx(folder / "train-images-idx3-ubyte.gz", 3)
    labels = _idx(folder / "train-labels-idx1-ubyte.gz", 1)
    for at, (picture, label) in enumerate(islice(zip(pictures, labels, strict=True), FASHION_ROWS)):
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, "PNG", compress_level=1)
        yield f"train-images-idx3-ubyte.gz:{at}", encoded.getvalue(), FASHION_CLASSES[label]


def _idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """An IDX file of bytes: a magic number, the sizes as big-endian 32-bit numbers, the content."""
    content = gzip.decompress(path.read_bytes())
    sizes = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(sizes)


# Movie snippets: sentences of film reviews, each rated by twenty people.

SNIPPETS_REQUIREMENT = "vaderSentiment==3.3.2 --hash=sha256:5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
SNIPPETS_ARCHIVE = "hutto_ICWSM_2014.tar.gz"
SNIPPETS_MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
NEIGHBOURS = {"product-reviews": "amazonReviewSnippets", "news": "nytEditorialSnippets", "tweets": "tweets"}
"""Sentences of other domains in the same archive, rated in the same way."""
NEUTRAL_WITHIN = 0.5
"""Mean valence runs from -4 to 4; nearer to 0 than this, the raters did not lean either way."""


def _fetch_movie_snippets(dataset: Dataset, folder: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(SNIPPETS_REQUIREMENT + "\n")
        faults = []
        for pip in _pips():
            report(f"downloading the source package of vaderSentiment by {' '.join(pip)}")
            command = [*pip, "download", "--no-deps", "--no-binary", ":all:", "--require-hashes", "--dest", scratch]
            fault = _run([*command, "--requirement", str(requirements)], scratch)
            if fault is None:
                (package,) = Path(scratch).glob("*.tar.gz")
                inner = _member(package.read_bytes(), f"/additional_resources/{SNIPPETS_ARCHIVE}")
                (folder / SNIPPETS_ARCHIVE).write_bytes(inner)
                return
            faults.append(f"{' '.join(pip)}: {fault}")
    raise DataError(
        f"the source package of vaderSentiment cannot be downloaded ({' | '.join(faults) or 'neither pip nor uv is installed'}). Without "
        "it there are no texts to learn from. Mend the package index that pip or uv is configured with, or use your own (DATA=file.csv)."
    )


def _pips() -> list[list[str]]:
    """Ways to run pip, which a virtual environment made by uv does not hold. Each reads the index its user configured."""
    pythons = [sys.executable, f"{sys.base_prefix}/bin/python3", shutil.which("python3") or sys.executable]
    pips = [[python, "-m", "pip"] for python in dict.fromkeys(pythons) if _run([python, "-m", "pip", "--version"], ".") is None]
    return pips + ([["uv", "tool", "run", "pip"]] if shutil.which("uv") else [])


def _movie_snippets_rows(folder: Path) -> Iterator[tuple[str, bytes | str, str]]:
    yield from _rated(folder, SNIPPETS_MEMBER)


def neighbour(name: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """(source, text, label) of another domain, from the fetched files of movie-snippets.

    Args:
        name: A key of `NEIGHBOURS`.
        folder: As `fetched` returns it.
    """
    yield from _rated(folder, f"hutto_ICWSM_2014/{NEIGHBOURS[name]}_GroundTruth.txt")


def _rated(folder: Path, member: str) -> Iterator[tuple[str, str, str]]:
    content = _member((folder / SNIPPETS_ARCHIVE).read_bytes(), member).decode("utf-8")
    for line in content.splitlines():
        number, valence, text = line.split("\t")
        mean = float(valence)
        label = "neutral" if abs(mean) <= NEUTRAL_WITHIN else "positive" if mean > 0 else "negative"
        yield f"{member}:{number}", text, label


def _member(archive: bytes, name: str) -> bytes:
    """The content of the one regular file of a .tar.gz whose path ends in `name`; nothing is written by the archive's paths."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        for member in members:
            if member.isfile() and member.name.endswith(name):
                opened = members.extractfile(member)
                assert opened is not None, "regular files can be read"
                return opened.read()
    raise DataError(f"the archive holds no {name}: it is not the one that was declared. Nothing was kept. Run the command again.")


def _run(command: list[str], folder: str) -> str | None:
    """Run a command; None, or the last line of what it complained about."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit status {done.returncode}"


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="fashion-mnist",
            kind="image_classification",
            licence="MIT",
            citation="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking ML Algorithms, 2017",
            files={
                "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
                "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
            },
            fetch=_fetch_fashion_mnist,
            rows=_fashion_mnist_rows,
        ),
        Dataset(
            name="movie-snippets",
            kind="text_classification",
            licence="MIT (the package; the snippets remain their authors')",
            citation="C. Hutto, E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text, ICWSM 2014",
            files={SNIPPETS_ARCHIVE: "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"},
            fetch=_fetch_movie_snippets,
            rows=_movie_snippets_rows,
        ),
    )
}


def main(arguments: list[str]) -> int:
    """Fetch every declared data set into the cache that is named; 1 when one cannot be had."""
    try:
        for dataset in DATASETS.values():
            fetched(dataset, Path(arguments[0]))
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
