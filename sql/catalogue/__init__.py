"""The catalogue of indicators, read from their SQL files.

header.py is the model of their headers, indicators.py finds the files and their versions, kernels.py the macros that
they are written with, and skeleton.py writes the files of a new one.
"""

from stockstream.sql.catalogue.header import IndicatorHeader, Scale
from stockstream.sql.catalogue.indicators import FOLDER, Catalogue, Indicator, aliases, catalogue, check_macro
from stockstream.sql.catalogue.kernels import KERNELS, kernel_files

__all__ = [
    "FOLDER",
    "KERNELS",
    "Catalogue",
    "Indicator",
    "IndicatorHeader",
    "Scale",
    "aliases",
    "catalogue",
    "check_macro",
    "kernel_files",
]
