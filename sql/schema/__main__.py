"""Compile the table definitions: `python -m stockstream.sql.schema`, or `make schema`.

Writes each `schema/NAME.parquet` from `schema/NAME.sql`.
"""

import duckdb

from stockstream.sql.loader import HOME, load


def compile_all() -> list[str]:
    """Write every format's Parquet file; give their names."""
    names = [path.stem for path in sorted((HOME / "schema").glob("*.sql"))]
    for name in names:
        con = duckdb.connect()
        con.execute(load(f"schema/{name}").text)
        con.execute(f"COPY (FROM {name} LIMIT 0) TO '{HOME}/schema/{name}.parquet' (FORMAT parquet)")
    return names


if __name__ == "__main__":
    print("compiled", ", ".join(compile_all()))
