"""The catalogue of indicators, read from their SQL files.

header.py is the model of their headers; indicators.py finds the files and their versions; kernels.py finds the scalar
macros that several indicators share; skeleton.py contains the files with which a new indicator starts.
"""

from stockstream.sql.catalogue.header import IndicatorHeader, Scale
from stockstream.sql.catalogue.indicators import (
    FOLDER,
    Catalogue,
    Indicator,
    added,
    aliases,
    catalogue,
    check_macro,
    install,
    shipped,
)
from stockstream.sql.catalogue.kernels import KERNELS, kernel_files

__all__ = [
    "FOLDER",
    "KERNELS",
    "Catalogue",
    "Indicator",
    "IndicatorHeader",
    "Scale",
    "added",
    "aliases",
    "catalogue",
    "check_macro",
    "install",
    "kernel_files",
    "shipped",
]
