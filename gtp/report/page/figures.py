"""Figures of the page: SVG files as parts of one HTML document."""

import re
from pathlib import Path
from xml.etree import ElementTree

from gtp.errors import UserError
from gtp.report.style import TEXT_WIDTH

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
DROPPED = {f"{{{SVG}}}metadata", f"{{{SVG}}}style"}
"""Elements that are left out: a style in an SVG would hold for the whole page, which has its own."""
REM_PER_POINT = 60.0 / (72.0 * TEXT_WIDTH)
"""A figure as wide as the text of a paper is 60 rem wide, so letters of all figures have one size."""
SMALLEST = 2.0 / 3.0
"""How far a figure may shrink before it scrolls: its letters must stay legible on a phone."""
LONG_DECIMALS = re.compile(r"(-?\d+\.\d{2})\d+")


def inline_svg(path: Path, prefix: str, alt: str) -> str:
    """The figure in a file as an image of an HTML document, with `alt` for those who cannot see it.

    Names that its parts have for each other begin with `prefix`, since a document has one set of them.
    Coordinates keep two decimals, a hundredth of a point. Raises UserError when the file is no SVG.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it and run snakemake again") from error
    if root.tag != f"{{{SVG}}}svg" or "viewBox" not in root.attrib:
        raise UserError(f"{path} is no SVG with a viewBox; delete it and run snakemake again")
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in DROPPED]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        element.text = (element.text or "").strip() or None
        element.tail = None
        for name in list(element.attrib):
            value = element.attrib.pop(name)
            name = name.removeprefix(f"{{{XLINK}}}")
            if name == "id":
                value = f"{prefix}-{value}"
            elif name == "href":
                value = value.replace("#", f"#{prefix}-", 1) if value.startswith("#") else value
            else:
                value = value.replace("url(#", f"url(#{prefix}-")
            if name in ("d", "x", "y", "points"):
                value = LONG_DECIMALS.sub(r"\1", " ".join(value.split()))
            element.attrib[name] = value
    width = REM_PER_POINT * float(root.attrib["viewBox"].split()[2])
    size = f"max-width: {width:.1f}rem; min-width: {SMALLEST * width:.1f}rem"
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": alt, "style": size}
    return ElementTree.tostring(root, encoding="unicode")
