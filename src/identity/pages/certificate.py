"""The certificate of an erasure as a page, for the person who asked and for the authority."""

from collections.abc import Mapping
from typing import Any

from identity.pages.page import Figure, page_text


def certificate_page(told: Mapping[str, Any]) -> str:
    """The page, as HTML.

    Args:
        told: The certificate.
    """
    tiles = [
        ("persons erased", f"{told['persons']:,}"),
        ("values looked for", f"{told['values_looked_for']:,}"),
        ("files scanned", f"{told['files_scanned']:,}"),
        ("values left", f"{told['residue']:,}"),
    ]
    figures = [
        Figure("Records erased", "By source; devices count as records.", _rows(told["records"], "source", "records"), None),
        Figure("What was done", "Rows erased by table, and other counts.", _rows(told["counts"], "what", "count"), None),
        Figure("Landing files rewritten", "", [{"file": file} for file in told["landing_files"]], None),
        Figure("Where values are left", "", _rows(told["residue_in"], "file", "values"), None),
        Figure("To be told (art. 19)", "", [{"recipient": name} for name in told["recipients_to_tell"]], None),
        Figure("Requests answered", "", [{"request": name} for name in told["requests"]], None),
    ]  # fmt: skip
    outcome = "complete" if not told["residue"] else "not finished"
    return page_text(
        title=f"Certificate of erasure {told['erasure']}",
        subtitle=f"{outcome}; published again for {told['run_date']}; signature {told['signature']}",
        tiles=tiles,
        figures=figures,
    )


def _rows(counts: Mapping[str, int], name: str, value: str) -> list[dict[str, Any]]:
    return [{name: key, value: count} for key, count in counts.items()]
