"""Alerts: rules in SQL over live bars and over the signals of the batch, and the channels that deliver them."""
