"""Write docs/ledger-vectors.json, or with --check say whether it is what this script would write."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from ledger_forms import (
    DASH,
    DOSE,
    LEAVES,
    ORIGIN,
    OTHER_P,
    OTHER_U,
    PLACE,
    SHOWN,
    SIZE,
    STANDARD,
    TEXTS,
    TIME_S,
    URL,
    Json,
    P,
    U,
    b64,
    b64u,
    book,
    canonical,
    disclose,
    leaf,
    mth,
    other_spelling,
    payload,
    proof,
    receipt,
    sha,
    sign,
    subproof,
    text_of,
)
from ledger_trees import consistency, inclusion, roots

HOME = Path(__file__).resolve().parents[1] / "docs" / "ledger-vectors.json"

ABOUT = {
    "page": "reference/ledger.md and reference/proofs.md have the formats; this file is their examples for programs.",
    "error": "null where it must hold; else the word with which a verifier's reason begins.",
    "keys": "Verifier lines (C2SP), by what they are for; `seed` is the private key of each: SHA-256 of the text.",
    "roots": "The tree over the first `size` texts of `texts`; RFC 6962.",
    "inclusion": "Whether `leaf` is at `index` of the tree; RFC 9162, 2.1.3.2. Hashes are base64.",
    "consistency": "Whether the old tree is a prefix of the new one; RFC 9162, 2.1.4.2.",
    "records": "A record and the disclosures shown with it, by the unit's key.",
    "notes": "A receipt, by the unit's and the pharmacy's key.",
    "bundles": "A dose's files: dose.jws, dose.tlog-proof, dose.disclosures. `script` is what verify-dose.sh says.",
    "growth": "The files old.checkpoint and new.tlog-consistency.",
}


def records() -> Iterator[Json]:
    """Yield records: good ones, and each with one thing wrong, signed all the same where a signature is not what is."""
    good = payload(PLACE, LEAVES[:PLACE], "dose", **DOSE)
    text, data = TEXTS[PLACE], canonical(good)
    yield case("a dose with both private facts shown", text, None, SHOWN)
    yield case("a dose with one private fact shown", text, None, SHOWN[1:])
    yield case("a dose with none shown", text, None)
    yield case("an unknown type is kept", sign(canonical(good | {"typ": "hologram"})), None)
    head, body, signature = text.split(".")
    kid = U.id.hex()
    yield case("another spelling of the signature", other_spelling(text, URL), "JWS signature")
    yield case("a short signature", f"{head}.{body}.{b64u(b'x' * 63)}", "JWS signature")
    yield case("a padded payload", f"{head}.{body}=.{signature}", "JWS payload")
    yield case("four parts", f"{text}.", "JWS")
    yield case("the algorithm's old name", sign(data, header=header(kid, alg="EdDSA")), "JWS header")
    yield case("no algorithm", sign(data, header=header(kid, alg="none")), "JWS header")
    yield case("another type of JWS", sign(data, header=header(kid, typ="JWT")), "JWS header")
    yield case("another order in the header", sign(data, header=f'{{"kid":"{kid}","alg":"Ed25519"}}'), "JWS header")
    yield case("a key ID in capitals", sign(data, header=header(kid.upper())), "JWS header")
    yield case("a space in the header", sign(data, header=header(kid).replace(",", ", ")), "JWS header")
    yield case("signed by a key that is not trusted", sign(data, OTHER_U), "kid")
    yield case("that key under the trusted one's ID", sign(data, OTHER_U, header(kid)), "signature")
    yield case(
        "another payload under the signature",
        f"{head}.{b64u(data.replace(b'WITHIN', b'UNDER!'))}.{signature}",
        "signature",
    )
    yield from spellings(data)
    yield from members(good)
    yield from disclosures(text)


def header(kid: str, alg: str = "Ed25519", typ: str = "nebctl-dose+jws") -> str:
    """Return a protected header."""
    return f'{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}'


def case(desc: str, text: str, error: str | None, shown: list[str] | None = None) -> Json:
    """Return one record's case; a good one tells its leaf."""
    found = {} if error else {"leaf": b64(leaf(text))}
    return {"desc": desc, "jws": text, "disclosures": shown or [], "error": error, **found}


def spellings(data: bytes) -> Iterator[Json]:
    """Yield payloads that are no canonical JSON."""
    wrong = {
        "white space": data.replace(b",", b", ", 1),
        "a final newline": data + b"\n",
        "members in another order": b"{"
        + b",".join(reversed(data[1:-1].split(b',"v":'))).replace(b"1,", b'"v":1,', 1)
        + b"}",
        "a member twice": data.replace(b'{"_sd"', b'{"_sd_alg":"sha-256","_sd"', 1),
        "a float": data.replace(b'"dose":1', b'"dose":1.5'),
        "a float that is whole": data.replace(b'"dose":1', b'"dose":1.0'),
        "an exponent": data.replace(b'"dose":1', b'"dose":1e0'),
        "a negative zero": data.replace(b'"dose":1', b'"dose":-0'),
        "an integer of 2^53": data.replace(b'"dose":1', b'"dose":9007199254740992'),
        "an integer of thousands of digits": data.replace(b'"dose":1', b'"dose":1' + b"0" * 5000),
        "a needless escape": data.replace(b"KIT", b"\\u004bIT"),
        "bytes that are not UTF-8": data.replace(b"KIT", b"K\xffT"),
        "a key that is not ASCII": data.replace(b'"kit"', '"kít"'.encode()),
        "a list": b"[" + data + b"]",
        "nothing": b"",
    }
    for name, changed in wrong.items():
        yield case(f"the payload has {name}", sign(changed), "dose" if "2^53" in name else "JSON")


def members(good: dict[str, Json]) -> Iterator[Json]:
    """Yield records with each member of the envelope missing, and with each of another kind."""
    wrong = {
        "v": 2,
        "typ": "Dose",
        "unit": "NEB",
        "ep": 0,
        "seq": -1,
        "prev": b64u(b"x" * 31),
        "boot": "",
        "mono_ns": "1",
        "utc": "2026-11-22T11:11:40Z",
        "clk": {"sync": 1, "src": "sim"},
        "sw": None,
        "cfg": "AB" * 32,
        "sim": 1,
        "salt": "",
        "_sd": ["x"],
        "_sd_alg": "sha-512",
        "session": "",
        "day": -1,
        "tz": 0,
        "date_local": "22.11.2026",
    }
    for name, value in wrong.items():
        yield case(
            f"{name} is missing", sign(canonical({k: v for k, v in good.items() if k != name})), f"member {name}"
        )
        yield case(f"{name} is not one", sign(canonical(good | {name: value})), f"member {name}")
    for name, value in {"unit": "neb-0002", "ep": 2, "sim": False}.items():
        yield case(f"{name} is not the key's", sign(canonical(good | {name: value})), f"member {name}")
    for name, moment in {"no such day": "2026-02-30T00:00:00.000Z", "before 1970": "1969-12-31T23:59:59.999Z"}.items():
        yield case(f"utc is {name}", sign(canonical(good | {"utc": moment})), "member utc")
    yield case("_sd is not sorted", sign(canonical(good | {"_sd": good["_sd"][::-1]})), "member _sd")


def disclosures(text: str) -> Iterator[Json]:
    """Yield records with private facts that are not theirs, or not in their one form."""
    yield case("a fact that was not promised", text, "disclosure subject", [disclose("subject", "MEX-002")])
    yield case("a fact shown twice", text, "disclosure subject", [SHOWN[1], SHOWN[1]])
    yield case("a disclosure in another spelling", text, "disclosure", [SHOWN[1] + "="])
    yield case("a disclosure of two parts", text, "disclosure", [b64u(canonical(["salt", "subject"]))])
    yield case("a disclosure with a short salt", text, "salt", [disclose("subject", "MEX-001", b"x" * 15)])
    yield case("a disclosure under a reserved name", text, "disclosure name", [disclose("_sd", [])])
    yield case(
        "a disclosure with white space", text, "JSON", [b64u(b'["AAAAAAAAAAAAAAAAAAAAAA", "subject","MEX-001"]')]
    )


def notes() -> Iterator[Json]:
    """Yield receipts: good ones, and each with one thing wrong."""
    good, text = receipt(LEAVES), text_of(SIZE, mth(LEAVES))
    unit, pharmacy = good.splitlines(keepends=True)[4:]
    third = f"{DASH} somebody.example {b64(b'x' * 68)}\n"
    wrong: dict[str, tuple[str, str]] = {
        "another size": (good.replace("\n13\n", "\n14\n"), "head signature"),
        "a size with a leading zero": (good.replace("\n13\n", "\n013\n"), "checkpoint size"),
        "another root": (good.replace(b64(mth(LEAVES)), b64(sha(b"x"))), "head signature"),
        "a root in another spelling": (
            good.replace(b64(mth(LEAVES)), other_spelling(b64(mth(LEAVES)), STANDARD)),
            "checkpoint root",
        ),
        "a root of 31 bytes": (good.replace(b64(mth(LEAVES)), b64(b"x" * 31)), "checkpoint root"),
        "another origin, signed": (receipt(LEAVES, origin=ORIGIN[:-1] + "2"), "head origin"),
        "an extension line": (good.replace("\n\n", "\nmore\n\n"), "checkpoint"),
        "no blank line": (good.replace("\n\n", "\n"), "note"),
        "no final newline": (good[:-1], "note"),
        "a carriage return": (good.replace("\n", "\r\n"), "note"),
        "no signature": (f"{text}\n", "note"),
        "no line of the unit": (f"{text}\n{pharmacy}", "head signature"),
        "no line of the pharmacy": (f"{text}\n{unit}", "receipt"),
        "the lines in the other order": (f"{text}\n{pharmacy}{unit}", "receipt"),
        "a line too many": (good + third, "receipt"),
        "the unit's line twice": (f"{text}\n{unit}{unit}", "head signature"),
        "a hyphen for the dash": (good.replace(DASH, "-"), "signature line"),
        "a line in another spelling": (
            f"{text}\n{other_spelling(unit.strip(), STANDARD)}\n{pharmacy}",
            "signature line",
        ),
        "another key under the unit's name": (receipt(LEAVES, unit=OTHER_U), "head signature"),
        "another key under the pharmacy's name": (receipt(LEAVES, pharmacy=OTHER_P), "cosignature"),
        "another key ID of the unit": (f"{text}\n{U.line(text, flip=0)}{pharmacy}", "head signature"),
        "another key ID of the pharmacy": (f"{text}\n{unit}{P.line(text, flip=3)}", "cosignature"),
        "a bit of the unit's signature": (f"{text}\n{U.line(text, flip=67)}{pharmacy}", "head signature"),
        "a bit of the pharmacy's signature": (f"{text}\n{unit}{P.line(text, flip=75)}", "cosignature"),
        "a bit of the time": (f"{text}\n{unit}{P.line(text, flip=11)}", "cosignature"),
        "a time of 0": (receipt(LEAVES, time_s=0), "cosignature"),
        "a plain signature for a cosignature": (
            f"{text}\n{unit}{DASH} {P.name} {b64(P.id + U.private.sign(text.encode()))}\n",
            "cosignature",
        ),
    }
    yield {"desc": "a good receipt", "note": good, "error": None, "size": SIZE, "time": TIME_S}
    yield {"desc": "a receipt of the empty log", "note": receipt([]), "error": None, "size": 0, "time": TIME_S}
    for name, (note, error) in wrong.items():
        yield {"desc": name, "note": note, "error": error}


def bundles() -> Iterator[Json]:
    """Yield bundles: good ones, each line of the proof wrong, and records that no dose may be."""
    good, text = proof(LEAVES), TEXTS[PLACE]
    lines = good.split("\n")
    yield bundle("a good bundle", text, good, None)
    yield bundle("a good bundle that shows nothing", text, good, None, shown=[])
    yield bundle("another version", text, good.replace("@v1", "@v2"), "proof line 1", "line 1 is not")
    yield bundle("an extra line", text, good.replace("index", "extra AAAA\nindex"), "proof line 2", "extra AAAA")
    yield bundle("another index", text, good.replace("index 4", "index 2"), "proof index", "index 2")
    yield bundle("an index with a leading zero", text, good.replace("index 4", "index 04"), "proof index", "index 04")
    yield bundle("a hash too few", text, "\n".join(lines[:3] + lines[4:]), "inclusion path", "inclusion path")
    yield bundle("a hash too many", text, "\n".join([*lines[:3], *lines[2:]]), "inclusion path", "inclusion path")
    yield bundle(
        "hashes in another order",
        text,
        "\n".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
        "inclusion path",
        "inclusion path",
    )
    yield bundle(
        "a hash in another spelling",
        text,
        good.replace(lines[2], other_spelling(lines[2], STANDARD)),
        "proof line 3",
        "line 3: not base64",
    )
    yield bundle(
        "a hash of 31 bytes", text, good.replace(lines[2], b64(b"x" * 31)), "proof line 3", "line 3 is not a hash"
    )
    yield bundle("no blank line", text, good.replace("\n\n", "\n"), "proof", "dose.tlog-proof")
    yield bundle("another record of the log", TEXTS[PLACE - 1], good, "member typ", "record")
    yield bundle(
        "a fact that was not promised",
        text,
        good,
        "disclosure subject",
        "disclosure subject",
        [disclose("subject", "MEX-002")],
    )
    yield bundle("a fact shown twice", text, good, "disclosure subject", "disclosure subject", [SHOWN[1], SHOWN[1]])
    for each in notes():
        if each["error"]:
            error = "inclusion path" if each["desc"] == "another root" else each["error"]
            yield bundle(f"the receipt has {each['desc']}", text, proof(LEAVES, each["note"]), error, "")
    yield from doses()


def doses() -> Iterator[Json]:
    """Yield bundles that prove a record which its own unit signed wrongly."""
    wrong: dict[str, tuple[dict[str, Json], str, str]] = {
        "low above best": ({"low_nl": 2_900_001}, "emitted volume", "volumes"),
        "best above high": ({"best_nl": 2_930_101}, "emitted volume", "volumes"),
        "high above the charge": ({"high_nl": 3_030_001}, "emitted volume", "volumes"),
        "a negative volume": ({"low_nl": -1}, "emitted volume", "low_nl"),
        "no charge": ({"charge": ...}, "charge", "no charge"),
        "no end": ({"end": ...}, "member end", "end"),
        "no verdict": ({"verdict": ...}, "member verdict", "verdict"),
        "another unit": ({"unit": "neb-0002"}, "trusted key", "no trusted key"),
        "another epoch": ({"ep": 2}, "member ep", "unit and ep"),
        "another place": ({"seq": 5}, "proof index", "expected the record's seq"),
        "no simulation": ({"sim": False}, "member sim", "sim is not"),
        "another version": ({"v": 2}, "member v", "version 1"),
    }
    for name, (changed, error, said) in wrong.items():
        texts, leaves = book(**changed)
        yield bundle(f"a dose with {name}", texts[PLACE], proof(leaves), error, said)


def bundle(
    desc: str, text: str, proven: str, error: str | None, said: str = "", shown: list[str] | None = None
) -> Json:
    """Return one bundle's case."""
    facts = SHOWN if shown is None else shown
    return {"desc": desc, "jws": text, "proof": proven, "disclosures": facts, "error": error, "script": said}


def growth() -> Iterator[Json]:
    """Yield proofs that a log grew."""
    old = receipt(LEAVES[:5])
    hashes = "".join(f"{b64(each)}\n" for each in subproof(5, LEAVES, True))
    good = f"old 5\n{hashes}\n{receipt(LEAVES)}"
    fork = book(verdict="UNDER")[1]
    yield {"desc": "a log that grew", "old": old, "new": good, "error": None}
    yield {
        "desc": "another old size",
        "old": old,
        "new": good.replace("old 5", "old 6"),
        "error": "consistency old size",
    }
    yield {"desc": "no hashes", "old": old, "new": good.replace(hashes, ""), "error": "consistency path"}
    yield {"desc": "a fork", "old": receipt(fork[:5]), "new": good, "error": "consistency path"}
    yield {
        "desc": "the newer head first",
        "old": receipt(LEAVES),
        "new": good.replace("old 5", "old 13"),
        "error": "consistency path",
    }
    yield {
        "desc": "an old head that nobody countersigned",
        "old": old[: old.rindex(DASH)],
        "new": good,
        "error": "old receipt",
    }
    yield {
        "desc": "a new head by another key",
        "old": old,
        "new": good.replace(receipt(LEAVES), receipt(LEAVES, unit=OTHER_U)),
        "error": "new head signature",
    }


def vectors() -> str:
    """Return the file's text."""
    keys = {"unit": U, "pharmacy": P, "other_unit": OTHER_U, "other_pharmacy": OTHER_P}
    told = {name: {"vkey": key.vkey(), "seed": key.seed} for name, key in keys.items()}
    texts = [f"record {number}" for number in range(33)]
    cases = {
        "roots": {"texts": texts, "cases": roots()},
        "inclusion": inclusion(),
        "consistency": consistency(),
        "records": [*records()],
        "notes": [*notes()],
        "bundles": [*bundles()],
        "growth": [*growth()],
    }
    return json.dumps({"about": ABOUT, "keys": told, **cases}, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or check it."""
    made = vectors()
    if sys.argv[1:] == ["--check"]:
        same = HOME.read_text(encoding="utf-8") == made
        print(f"{HOME.name}: {'as it is made' if same else 'differs; run scripts/ledger_vectors.py'}")
        return 0 if same else 1
    HOME.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
