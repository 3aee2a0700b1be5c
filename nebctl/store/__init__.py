"""Where records become durable: the unit's ledger in SQLite, its outbox, and the reading of ledgers for audit."""
