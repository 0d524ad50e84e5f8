"""The metrics that three libraries compute for two curves of GOOG: buy and hold, and the SMA crossover of `_made_up`.

The tests also run empyrical-reloaded and backtesting.py, but not quantstats, which needs matplotlib and seaborn.
`python -m tests.analytics.backtest._references` prints quantstats' metrics, if it is installed.
"""

from __future__ import annotations

EMPYRICAL = {  # 0.7.1
    "held": {
        "annual_return": 0.2770806653191571,
        "volatility": 0.34405786161892116,
        "sharpe": 0.8815185699129495,
        "sortino": 1.3541673631507354,
        "max_drawdown": -0.65294759972499,
        "calmar": 0.4243536011708422,
    },
    "crossover": {
        "annual_return": 0.11729884314722328,
        "volatility": 0.22095837742655433,
        "sharpe": 0.6123376895186494,
        "sortino": 0.8953972968403741,
        "max_drawdown": -0.36288632090320005,
        "calmar": 0.32323853612137876,
    },
}
EMPYRICAL_SHARPE_AT_2_PERCENT = {"held": 0.8233888125927918, "crossover": 0.5218229046395162}
QUANTSTATS = {  # 0.0.86
    "held": {
        "annual_return": 0.2770806653191571,
        "volatility": 0.34405786161892116,
        "sharpe": 0.8815185699129492,
        "sortino": 1.3541673631507347,
        "max_drawdown": -0.6529475997249901,
        "calmar": 0.42435360117084214,
    },
    "crossover": {
        "annual_return": 0.11729884314722328,
        "volatility": 0.22095837742655433,
        "sharpe": 0.6123376895186499,
        "sortino": 0.8953972968403747,
        "max_drawdown": -0.36288632090320005,
        "calmar": 0.32323853612137876,
    },
}
QUANTSTATS_SHARPE_AT_2_PERCENT = {"held": 0.8239602124699619, "crossover": 0.5227126406258362}
QUANTSTATS_TAILS = {  # 0.0.86; the conditional value at risk with method="historical"
    "held": {
        "skew": 0.7509291849603789,
        "kurtosis": 8.977884467756583,
        "tail_ratio": 1.0380128933001522,
        "omega": 1.1797198797718698,
        "ulcer_index": 0.2512483297732764,
        "conditional_value_at_risk": -0.04808958498266027,
    },
    "crossover": {
        "skew": 0.23623967799704015,
        "kurtosis": 10.133847415453795,
        "tail_ratio": 1.0522105983738694,
        "omega": 1.1553349700324858,
        "ulcer_index": 0.18487999544019826,
        "conditional_value_at_risk": -0.03503195385047176,
    },
}
QUANTSTATS_INFORMATION_RATIO = -0.04157008060207447
"""Of the crossover, against GOOG held."""
QUANTSTATS_ROLLING_AT_1000 = [-0.5518850151475819, 0.17249182068502544, 0.13696753558879868]
"""Sharpe ratio, volatility and beta of the crossover over the 126 returns up to number 1,000."""
BACKTESTING = {  # 0.6.6
    "held": {
        "total_return": 7.034582419772772,
        "annual_return": 0.27708066531913023,
        "cagr": 0.27666694879608357,
        "max_drawdown": -0.6529475997249897,
        "calmar": 0.4243536011708013,
        "longest_drawdown_days": 1784,
    },
    "crossover": {
        "total_return": 1.5727359099999996,
        "annual_return": 0.11729884314723371,
        "cagr": 0.11713468454554011,
        "max_drawdown": -0.3628863209032001,
        "calmar": 0.3232385361214075,
        "longest_drawdown_days": 1152,
        "trades": 20,
        "win_rate": 0.4,
        "profit_factor": 2.1080372102843006,
        "average_win": 30829.667583749997,
        "average_loss": -9749.880894999998,
    },
}
"""The last three are in money, computed from backtesting.py's trades."""


def main() -> None:
    """Print quantstats' metrics."""
    import pandas as pd
    import quantstats.stats as qs

    from tests.analytics.backtest._made_up import goog, goog_sma

    ours = {"annual_return": "cagr", "volatility": "volatility", "sharpe": "sharpe", "sortino": "sortino"}
    ours |= {"max_drawdown": "max_drawdown", "calmar": "calmar"}
    for name, equity in {"held": goog()["Close"], "crossover": goog_sma().curve.equity}.items():
        returns = pd.Series(equity, goog().index).pct_change().dropna()
        print(name, {key: float(getattr(qs, theirs)(returns)) for key, theirs in ours.items()})
        print(name, "at 2 %", float(qs.sharpe(returns, rf=0.02)))
        tails = {
            key: float(getattr(qs, key)(returns)) for key in ("skew", "kurtosis", "tail_ratio", "omega", "ulcer_index")
        }
        print(name, tails, float(qs.conditional_value_at_risk(returns, method="historical")))
        market = pd.Series(goog()["Close"]).pct_change().dropna()
        print(name, "information ratio", float(qs.information_ratio(returns, market, prepare_returns=False)))
        beta = qs.rolling_greeks(returns, market, 126)["beta"]
        rolling = (qs.rolling_sharpe(returns), qs.rolling_volatility(returns), beta)
        print(name, "rolling", [float(values.iloc[1000]) for values in rolling])


if __name__ == "__main__":
    main()
