CREATE TABLE log(
    ep INTEGER NOT NULL CHECK(ep >= 1), seq INTEGER NOT NULL CHECK(seq >= 0),
    leaf BLOB NOT NULL CHECK(length(leaf) = 32), jws TEXT NOT NULL,
    PRIMARY KEY(ep, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE disclosure(
    ep INTEGER NOT NULL, seq INTEGER NOT NULL, disc TEXT NOT NULL,
    PRIMARY KEY(ep, seq, disc)) STRICT, WITHOUT ROWID;
CREATE TABLE head(
    ep INTEGER NOT NULL PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL CHECK(length(root) = 32),
    note TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE outbox(
    ep INTEGER NOT NULL, seq INTEGER NOT NULL, head_line TEXT NOT NULL,
    PRIMARY KEY(ep, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE receipt(
    ep INTEGER NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY(ep, size)) STRICT, WITHOUT ROWID;
CREATE TABLE trace(
    session TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL, csv TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE trace_rows(
    n INTEGER PRIMARY KEY, session TEXT NOT NULL, rows TEXT NOT NULL) STRICT;
CREATE TRIGGER log_takes_only_the_next BEFORE INSERT ON log WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), -1) + 1 FROM log WHERE ep = NEW.ep) OR NEW.ep < (SELECT max(ep) FROM log) BEGIN SELECT RAISE(ABORT, 'log_takes_only_the_next'); END;
CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'log_is_never_changed'); END;
CREATE TRIGGER log_is_never_shortened BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'log_is_never_shortened'); END;
CREATE TRIGGER disclosure_belongs_to_a_record BEFORE INSERT ON disclosure WHEN NOT EXISTS (SELECT 1 FROM log WHERE ep = NEW.ep AND seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'disclosure_belongs_to_a_record'); END;
CREATE TRIGGER disclosure_is_never_changed BEFORE UPDATE ON disclosure BEGIN SELECT RAISE(ABORT, 'disclosure_is_never_changed'); END;
CREATE TRIGGER disclosure_is_never_deleted BEFORE DELETE ON disclosure BEGIN SELECT RAISE(ABORT, 'disclosure_is_never_deleted'); END;
CREATE TRIGGER head_is_one_an_epoch BEFORE INSERT ON head WHEN EXISTS (SELECT 1 FROM head WHERE ep = NEW.ep) BEGIN SELECT RAISE(ABORT, 'head_is_one_an_epoch'); END;
CREATE TRIGGER head_only_grows BEFORE UPDATE ON head WHEN NEW.ep IS NOT OLD.ep OR NEW.size <= OLD.size BEGIN SELECT RAISE(ABORT, 'head_only_grows'); END;
CREATE TRIGGER head_is_never_deleted BEFORE DELETE ON head BEGIN SELECT RAISE(ABORT, 'head_is_never_deleted'); END;
CREATE TRIGGER outbox_holds_records_once BEFORE INSERT ON outbox WHEN NOT EXISTS (SELECT 1 FROM log WHERE ep = NEW.ep AND seq = NEW.seq) OR EXISTS (SELECT 1 FROM outbox WHERE ep = NEW.ep AND seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'outbox_holds_records_once'); END;
CREATE TRIGGER outbox_is_never_changed BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'outbox_is_never_changed'); END;
CREATE TRIGGER outbox_closes_by_receipt_alone BEFORE DELETE ON outbox WHEN NOT EXISTS (SELECT 1 FROM receipt WHERE ep = OLD.ep AND size > OLD.seq) BEGIN SELECT RAISE(ABORT, 'outbox_closes_by_receipt_alone'); END;
CREATE TRIGGER receipt_only_grows BEFORE INSERT ON receipt WHEN NEW.size <= (SELECT max(size) FROM receipt WHERE ep = NEW.ep) OR NEW.size > (SELECT coalesce(max(seq), -1) + 1 FROM log WHERE ep = NEW.ep) BEGIN SELECT RAISE(ABORT, 'receipt_only_grows'); END;
CREATE TRIGGER receipt_is_never_changed BEFORE UPDATE ON receipt BEGIN SELECT RAISE(ABORT, 'receipt_is_never_changed'); END;
CREATE TRIGGER receipt_is_never_deleted BEFORE DELETE ON receipt BEGIN SELECT RAISE(ABORT, 'receipt_is_never_deleted'); END;
CREATE TRIGGER trace_is_kept_once BEFORE INSERT ON trace WHEN EXISTS (SELECT 1 FROM trace WHERE session = NEW.session) BEGIN SELECT RAISE(ABORT, 'trace_is_kept_once'); END;
CREATE TRIGGER trace_is_never_changed BEFORE UPDATE ON trace BEGIN SELECT RAISE(ABORT, 'trace_is_never_changed'); END;
CREATE TRIGGER trace_is_never_deleted BEFORE DELETE ON trace BEGIN SELECT RAISE(ABORT, 'trace_is_never_deleted'); END;
PRAGMA user_version = 1;
