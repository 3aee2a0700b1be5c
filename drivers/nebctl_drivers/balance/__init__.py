"""Balances that speak MT-SICS: weights as exact micrograms, with stable and dynamic kept apart."""
