"""The reference mesh controller: the firmware contract of docs/wire-protocol.md, seen from the host."""
