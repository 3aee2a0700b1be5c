"""The Merkle tree against a slow reference, against pymerkle, and against its own proofs."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from nebctl.core.ledger import tree

DATA = [f"record {number}".encode() for number in range(70)]
LEAVES = [tree.leaf_hash(data) for data in DATA]


def reference_root(data: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    split = 1
    while split * 2 < len(data):
        split *= 2
    left, right = reference_root(data[:split]), reference_root(data[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def reference_path(data: list[bytes], index: int) -> list[bytes]:
    """RFC 6962 section 2.1.1, word for word."""
    if len(data) == 1:
        return []
    split = 1
    while split * 2 < len(data):
        split *= 2
    if index < split:
        return [*reference_path(data[:split], index), reference_root(data[split:])]
    return [*reference_path(data[split:], index - split), reference_root(data[:split])]


def reference_consistency(old: int, data: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2, word for word."""
    if old == len(data):
        return [] if whole else [reference_root(data)]
    split = 1
    while split * 2 < len(data):
        split *= 2
    if old <= split:
        return [*reference_consistency(old, data[:split], whole), reference_root(data[split:])]
    return [*reference_consistency(old - split, data[split:], False), reference_root(data[:split])]


def test_roots_equal_the_reference_and_pymerkle_at_every_size() -> None:
    """From the empty tree on, each appended leaf gives the root that the RFC and pymerkle give."""
    frontier, other = tree.Frontier(), InmemoryTree(algorithm="sha256")
    for size in range(len(DATA) + 1):
        assert frontier.size == size
        assert frontier.root() == tree.root_of(LEAVES[:size]) == reference_root(DATA[:size])
        if size:
            assert frontier.root() == other.get_root(size)
        if size < len(DATA):
            frontier = frontier.append(LEAVES[size])
            other.append_entry(DATA[size])


def test_a_frontier_survives_storage() -> None:
    """Size and nodes are all that a tree needs to go on from."""
    stored = tree.Frontier.of(LEAVES[:45])
    assert tree.Frontier(stored.size, stored.nodes).append(LEAVES[45]) == tree.Frontier.of(LEAVES[:46])


@pytest.mark.parametrize(("size", "nodes"), [(3, 1), (0, 1), (-1, 1), (4, 2)])
def test_a_frontier_of_the_wrong_shape_is_refused(size: int, nodes: int) -> None:
    """A frontier has one node for each set bit of its size."""
    with pytest.raises(ValueError, match="frontier"):
        tree.Frontier(size, (b"\0" * 32,) * nodes)


def test_paths_equal_the_reference_and_verify() -> None:
    """Every inclusion path of every small tree is the RFC's, and verifies for its own index alone."""
    for size in range(1, 34):
        root = reference_root(DATA[:size])
        for index in range(size):
            path = tree.inclusion_path(LEAVES[:size], index)
            assert list(path) == reference_path(DATA[:size], index)
            holds = [tree.verify_inclusion(LEAVES[index], at, size, path, root) for at in range(-1, size + 2)]
            assert [at - 1 for at, held in enumerate(holds) if held] == [index]


def test_consistency_equals_the_reference_and_verifies() -> None:
    """Every consistency path of every small pair of trees is the RFC's, and verifies."""
    for new in range(1, 34):
        root = reference_root(DATA[:new])
        for old in range(1, new + 1):
            path = tree.consistency_path(LEAVES[:new], old)
            assert list(path) == reference_consistency(old, DATA[:new], True)
            assert tree.verify_consistency(old, reference_root(DATA[:old]), new, root, path)
        assert tree.verify_consistency(0, tree.EMPTY_ROOT, new, root, ())


@given(st.data())
def test_a_changed_inclusion_proof_fails(data: st.DataObject) -> None:
    """No hash, leaf, root or length of a path can change without being noticed."""
    size = data.draw(st.integers(2, 60))
    index = data.draw(st.integers(0, size - 1))
    root, path = tree.root_of(LEAVES[:size]), list(tree.inclusion_path(LEAVES[:size], index))
    at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
    wrong = [
        [*path[:at], flipped, *path[at + 1 :]],
        [*path[:at], *path[at + 1 :]],
        [*path[:at], path[at], *path[at:]],
        [*path, root],
    ]
    assert not any(tree.verify_inclusion(LEAVES[index], index, size, each, root) for each in wrong)
    assert not tree.verify_inclusion(LEAVES[(index + 1) % size], index, size, path, root)
    assert not tree.verify_inclusion(LEAVES[index], index, size, path, LEAVES[0])


@given(st.data())
def test_a_changed_consistency_proof_fails(data: st.DataObject) -> None:
    """A fork, or a path with a hash changed, missing or added, is not consistent."""
    new = data.draw(st.integers(2, 60))
    old = data.draw(st.integers(1, new - 1))
    roots, path = (
        (tree.root_of(LEAVES[:old]), tree.root_of(LEAVES[:new])),
        list(tree.consistency_path(LEAVES[:new], old)),
    )
    at = data.draw(st.integers(0, len(path) - 1))
    wrong = [[*path[:at], tree.EMPTY_ROOT, *path[at + 1 :]], path[:at] + path[at + 1 :], [*path, roots[0]], []]
    assert not any(tree.verify_consistency(old, roots[0], new, roots[1], each) for each in wrong if each != path)
    assert not tree.verify_consistency(old, tree.root_of(LEAVES[1 : old + 1]), new, roots[1], path)
    assert not tree.verify_consistency(new, roots[1], old, roots[0], path)


def test_consistency_of_equal_and_empty_trees_needs_no_path() -> None:
    """A tree is consistent with itself and with the empty tree by an empty path, and by no other."""
    for size, root in ((0, tree.EMPTY_ROOT), (9, tree.root_of(LEAVES[:9]))):
        assert tree.verify_consistency(size, root, 9, tree.root_of(LEAVES[:9]), ())
        assert not tree.verify_consistency(size, root, 9, tree.root_of(LEAVES[:9]), (LEAVES[0],))
        assert not tree.verify_consistency(size, LEAVES[0], 9, tree.root_of(LEAVES[:9]), ())


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_a_path_of_a_leaf_that_is_not_there_is_refused(index: int) -> None:
    """Proofs are made only for leaves and sizes that the tree has."""
    with pytest.raises(ValueError, match=f"{index}"):
        tree.inclusion_path(LEAVES[:5], index)
    with pytest.raises(ValueError, match="consistency"):
        tree.consistency_path(LEAVES[:5], 0 if index == 5 else index)


def test_leaf_and_node_hashes_never_meet() -> None:
    """A leaf over the bytes of two children does not hash like their node."""
    for left, right in pairwise(LEAVES[:4]):
        assert tree.leaf_hash(left + right) != tree.node_hash(left, right)


@given(st.integers(0, 2 * tree.BLOCK + 5), st.integers(0, 3 * tree.BLOCK + 5))
def test_a_frontier_goes_on_from_anywhere(start: int, more: int) -> None:
    """Extending a frontier by the leaves that follow, block by block, gives what one leaf after the other gives."""
    assert tree.Frontier.of(MANY[:start]).extend(iter(MANY[start : start + more])) == ONE_BY_ONE[start + more]


MANY = [tree.leaf_hash(b"%d" % number) for number in range(5 * tree.BLOCK + 10)]
ONE_BY_ONE = [tree.Frontier()]
for each in MANY:
    ONE_BY_ONE.append(ONE_BY_ONE[-1].append(each))


def test_a_path_that_ends_below_the_root_proves_nothing() -> None:
    """Though what it leads to is the root that is claimed: for a tree of that size it must go on."""
    below = tree.node_hash(LEAVES[0], LEAVES[1])
    assert tree.verify_consistency(1, LEAVES[0], 2, below, [LEAVES[1]])
    assert not tree.verify_consistency(1, LEAVES[0], 3, below, [LEAVES[1]])
    assert tree.verify_inclusion(LEAVES[0], 0, 2, [LEAVES[1]], below)
    assert not tree.verify_inclusion(LEAVES[0], 0, 3, [LEAVES[1]], below)
