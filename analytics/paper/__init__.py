"""Paper accounts: strategies that trade each published session of a lake. No order leaves for a broker."""
