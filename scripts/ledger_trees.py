"""Roots and proofs over small trees, good ones and each with one thing wrong, for ledger_vectors.py."""

from ledger_forms import LEAVES, Json, b64, mth, path, sha, subproof


def roots() -> list[Json]:
    """Return roots over small trees."""
    leaves = [sha(b"\0" + b"record %d" % number) for number in range(33)]
    return [{"size": size, "root": b64(mth(leaves[:size]))} for size in range(34)]


def inclusion() -> list[Json]:
    """Return inclusion proofs, good ones and each with one thing wrong."""
    cases: list[Json] = []
    for size, index in ((1, 0), (2, 1), (5, 4), (8, 3), (13, 4), (13, 12)):
        known, hashes = LEAVES[:size], path(index, LEAVES[:size])
        good = {"leaf": LEAVES[index], "index": index, "size": size, "path": hashes, "root": mth(known)}
        wrong = {
            "another index": {"index": index + 1},
            "another size": {"size": size * 2 + 1},
            "another leaf": {"leaf": sha(b"x")},
            "another root": {"root": sha(b"x")},
            "a hash too many": {"path": [*hashes, sha(b"x")]},
        }
        if hashes:
            wrong["a hash too few"] = {"path": hashes[:-1]}
            wrong["another hash"] = {"path": [sha(b"x"), *hashes[1:]]}
        for name, change in {"good": {}, **wrong}.items():
            error = None if name == "good" else "inclusion path"
            cases.append({"desc": f"leaf {index} of {size}: {name}", "error": error, **encoded({**good, **change})})
    return cases


def consistency() -> list[Json]:
    """Return consistency proofs, good ones and each with one thing wrong."""
    cases: list[Json] = []
    for old, new in ((1, 1), (1, 2), (4, 8), (3, 7), (6, 13), (13, 13)):
        hashes = subproof(old, LEAVES[:new], True)
        good = {"old_size": old, "old_root": mth(LEAVES[:old]), "new_size": new, "new_root": mth(LEAVES[:new])}
        wrong = {
            "another old root": {"old_root": sha(b"x")},
            "another new root": {"new_root": sha(b"x")},
            "a hash too many": {"path": [*hashes, sha(b"x")]},
            "sizes in the other order": {"old_size": new + 1},
        }
        if hashes:
            wrong["a hash too few"] = {"path": hashes[:-1]}
            wrong["another hash"] = {"path": [*hashes[:-1], sha(b"x")]}
        for name, change in {"good": {}, **wrong}.items():
            error = None if name == "good" else "consistency path"
            case = encoded({**good, "path": hashes, **change})
            cases.append({"desc": f"from {old} to {new}: {name}", "error": error, **case})
    return cases


def encoded(case: dict[str, Json]) -> dict[str, Json]:
    """Return a case with its bytes as base64."""
    return {
        name: b64(value) if isinstance(value, bytes) else [b64(each) for each in value] if name == "path" else value
        for name, value in case.items()
    }
