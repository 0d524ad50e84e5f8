"""Runs other backtest engines on the same task, each in its own process: `python _engines.py NAME FILE CAPITAL`.

The task is the crossover of tests/analytics/backtest/_crossover.py, from a Parquet file of bars to the final equity.
This file imports nothing of the project, because it runs with the interpreter of `environment()`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENGINES = {
    "backtesting": "backtesting==0.6.6",
    "backtrader": "backtrader==1.9.78.123",
    "pybroker": "lib-pybroker==2.0.2",
}
VECTORBT = {"vectorbt": "vectorbt==1.2.0"}
"""In an environment of its own, because its pins differ from those of the others."""
FAST, SLOW, COMMISSION = 20, 50, 0.001


def environment(folder: Path, engines: Mapping[str, str] = ENGINES) -> Path:
    """Return the interpreter of a virtual environment with some engines; create it if it does not exist."""
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *engines.values(), "pyarrow"], check=True)
        (folder / "complete").touch()
    return python


def run_engine(python: Path, engine: str, bars: Path, capital: float) -> dict[str, float]:
    """Return an engine's CPU seconds, wall seconds, final equity and number of closed trades."""
    command = [str(python), __file__, engine, str(bars), str(capital)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def load(path: str) -> dict[str, Any]:
    import pandas as pd

    frame = pd.read_parquet(path)
    frame["date"] = pd.to_datetime(frame["date"]).astype("datetime64[ns]")
    return {symbol: bars.drop(columns="symbol").set_index("date") for symbol, bars in frame.groupby("symbol")}


def backtesting(path: str, capital: float) -> tuple[float, int]:
    """Run each symbol in an account of its own, because the engine has no account for several symbols."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    bars = load(path)
    money = 0.5 * capital / len(bars)

    def sma(values: Any, n: int) -> Any:
        return pd.Series(values).rolling(n).mean()

    class Crossover(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.fast, self.slow = self.I(sma, self.data.Close, FAST), self.I(sma, self.data.Close, SLOW)

        def next(self) -> None:
            if self.fast[-1] > self.slow[-1]:
                if not self.position:
                    self.buy(size=int(money / self.data.Close[-1]))
            elif self.fast[-1] < self.slow[-1] and self.position:
                self.position.close()

    equity, trades = 0.0, 0
    for one in bars.values():
        frame = one.rename(columns=str.capitalize)
        test = Backtest(frame, Crossover, cash=capital / len(bars), commission=COMMISSION, finalize_trades=False)
        stats = test.run()
        equity += stats["Equity Final [$]"]
        trades += stats["# Trades"]
    return equity, trades


def backtrader(path: str, capital: float) -> tuple[float, int]:
    import backtrader as bt

    bars = load(path)
    money = 0.5 * capital / len(bars)

    class Crossover(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.trades = 0
            self.rows = [(d, bt.ind.SMA(d.close, period=FAST), bt.ind.SMA(d.close, period=SLOW)) for d in self.datas]

        def notify_trade(self, trade: Any) -> None:
            self.trades += trade.isclosed

        def next(self) -> None:
            if len(self) <= SLOW:
                return
            for data, fast, slow in self.rows:
                if fast[0] > slow[0]:
                    if not self.getposition(data).size:
                        self.buy(data=data, size=int(money / data.close[0]))
                elif fast[0] < slow[0] and self.getposition(data).size:
                    self.close(data=data)

    cerebro = bt.Cerebro(stdstats=False)
    for symbol, frame in bars.items():
        cerebro.adddata(bt.feeds.PandasData(dataname=frame, openinterest=None), name=symbol)
    cerebro.addstrategy(Crossover)
    cerebro.broker.setcash(capital)
    cerebro.broker.setcommission(commission=COMMISSION)
    (strategy,) = cerebro.run()
    return cerebro.broker.getvalue(), strategy.trades


def pybroker(path: str, capital: float) -> tuple[float, int]:
    import pandas as pd
    import pybroker as pb

    bars = load(path)
    money = 0.5 * capital / len(bars)
    pb.disable_logging()
    pb.disable_progress_bar()
    frame = pd.concat([one.assign(symbol=symbol) for symbol, one in bars.items()]).reset_index()
    fast, slow = (
        pb.indicator(name, lambda data, n=n: pd.Series(data.close).rolling(n).mean().to_numpy())
        for name, n in (("fast", FAST), ("slow", SLOW))
    )

    def decide(ctx: Any) -> None:
        if ctx.bars <= SLOW:
            return
        above = ctx.indicator("fast")[-1] - ctx.indicator("slow")[-1]
        if above > 0 and not ctx.long_pos():
            ctx.buy_fill_price = pb.PriceType.OPEN
            ctx.buy_shares = int(money / ctx.close[-1])
        elif above < 0 and ctx.long_pos():
            ctx.sell_fill_price = pb.PriceType.OPEN
            ctx.sell_all_shares()

    config = pb.StrategyConfig(
        initial_cash=capital, fee_mode=pb.FeeMode.ORDER_PERCENT, fee_amount=100 * COMMISSION, round_fill_price=False
    )
    strategy = pb.Strategy(frame, frame.date.min(), frame.date.max() + pd.Timedelta(days=1), config)
    strategy.add_execution(decide, list(bars), indicators=[fast, slow])
    result = strategy.backtest(calc_bootstrap=False)
    return float(result.portfolio.equity.iloc[-1]), len(result.trades)


def vectorbt(path: str, capital: float) -> tuple[float, int]:
    """Run the second time, when the engine's functions are compiled."""
    import numpy as np
    import pandas as pd
    import vectorbt as vbt

    frame = pd.read_parquet(path, columns=["symbol", "date", "open", "close"])
    wide = frame.pivot(index="date", columns="symbol")
    opens, closes = wide["open"], wide["close"]
    fast, slow = (closes.rolling(n).mean() for n in (FAST, SLOW))
    is_warm = slow.shift(1).notna()  # from the second bar with both averages, as the other engines
    entries, exits = (fast > slow) & is_warm, (fast < slow) & is_warm
    account = vbt.Portfolio.from_signals(
        closes,
        entries.shift(1, fill_value=False),
        exits.shift(1, fill_value=False),
        size=np.floor(0.5 * capital / closes.shape[1] / closes).shift(1),
        price=opens,
        fees=COMMISSION,
        init_cash=capital,
        cash_sharing=True,
        group_by=True,
    )
    return float(np.asarray(account.value())[-1]), int(account.trades.closed.count())


COMPILED = ("vectorbt",)
"""Engines that compile in their first run, which is not measured."""

if __name__ == "__main__":
    import warnings

    import pandas  # noqa: F401  (imported first, so that its import is not measured)

    warnings.simplefilter("ignore")
    name, file, money = sys.argv[1], sys.argv[2], float(sys.argv[3])
    __import__(name)
    if name in COMPILED:
        globals()[name](file, money)
    wall, cpu = time.perf_counter(), time.process_time()
    final, closed = globals()[name](file, money)
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({**spent, "equity": round(final, 2), "trades": int(closed)}))
