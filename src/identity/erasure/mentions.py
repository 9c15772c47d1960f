"""What other lines say of the erased in free text: an address in a URL, a phone in a note of somebody else's call."""

from identity.erasure.line import Line
from identity.erasure.lines import Found
from identity.erasure.needles import Needles, json_text, leaves
from identity.run import Run
from identity.tables import among, columns_at

_LINES = ["feed", "file_id", "row_no", "record"]
_AT_ONCE = 2_000  # lines read together: most hold nothing, and one look tells
_FEWEST_DIGITS = 7


def with_mentions(run: Run, found: Found) -> Found:
    """What was found, and free texts in other lines of bronze that hold an identifier of the persons alone.

    Such a text is emptied, and the line stays somebody else's. A line that cannot be without its text goes whole: a
    server's log has no empty columns.

    Args:
        run: The run.
        found: The persons' lines.
    """
    needles = Needles(value for value in found.strong if _is_telling(value))
    delete, unlink = set(found.delete), dict(found.unlink)
    for name, source in run.config.sources.items():
        texts = {
            feed: [c for c, column in f.columns.items() if column.free_text]
            for feed, f in source.feeds.items()
        }
        where = among("feed", (feed for feed, columns in texts.items() if columns))
        for batch in columns_at(run.config.warehouse, f"bronze.{name}", _LINES, where).to_batches(_AT_ONCE):
            rows = [row for row in batch.to_pylist() if (row["file_id"], row["row_no"]) not in found.delete]
            if not needles.found("\n".join(row["record"] for row in rows)):
                continue
            for row in rows:
                line: Line = (row["file_id"], row["row_no"])
                record, feed = json_text(row["record"]), source.feeds[row["feed"]]
                told = [
                    c
                    for c in texts[row["feed"]]
                    if any(needles.found(text) for text in leaves(record.get(c)))
                ]
                if any(feed.columns[c].required for c in told) or (told and feed.format == "combined_log"):
                    delete.add(line)
                elif told:
                    unlink[line] = sorted({*unlink.get(line, ()), *told})
    return found._replace(delete=delete, unlink=unlink)


def _is_telling(value: str) -> bool:
    """Whether an identifier is nothing that a text says of somebody else: a login may be a word or a name."""
    return "@" in value or sum(c.isdigit() for c in value) >= _FEWEST_DIGITS
