"""The independent cut-off relay: a contact that opens by itself."""
