"""How sure OCR has to be of a text, so that nobody is told to look at it.

Shared module, pure.
"""

import f.core.errors  # noqa: F401 -- refuses to run as a script

LOW_CONFIDENCE = 0.78
"""Of OCR; below it a page is said to be doubtful. evaluation/ocr.py measures what it tells of the error rate."""


def is_doubtful(ocr_confidence: float | None) -> bool:
    """Tell whether OCR was so unsure that what it read should be looked at; None is a text without OCR."""
    return ocr_confidence is not None and ocr_confidence < LOW_CONFIDENCE
