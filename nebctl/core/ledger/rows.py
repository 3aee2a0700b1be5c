"""A log's rows as a store keeps them, and how they are cut into stretches that can be checked apart."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import islice, starmap
from typing import Any, Final, NamedTuple

from nebctl.core.ledger.tree import Frontier, leaf_hash


class Row(NamedTuple):
    """One record as a store keeps it, and what stands beside it.

    `disclosures` None means that they are not looked at, and may hold anything that a damaged store does; `waiting` is
    the head's signature line of a record in the outbox, None where it is not in it.
    """

    epoch: int
    seq: int
    leaf: bytes
    text: str
    disclosures: tuple[object, ...] | None = None
    waiting: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows that follow one another, and what the check must know of the log before them.

    `leaves` are the hashes of the rows' texts, `before` and `after` the trees before the first row and after the last,
    `next_seq` the place that the first is to have; `roots` are those that receipts name for sizes inside the stretch.
    `receipted` is how many records need no longer wait in the outbox; None means that this kind of store has no outbox.
    """

    rows: tuple[Row, ...]
    leaves: tuple[bytes, ...]
    before: Frontier
    after: Frontier
    next_seq: int
    roots: Mapping[int, tuple[bytes, ...]]
    receipted: int | None

    def __reduce__(self) -> tuple[object, ...]:
        # Stretches go to other processes, and a column of texts is copied at a third of what rows of six cells cost.
        values = {name: getattr(self, name) for name in _BESIDE_ROWS}
        return _put_together, (tuple(zip(*self.rows, strict=True)), values)


_BESIDE_ROWS: Final = tuple(each.name for each in fields(Stretch) if each.name != "rows")


def _put_together(columns: tuple[tuple[Any, ...], ...], values: Mapping[str, Any]) -> Stretch:
    return Stretch(rows=tuple(starmap(Row, zip(*columns, strict=True))), **values)


def cut(
    rows: Iterable[Row], roots: Mapping[int, tuple[bytes, ...]], receipted: int | None, most: int
) -> Iterator[Stretch]:
    """Yield a log's rows as stretches of `most` rows, growing the tree between them by the records' own hashes."""
    before, next_seq, stream = Frontier(), 0, iter(rows)
    while taken := tuple(islice(stream, most)):
        leaves = tuple(leaf_hash(row.text.encode("utf-8", "surrogatepass")) for row in taken)
        after = before.extend(leaves)
        within = {size: roots[size] for size in range(before.size + 1, after.size + 1) if size in roots}
        yield Stretch(
            rows=taken,
            leaves=leaves,
            before=before,
            after=after,
            next_seq=next_seq,
            roots=within,
            receipted=receipted,
        )
        before, next_seq = after, taken[-1].seq + 1
