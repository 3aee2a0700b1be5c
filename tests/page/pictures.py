"""Small pictures for the documents: a page's screenshot with a palette of at most 256 colours."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

PALETTE = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (sign) => sign.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  for (const bits of [5, 4, 3, 2]) {
    const seen = new Map(), index = new Uint8Array(width * height), cut = 8 - bits;
    for (let at = 0; at < index.length && seen.size <= 256; at += 1) {
      const [r, g, b] = [pixels[4 * at], pixels[4 * at + 1], pixels[4 * at + 2]];
      const key = ((r >> cut) << 16) | ((g >> cut) << 8) | (b >> cut);
      let colour = seen.get(key);
      if (!colour) seen.set(key, colour = { at: seen.size, sum: [0, 0, 0], count: 0 });
      for (const [part, value] of [r, g, b].entries()) colour.sum[part] += value;
      colour.count += 1;
      index[at] = colour.at;
    }
    if (seen.size > 256) continue;
    const palette = [...seen.values()].flatMap(({ sum, count }) => sum.map((all) => Math.round(all / count)));
    let text = '';
    for (let at = 0; at < index.length; at += 8192) text += String.fromCharCode(...index.subarray(at, at + 8192));
    return { width, height, palette, index: btoa(text) };
  }
}"""


def save(page: Any, path: Path) -> None:
    """Write what a page shows as a PNG with a palette; flat grounds keep their exact colour.

    Source: the PNG specification, third edition, sections 11.2.1 to 11.2.4.
    """
    png = base64.b64encode(page.screenshot(animations="disabled")).decode()
    found = page.evaluate(PALETTE, png)
    width, rows = found["width"], base64.b64decode(found["index"])
    lines = b"".join(b"\0" + rows[at : at + width] for at in range(0, len(rows), width))
    header = struct.pack(">IIBBBBB", width, found["height"], 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", bytes(found["palette"])), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
