"""The Merkle tree over a unit's records: leaves, roots, and proofs that need nothing but hashes.

Source: RFC 6962 section 2.1; the verifiers follow RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
BLOCK = 512
"""Leaves that `Frontier.extend` takes as one subtree: a power of two, and no more than come in one stretch of a log."""
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one record's text."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All of a tree that is needed to grow it: the roots of its full subtrees, largest first."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if (
            self.size < 0
            or len(self.nodes) != self.size.bit_count()
            or (self.nodes and {*map(len, self.nodes)} != {32})
        ):
            raise ValueError(f"a frontier of size {self.size} with {len(self.nodes)} nodes, expected one a set bit")

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> "Frontier":
        """Return the frontier of a tree over these leaf hashes."""
        return cls().extend(leaves)

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """Return the frontier of the tree with these leaf hashes more; quicker than one `append` each."""
        nodes, size, rest = list(self.nodes), self.size, iter(leaves)
        while block := list(islice(rest, BLOCK - size % BLOCK)):
            if len(block) == BLOCK:
                size += BLOCK
                _push(nodes, size // BLOCK, _subtree(block))
                continue
            for leaf in block:
                size += 1
                _push(nodes, size, leaf)
        return Frontier(size, tuple(nodes))

    def append(self, leaf: bytes) -> "Frontier":
        """Return the frontier of the tree with one leaf hash more."""
        nodes = list(self.nodes)
        _push(nodes, self.size + 1, leaf)
        return Frontier(self.size + 1, tuple(nodes))

    def root(self) -> bytes:
        """Return the tree's root; of an empty tree SHA-256 of nothing."""
        return _fold(self.nodes)

    def roots(self, leaves: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the tree's root after each of these leaf hashes more."""
        nodes, size = list(self.nodes), self.size
        for leaf in leaves:
            size += 1
            _push(nodes, size, leaf)
            yield _fold(nodes)


def _push(nodes: list[bytes], size: int, leaf: bytes) -> None:
    """Add the leaf that makes the tree `size` big: each trailing zero bit of the size closes one subtree."""
    while not size & 1:
        leaf = node_hash(nodes.pop(), leaf)
        size >>= 1
    nodes.append(leaf)


def _fold(nodes: Sequence[bytes]) -> bytes:
    if not nodes:
        return EMPTY_ROOT
    root = nodes[-1]
    for node in nodes[-2::-1]:
        root = hashlib.sha256(NODE_PREFIX + node + root).digest()  # `node_hash`, without the call: it is often done
    return root


def _subtree(leaves: list[bytes]) -> bytes:
    """Return the root over a power of two of leaves: a whole level at a time, without a call for each node."""
    level, sha256 = leaves, hashlib.sha256
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [sha256(NODE_PREFIX + left + right).digest() for left, right in pairs]
    return level[0]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root of a tree over these leaf hashes."""
    return Frontier.of(leaves).root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the sibling hashes from leaf `index` up to the root.

    Raises: `ValueError` unless 0 <= index < number of leaves.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"leaf {index} of a tree of {len(leaves)}")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low = middle
    return tuple(reversed(path))


def consistency_path(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the hashes that show the first `old_size` leaves unchanged in the tree over all of them.

    Raises: `ValueError` unless 0 < old_size <= number of leaves.
    """
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"consistency of {old_size} with a tree of {len(leaves)}")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    whole = True
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low, whole = middle, False
    return tuple(reversed(path)) if whole else (root_of(leaves[low:high]), *reversed(path))


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether `leaf` stands at `index` of the tree with this size and root."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Return whether the old tree is a prefix of the new one; an empty old tree is a prefix of every tree."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        return not path and old_root == expected
    nodes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    return bool(nodes) and _climb(old_size - 1, new_size - 1, nodes) == (old_root, new_root)


def _climb(place: int, last: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the old and the new root that the nodes lead to; None where there are too many or too few."""
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, node)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None
