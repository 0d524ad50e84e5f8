"""Bars of the session that is running: events of a feed, a journal of them, and a fold that makes bars of them."""
