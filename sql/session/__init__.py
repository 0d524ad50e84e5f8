"""Open DuckDB connections on a lake, with extensions, credentials, files, views and indicators.

connection.py opens the connection; lake_files.py decides which files the views read; s3.py gives access to S3;
locations.py interprets lake URIs; access.py checks the permissions of folders; explanations.py turns DuckDB's errors
into messages.
"""

from stockstream.sql.errors import LakeWarning
from stockstream.sql.session.connection import connect
from stockstream.sql.session.damage import explain_damage
from stockstream.sql.session.explanations import explain, explained, first_line
from stockstream.sql.session.lake_files import (
    FileFilter,
    Parts,
    files_of,
    is_lake,
    list_files,
    listed_files,
    no_lake,
    pick_files,
    set_generation,
    set_silver,
    silver_of,
    unreadable,
)
from stockstream.sql.session.locations import normalise, run_date
from stockstream.sql.session.s3 import DEFAULT_REGION, EXTENSIONS, extension
from stockstream.sql.variables import quoted, set_variable

__all__ = [
    "DEFAULT_REGION",
    "EXTENSIONS",
    "FileFilter",
    "LakeWarning",
    "Parts",
    "connect",
    "explain",
    "explain_damage",
    "explained",
    "extension",
    "files_of",
    "first_line",
    "is_lake",
    "list_files",
    "listed_files",
    "no_lake",
    "normalise",
    "pick_files",
    "quoted",
    "run_date",
    "set_generation",
    "set_silver",
    "set_variable",
    "silver_of",
    "unreadable",
]
