"""Invented providers: one for each trait that ours lack, to show that the contract carries it."""
