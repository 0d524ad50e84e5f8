"""Reading bars from files of any origin: what is common is read, and what cannot be read is counted and named."""
