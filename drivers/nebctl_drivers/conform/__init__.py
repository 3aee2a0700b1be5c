"""The conformance kit: the rules of docs/wire-protocol.md, asked of a real controller over its own wire."""
