"""The elements of a Word document: their names, values and parts.

Shared module, pure.
"""

# extra_requirements:
# python-docx==1.2.0

from typing import Any

import f.core.errors  # noqa: F401 -- refuses to run as a script

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
"""The namespace of its elements."""
MOST_LEVELS = 9
"""Levels of headings and of lists."""


def related(part: Any, kind: str) -> Any:
    """Return the root of a part that belongs to the document, None where there is none."""
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
            return element_of(relation.target_part)
    return None


def element_of(part: Any) -> Any:
    """Return the root element of a part, by the parser that resolves no entities."""
    from docx.oxml.parser import parse_xml  # noqa: PLC0415

    return part.element if hasattr(part, "element") else parse_xml(part.blob)


def is_on(element: Any) -> bool:
    """Tell whether a property is set."""
    return element is not None and element.get(f"{W}val", "true") not in ("0", "false", "off")


def value_of(element: Any) -> str:
    """Return the value of an element that may be missing."""
    return str(element.get(f"{W}val", "")) if element is not None else ""


def number_of(text: str) -> int:
    """Return a number from 0 up, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
