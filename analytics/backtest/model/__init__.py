"""What a strategy sees, what configures a run, and what comes out of it. Imports no other package of the backtester."""

from stockstream.analytics.backtest.model.actions import Action, Verb
from stockstream.analytics.backtest.model.costs import BROKERS, FileFunction, name_of, parse_commission, parse_slippage
from stockstream.analytics.backtest.model.data import Data, make_view
from stockstream.analytics.backtest.model.files import PREFIX, module_of
from stockstream.analytics.backtest.model.optimisers import optimal_weights
from stockstream.analytics.backtest.model.orders import OpenOrders, Order, Status
from stockstream.analytics.backtest.model.portfolio import (
    ClosedPosition,
    OpenPosition,
    Portfolio,
    Position,
    Transaction,
    order_view,
    portfolio_view,
    position_view,
)
from stockstream.analytics.backtest.model.result import (
    Bars,
    Costs,
    Curve,
    Excursion,
    History,
    LedgerEntry,
    Movement,
    Note,
    Result,
)
from stockstream.analytics.backtest.model.setup import FORMER_NAMES, OPTIONS, Option, Setup, current_names
from stockstream.analytics.backtest.model.signals import SignalStrategy, conditions_of
from stockstream.analytics.backtest.model.sizing import fixed_money, percent_of_equity, rebalance, volatility_target
from stockstream.analytics.backtest.model.strategy import Strategy, parameters_of, schedule_of, strategies_in

__all__ = [
    "BROKERS",
    "FORMER_NAMES",
    "OPTIONS",
    "PREFIX",
    "Action",
    "Bars",
    "ClosedPosition",
    "Costs",
    "Curve",
    "Data",
    "Excursion",
    "FileFunction",
    "History",
    "LedgerEntry",
    "Movement",
    "Note",
    "OpenOrders",
    "OpenPosition",
    "Option",
    "Order",
    "Portfolio",
    "Position",
    "Result",
    "Setup",
    "SignalStrategy",
    "Status",
    "Strategy",
    "Transaction",
    "Verb",
    "conditions_of",
    "current_names",
    "fixed_money",
    "make_view",
    "module_of",
    "name_of",
    "optimal_weights",
    "order_view",
    "parameters_of",
    "parse_commission",
    "parse_slippage",
    "percent_of_equity",
    "portfolio_view",
    "position_view",
    "rebalance",
    "schedule_of",
    "strategies_in",
    "volatility_target",
]
