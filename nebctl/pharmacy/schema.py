"""The tables of pharmacy.db that hold records, and what is drawn from them; those of orders are in `tables`."""

TABLES = """
CREATE TABLE IF NOT EXISTS rec (
    unit TEXT NOT NULL, ep INTEGER NOT NULL, seq INTEGER NOT NULL,
    leaf BLOB NOT NULL CHECK (length(leaf) = 32), jws TEXT NOT NULL, got_at TEXT NOT NULL,
    PRIMARY KEY (unit, ep, seq));
CREATE TRIGGER IF NOT EXISTS rec_no_update BEFORE UPDATE ON rec BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS rec_no_delete BEFORE DELETE ON rec BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS rec_next BEFORE INSERT ON rec
    WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq) + 1, 0) FROM rec WHERE unit = NEW.unit AND ep = NEW.ep)
    BEGIN SELECT RAISE(ABORT, 'not the next record'); END;
CREATE TABLE IF NOT EXISTS disclosure (
    unit TEXT NOT NULL, ep INTEGER NOT NULL, seq INTEGER NOT NULL, disc TEXT NOT NULL,
    PRIMARY KEY (unit, ep, seq, disc)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tip (
    unit TEXT NOT NULL, ep INTEGER NOT NULL, size INTEGER NOT NULL, frontier BLOB NOT NULL, head_line TEXT NOT NULL,
    PRIMARY KEY (unit, ep)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS witness (
    unit TEXT NOT NULL, ep INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
    cosigned_at INTEGER NOT NULL, PRIMARY KEY (unit, ep)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (
    unit TEXT NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL, got_at TEXT NOT NULL, UNIQUE (unit, reason, body));
CREATE TABLE IF NOT EXISTS refusal (
    unit TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, last_at TEXT NOT NULL,
    PRIMARY KEY (unit, reason)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unit (
    unit TEXT PRIMARY KEY, last_seen TEXT, state TEXT, orders_rev INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unit_key (
    unit TEXT NOT NULL REFERENCES unit, ep INTEGER NOT NULL, vkey TEXT NOT NULL, enrolled_at TEXT NOT NULL,
    PRIMARY KEY (unit, ep)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rotated (
    unit TEXT NOT NULL, ep INTEGER NOT NULL, first INTEGER NOT NULL, vkey TEXT NOT NULL,
    PRIMARY KEY (unit, ep, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revoked (
    unit TEXT NOT NULL, ep INTEGER NOT NULL, kid TEXT NOT NULL, at TEXT NOT NULL, log_seq INTEGER NOT NULL,
    PRIMARY KEY (unit, ep, kid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (
    unit TEXT NOT NULL, ep INTEGER NOT NULL, seq INTEGER NOT NULL, subject TEXT NOT NULL, day INTEGER NOT NULL,
    dose INTEGER NOT NULL, session TEXT NOT NULL, state TEXT NOT NULL, date_local TEXT NOT NULL,
    emitted INTEGER NOT NULL, PRIMARY KEY (unit, ep, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outcome_subject ON outcome (subject);
CREATE TABLE IF NOT EXISTS worklist (
    unit TEXT NOT NULL REFERENCES unit, version INTEGER NOT NULL, note TEXT NOT NULL, orders_rev INTEGER NOT NULL,
    expires_ns INTEGER NOT NULL, PRIMARY KEY (unit, version)) WITHOUT ROWID;
"""
"""`rec`, `disclosure`, `witness` are what auditors read; `outcome` is drawn from the records, and its rows of the unit
`pharmacy-log` from the pharmacy's own.

`unit_key` is the key that was enrolled for an epoch; `rotated` are those that its own `key` records handed it over to,
each from its first record on. A key in `revoked` takes nothing more in.

`tip` is the tree as committed, `witness` as last countersigned. `orders_rev` grows whenever the unit's worklist must be
made anew; the newest `worklist` row says for which revision it was made.
"""
