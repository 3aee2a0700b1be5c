"""Records, the tree they form, its signed heads, and the proof of one dose."""
