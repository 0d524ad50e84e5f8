"""The stored formats: a table definition per format, and its compiled form, a Parquet file without rows."""
