"""Outside text, made safe to show."""


def printable(text: str) -> str:
    r"""`text` with each character that could drive a terminal or break a line as `\x1b`, `\n`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
