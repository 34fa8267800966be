"""From a question about a symbol to its answer: whose bars, whose volatility, which day."""

from datetime import date
from functools import partial

import numpy as np

from alluse.domain.chain import synthetic_chain
from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.expiries import next_weekly_expiry, weekly_expiry
from alluse.domain.market import History, QuotedVolatility, analyze
from alluse.domain.market_data import MarketData
from alluse.schemas.chain import ChainAnswer, ChainRequest
from alluse.schemas.common import OptionType
from alluse.schemas.market import AnalyzeRequest, DataSource, IvSource, MarketAnalysis
from alluse.schemas.protocol import Protocol

#: The source of bars that a caller sent.
GIVEN = "given"
MAX_DAYS = 730


def answer_analysis(
    request: AnalyzeRequest, until: date | None, data: MarketData, protocol: Protocol
) -> MarketAnalysis:
    """Analyze the caller's bars, or the shipped ones up to `until` (None: their last day).

    Raises UnknownSymbolError or InsufficientDataError where there is no shipped bar to look at.
    """
    if request.bars is None and request.historical_prices is None:
        history, source = data.history(request.symbol, until)
    else:
        history, source = _given(request)
    quoted = None
    if request.implied_volatility is not None:
        values = tuple(request.iv_history or ())
        quoted = QuotedVolatility(request.implied_volatility, IvSource.GIVEN, values)
    elif source.source != GIVEN and (index := data.index_volatility(request.symbol, history.last_date)):
        quoted = QuotedVolatility(index[0], IvSource.INDEX, index[1])
    return analyze(
        request.symbol, history, source, protocol, quoted=quoted, current_price=request.current_price
    )


def _given(request: AnalyzeRequest) -> tuple[History, DataSource]:
    """The caller's own bars up to `as_of`, or the older form of closes without dates."""
    if request.bars is None:
        closes = np.array(request.historical_prices or [])
        source = DataSource(source=GIVEN, synthetic=False, bars=len(closes), first_bar=None, last_bar=None)
        return History(closes=closes, last_date=request.as_of), source
    bars = [bar for bar in request.bars if request.as_of is None or bar.date <= request.as_of]
    if not bars:
        raise InvalidInputError("as_of", f"all bars are later, from {request.bars[0].date} on")
    source = DataSource(
        source=GIVEN, synthetic=False, bars=len(bars), first_bar=bars[0].date, last_bar=bars[-1].date
    )
    return History.of_bars(bars), source


def answer_chain(request: ChainRequest, analysis: MarketAnalysis) -> ChainAnswer:
    """A synthetic chain on the analysis of its underlying.

    Raises InsufficientDataError where that has no volatility, InvalidInputError for a day on which no
    weekly option expires.
    """
    details, day = analysis.volatility_analysis, analysis.as_of
    if details is None or day is None or details.implied_volatility <= 0.0:
        raise InsufficientDataError("as_of", f"too few bars of {request.symbol} to price options on")
    expiry = request.expiry or next_weekly_expiry(day)
    days = (expiry - day).days
    if not 1 <= days <= MAX_DAYS or weekly_expiry(expiry) != expiry:
        near = next_weekly_expiry(day)
        raise InvalidInputError(
            "expiry", f"must be a weekly expiry within {MAX_DAYS} days after {day}, such as {near}"
        )
    quotes = partial(
        synthetic_chain,
        spot=analysis.current_price,
        atm_volatility=details.implied_volatility,
        days=days,
        rate=request.r,
    )
    return ChainAnswer(
        symbol=request.symbol,
        as_of=day,
        expiry=expiry,
        dte=days,
        spot=analysis.current_price,
        atm_volatility=details.implied_volatility,
        iv_source=details.iv_source,
        data=analysis.data,
        puts=quotes(OptionType.PUT),
        calls=quotes(OptionType.CALL),
    )
