"""The stored formats: a table definition each, and its compiled form, a Parquet file of that table without rows."""
