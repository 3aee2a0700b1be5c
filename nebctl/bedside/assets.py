"""The page's own files, read once, and the headers that keep everything else out of it."""

from functools import cache
from pathlib import Path
from types import MappingProxyType

PAGE = Path(__file__).parent / "page"
HEADERS = MappingProxyType(
    {
        "content-security-policy": (
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
)
"""On every answer: no script or style but our own files, no guessing of types, no copies, no frames."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """Return the page's files by path, each with its bytes and media type; `/` is the page itself."""
    files = {f"/{path.name}": (path.read_bytes(), _TYPES[path.suffix]) for path in PAGE.iterdir() if path.is_file()}
    files["/"] = files.pop("/index.html")
    return files
