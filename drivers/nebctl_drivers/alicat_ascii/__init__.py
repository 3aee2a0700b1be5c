"""Alicat gas controllers over their ASCII protocol: commands, data frames, and a gas source for a jet."""
