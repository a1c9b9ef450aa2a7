"""docs/faults.md: each script writes the part below its own heading and leaves the others alone."""

import re
from pathlib import Path

from gtp.files import write_text

TITLE = "# Faults\n\nBoth parts are written by `make faults`.\n"


def write_part(page: Path, heading: str, text: str) -> None:
    """Put `text` below `## heading` on a page, which is made where it is missing; the rest stays as it is."""
    old = page.read_text(encoding="utf-8") if page.exists() else TITLE
    first, *parts = re.split(r"^(?=## )", old, flags=re.MULTILINE)
    new = f"## {heading}\n\n{text.strip()}\n"
    places = [place for place, part in enumerate(parts) if part.startswith(f"## {heading}\n")]
    if places:
        parts[places[0]] = new
    else:
        parts.append(new)
    write_text(page, "\n".join(part.strip() + "\n" for part in (first, *parts)))
