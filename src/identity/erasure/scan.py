"""The proof: every byte of the warehouse and of landing is read again, and nothing of the erased is in it."""

import gzip
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from identity.erasure.needles import BETWEEN, Needles
from identity.erasure.plan import plan_file
from identity.sources.landing import checksum

_NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]+")


class Residue(NamedTuple):
    """What a scan found.

    Attributes:
        files: Files read.
        bytes: Their bytes.
        hits: By file, how many of the values it holds.
    """

    files: int
    bytes: int
    hits: dict[str, int]


class Sought(NamedTuple):
    """What a scan looks for.

    Attributes:
        values: What must be nowhere.
        suppressed: Keyed hashes that the suppression list may hold.
        strong: What alone is looked for in landing files that no run has taken: a name there may be somebody else's.
        taken: Checksums of the landing files that a run has taken.
    """

    values: Collection[str]
    suppressed: Collection[str]
    strong: Collection[str]
    taken: Collection[str]


def scan(warehouse: Path, landing: Path, sought: Sought, tell: Callable[[str], None]) -> Residue:
    """Look for values in every file of the warehouse and of landing.

    Args:
        warehouse: The warehouse; the plan alone is not read, for it holds the values until the scan finds none.
        landing: The landing folder.
        sought: The values.
        tell: Told the progress.
    """
    needles, strong = Needles(sought.values), {*sought.strong, *sought.suppressed}
    allowed = set(sought.suppressed)
    own = {plan_file(warehouse), plan_file(warehouse).with_suffix(".draft"), warehouse / ".lock"}
    files = sorted(
        {p for root in (warehouse, landing) for p in root.rglob("*") if p.is_file() and p not in own}
    )
    hits: dict[str, int] = {}
    read = 0
    for number, path in enumerate(files, 1):
        if number % 25 == 0:
            tell(f"residue scan {number:,} of {len(files):,} files")
        read += path.stat().st_size
        found = {hit for text in texts(path) for hit in needles.found(text)}
        if path.is_relative_to(warehouse / "consent" / "suppression"):
            found -= allowed
        root = warehouse if path.is_relative_to(warehouse) else landing
        if found - strong and root == landing and checksum(path) not in sought.taken:
            found &= strong
        if found:
            hits[path.relative_to(root).as_posix()] = len(found)
    return Residue(len(files), read, hits)


def texts(path: Path) -> Iterator[str]:
    """All text of a file: its bytes; of what is compressed its content, of Parquet with statistics and footer."""
    data = path.read_bytes()
    if data[:4] == data[-4:] == b"PAR1":
        file = pq.ParquetFile(path)
        for batch in file.iter_batches():
            yield from (text for column in batch.columns for text in text_of(column))
        yield BETWEEN.join(_statistics(file.metadata))
        yield _readable(_outside_pages(data, file.metadata))
    elif data[:2] == b"\x1f\x8b":
        yield _readable(gzip.decompress(data))
    else:
        yield _readable(data)


def text_of(array: pa.Array) -> Iterator[str]:
    """The texts in a column, each value once, whatever it is nested in."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from text_of(array.dictionary)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        yield BETWEEN.join(value for value in array.unique().to_pylist() if value)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield BETWEEN.join(v.decode("utf-8", "replace") for v in array.unique().to_pylist() if v)
    elif pa.types.is_map(kind):
        yield from text_of(array.keys)
        yield from text_of(array.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from text_of(array.flatten())
    elif pa.types.is_struct(kind):
        for inner in array.flatten():
            yield from text_of(inner)


def _readable(data: bytes) -> str:
    """Bytes as text; what stands on two sides of what is no text is not taken for one value."""
    return _NO_TEXT.sub(BETWEEN, data.decode("utf-8", errors="replace"))


def _outside_pages(data: bytes, metadata: Any) -> bytes:
    """A Parquet file without its pages, which hold pieces of words once they are compressed."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(metadata.num_columns)]
    begins = [min(at for at in (c.dictionary_page_offset, c.data_page_offset) if at) for c in chunks]
    left, place = [], 0
    for begin, chunk in sorted(zip(begins, chunks, strict=True), key=lambda pair: pair[0]):
        left.append(data[place:begin])
        place = begin + chunk.total_compressed_size
    return b"\0".join([*left, data[place:]])


def _statistics(metadata: Any) -> Iterator[str]:
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            found = metadata.row_group(group).column(column).statistics
            if found is not None and found.has_min_max:
                yield from (str(found.min), str(found.max))
