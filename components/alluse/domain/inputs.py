"""Reading what sizing and delta selection are both given: a symbol, an analysis, a volatility."""

from alluse.domain.errors import InvalidInputError
from alluse.schemas.market import MarketAnalysis

#: Volatilities outside are no basis for a trade: nothing quoted moves so little or so much.
LEAST_VOLATILITY, MOST_VOLATILITY = 0.01, 5.0


def symbol_of(symbol: str | None, analysis: MarketAnalysis | None) -> str | None:
    """The symbol asked about, from the request or else its analysis.

    Raises InvalidInputError when they differ: one symbol's volatility must not size another.
    """
    if analysis is None:
        return symbol
    if symbol is not None and symbol != analysis.symbol:
        raise InvalidInputError("market_analysis", f"is of {analysis.symbol}, not of {symbol}")
    return analysis.symbol


def usable_volatility(volatility: float | None) -> float | None:
    """The volatility, or None when it is unknown or no basis for a trade."""
    if volatility is None or not LEAST_VOLATILITY <= volatility <= MOST_VOLATILITY:
        return None
    return volatility
