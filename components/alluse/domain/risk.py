"""The risk of a portfolio: from positions and market history to figures, score, level and breaches.

    VaR and CVaR   tail_risk, by normal law, history or simulation of today's exposures
    volatility     σ of the last 21 days of today's exposures, × √252
    drawdown       1 − V/peak, and the deepest of today's weights over the last 252 days
    correlation    Σ|wᵢwⱼ|·sign(wᵢwⱼ)·ρᵢⱼ / Σ|wᵢwⱼ| over the last 63 days
    liquidity      days to sell at a tenth of the mean daily dollar volume, the slowest issuer
    beta           Σ wᵢβᵢ, β given or from 252 days against the index

Exposures are delta exposures over the total value: cash has weight but no risk. What cannot be measured
counts as if its limit were reached, so the score is an upper bound and missing data can never lower it.
"""

from collections.abc import Mapping
from math import sqrt

import numpy as np

from alluse.domain.book import LEAST_DAYS, VOLATILITY_DAYS, Book, History, read_book
from alluse.domain.covariance import Array, completed, correlations, ledoit_wolf
from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.exposure import (
    TRADING_DAYS,
    Concentration,
    Leg,
    concentration,
    issuer_losses,
    net_exposures,
)
from alluse.domain.risk_score import Limits, Measured, score
from alluse.domain.simulation import seed_of, simulate_losses
from alluse.domain.tail_risk import LEVELS, Tail, empirical_tail, parametric_tail
from alluse.schemas.common import TOTAL_TOLERANCE
from alluse.schemas.risk import (
    Assessment,
    AssessRequest,
    ConcentrationFigures,
    CorrelationFigures,
    CorrelationPair,
    DataQuality,
    DataUsed,
    Figure,
    Method,
    Shortfall,
    ValueAtRisk,
)

#: Ratios to less than a cent say nothing.
SMALLEST_TOTAL = 0.01
VAR_DAYS = 252
LEAST_HISTORICAL_DAYS = 250
CORRELATION_DAYS = 63
#: Returns that end earlier than this before the day of the question say little about it.
STALE_DAYS = 7
#: Growth of one day beyond which a path only overflows.
LARGEST_GROWTH = 11.0
#: Share of a day's volume that can be traded without moving the price.
VOLUME_SHARE = 0.10


def assess(
    request: AssessRequest,
    history: History,
    *,
    kept_peak: float | None = None,
    limits: Limits | None = None,
    rate: float = 0.02,
) -> Assessment:
    """Assess a portfolio; `kept_peak` is the highest value remembered for it, USD.

    Raises InvalidInputError for a portfolio without value and InsufficientDataError when there are positions
    and none of them can be measured, or when the asked method needs more days than there are.
    """
    limits = limits or Limits()
    total = request.total_value
    if total < SMALLEST_TOTAL:
        raise InvalidInputError("total_value", f"must be at least a cent to speak of risk, not {total:.4g}")
    as_of = request.as_of or history.last_date
    book = read_book(request, history, as_of=as_of, rate=rate)
    unexplained = not request.positions and abs(total - request.cash) > TOTAL_TOLERANCE * total
    complete = not book.unmeasured and not unexplained
    model = _Model(book, history, total)
    method = _method(request.method, book, model.days)
    tails = model.tails(method, seed=seed_of(request.portfolio_id, as_of.isoformat()), rate=rate)
    peak, deepest = _peak_and_deepest(request, kept_peak, model, complete)
    losses = issuer_losses(book.legs)
    concentrated = concentration(losses, total)
    average, pair = model.correlation()
    liquidity_days, silent = _liquidity(book.legs, history.dollar_volumes)
    measured = Measured(
        var_95=tails[0].var / total,
        var_99=tails[1].var / total,
        drawdown=max(1.0 - total / peak, 0.0),
        correlation=average,
        concentration=concentrated.largest,
        liquidity_days=liquidity_days,
        volatility=model.volatility(),
        losses_complete=complete,
        pairs_complete=complete and not book.by_volatility,
        liquidity_complete=not silent and not unexplained,
        composition_known=not unexplained,
    )
    synthetic = sorted(history.synthetic.intersection(book.known))
    assumptions = sorted({f"{item.symbol}: {what}" for item in book.legs for what in item.assumed})
    if book.known and (as_of - history.last_date).days > STALE_DAYS:
        assumptions.append(f"returns end on {history.last_date}")
    quality = _quality(book, synthetic, assumptions, unexplained)
    scored = score(measured, limits, certain=quality is DataQuality.OK)
    return Assessment(
        portfolio_id=request.portfolio_id,
        as_of=as_of,
        total_value=_usd(total),
        peak_value=_usd(peak),
        overall_risk_level=scored.level,
        risk_score=scored.score,
        var=None if unexplained else _value_at_risk(method, tails, total, complete),
        cvar=None if unexplained else _shortfall(tails, total),
        volatility=None if unexplained else measured.volatility,
        beta=None if unexplained else _beta(request, book, history),
        current_drawdown=round(measured.drawdown, 10),
        max_drawdown=deepest,
        concentration=_concentration_figures(concentrated),
        correlation=CorrelationFigures(
            average=average, max_pair=pair, score=scored.part("correlation").score
        ),
        liquidity_score=scored.part("liquidity").score if measured.liquidity_complete else None,
        components=list(scored.components),
        breaches=list(scored.breaches),
        warnings=list(scored.warnings),
        data_quality=quality,
        data=DataUsed(
            observations=model.days,
            last_date=history.last_date if book.known else None,
            synthetic=synthetic,
            by_volatility=list(book.by_volatility),
            unmeasured=list(book.unmeasured) or (["positions"] if unexplained else []),
            without_volume=silent,
            assumptions=assumptions,
        ),
    )


class _Model:
    """The joint distribution of tomorrow's returns of a book, and what follows from it."""

    def __init__(self, book: Book, history: History, total: float) -> None:
        self._book = book
        self._total = total
        if book.legs and not book.known and not book.by_volatility:
            raise InsufficientDataError(
                "positions",
                f"none of {', '.join(book.unmeasured)} has {LEAST_DAYS} days of returns; "
                "give `returns`, or `volatility` in the positions",
            )
        self._returns = history.columns(book.known, VAR_DAYS) if book.known else np.zeros((0, 0))
        self.days = self._returns.shape[0]
        self._path = self._returns @ book.weights if book.known else np.zeros(0)

    def tails(self, method: Method, *, seed: int, rate: float) -> tuple[Tail, ...]:
        """VaR and CVaR in USD at each of LEVELS."""
        if not self._book.legs:
            return tuple(Tail(level, 0.0, 0.0) for level in LEVELS)
        if method is Method.HISTORICAL:
            losses = -self._path * self._total
            return tuple(empirical_tail(losses, level) for level in LEVELS)
        covariance = self._covariance()
        if method is Method.PARAMETRIC:
            weights = np.concatenate([self._book.weights, self._book.given_weights])
            deviation = sqrt(max(float(weights @ covariance @ weights), 0.0))
            return tuple(parametric_tail(self._total, deviation, level) for level in LEVELS)
        symbols = (*self._book.known, *self._book.by_volatility)
        measured = [item for item in self._book.legs if item.symbol in symbols]
        losses = simulate_losses(measured, symbols, covariance, seed=seed, rate=rate)
        return tuple(empirical_tail(losses, level) for level in LEVELS)

    def volatility(self) -> float:
        """Yearly volatility of the last 21 days; what has only a given volatility is added in full."""
        recent = self._path[-VOLATILITY_DAYS:]
        known = float(recent.std(ddof=1)) if recent.size > 1 else 0.0
        given = float(np.abs(self._book.given_weights) @ self._book.deviations) if self._given else 0.0
        return (known + given) * sqrt(TRADING_DAYS)

    def deepest(self) -> float | None:
        """Largest fall from a peak that today's weights would have had; null without full history."""
        if self._given or self._book.unmeasured:
            return None
        growth = np.clip(1.0 + self._path, 0.0, LARGEST_GROWTH)
        return deepest_fall(np.concatenate([[1.0], np.cumprod(growth)]))

    def correlation(self) -> tuple[float | None, CorrelationPair | None]:
        """Average correlation weighted by the product of exposures, and the largest of a pair."""
        if len(self._book.known) < 2:
            return None, None
        matrix = correlations(self._returns[-CORRELATION_DAYS:])
        rows, columns = np.triu_indices(len(self._book.known), 1)
        products = self._book.weights[rows] * self._book.weights[columns]
        total = float(np.abs(products).sum())
        if total <= 0:
            return None, None
        values = matrix[rows, columns]
        top = int(values.argmax())
        names = (self._book.known[int(rows[top])], self._book.known[int(columns[top])])
        average = float(products @ values) / total
        return average, CorrelationPair(symbols=names, value=float(values[top]))

    @property
    def _given(self) -> bool:
        return bool(self._book.by_volatility)

    def _covariance(self) -> Array:
        known = ledoit_wolf(self._returns).covariance if self._book.known else np.zeros((0, 0))
        if not self._given:
            return known
        return completed(known, self._book.weights, self._book.deviations, self._book.given_weights)


def deepest_fall(values: Array) -> float:
    """Largest 1 − V/peak along a path of positive values."""
    peaks = np.maximum.accumulate(values)
    return float((1.0 - values / peaks).max())


def _method(asked: Method, book: Book, days: int) -> Method:
    if not book.legs:
        return Method.PARAMETRIC
    enough = days >= LEAST_HISTORICAL_DAYS and not book.by_volatility
    if asked is Method.AUTO:
        if book.has_options:
            return Method.MONTE_CARLO
        return Method.HISTORICAL if enough else Method.PARAMETRIC
    if asked is Method.HISTORICAL and not enough:
        short = f"{', '.join(book.by_volatility)} has none" if book.by_volatility else f"there are {days}"
        raise InsufficientDataError(
            "method", f"historical needs {LEAST_HISTORICAL_DAYS} days of returns and {short}; use parametric"
        )
    return asked


def _quality(book: Book, synthetic: list[str], assumptions: list[str], unexplained: bool) -> DataQuality:
    if unexplained:
        return DataQuality.INSUFFICIENT_DATA
    if book.by_volatility or book.unmeasured or assumptions:
        return DataQuality.PARTIAL
    return DataQuality.SYNTHETIC if synthetic else DataQuality.OK


def _peak_and_deepest(
    request: AssessRequest, kept: float | None, model: _Model, complete: bool
) -> tuple[float, float | None]:
    """The highest value known, and the deepest fall: of the real profits if given, else of the weights."""
    candidates = [request.total_value, *(peak for peak in (kept, request.peak_value) if peak)]
    if not request.pnl_history:
        return max(candidates), model.deepest() if complete else None
    profits = np.array(request.pnl_history)
    values = request.total_value - np.concatenate([np.cumsum(profits[::-1])[::-1], [0.0]])
    candidates.append(float(values.max()))
    peaks = np.maximum.accumulate(values)
    falls = np.where(peaks > 0, 1.0 - values / np.where(peaks > 0, peaks, 1.0), 0.0)
    return max(candidates), float(falls.max())


def _liquidity(legs: tuple[Leg, ...], volumes: Mapping[str, float]) -> tuple[float, list[str]]:
    """Days to sell the slowest issuer, and the issuers whose volume is not known."""
    amounts: dict[str, float] = {}
    for item in legs:
        amounts[item.symbol] = amounts.get(item.symbol, 0.0) + abs(item.delta_exposure)
    silent = sorted(symbol for symbol in amounts if not volumes.get(symbol))
    slowest = max(
        (amount / (volumes[s] * VOLUME_SHARE) for s, amount in amounts.items() if volumes.get(s)), default=0.0
    )
    return slowest, silent


def _beta(request: AssessRequest, book: Book, history: History) -> float | None:
    """Beta of the book; null when some exposure has neither a given beta nor returns beside the index."""
    given = {p.symbol: p.beta for p in request.positions if p.beta is not None}
    index = history.index[-VAR_DAYS:] if history.index is not None else None
    total = 0.0
    for symbol, exposure in net_exposures(book.legs).items():
        beta = given.get(symbol)
        if beta is None:
            if index is None or symbol not in book.known:
                return None
            beta = _slope(history.columns((symbol,), VAR_DAYS)[:, 0], index)
        total += exposure / request.total_value * beta
    return total


def _slope(returns: Array, index: Array) -> float:
    centred = index - index.mean()
    variance = float(centred @ centred)
    return float(centred @ returns) / variance if variance > 0 else 0.0


def _value_at_risk(method: Method, tails: tuple[Tail, ...], total: float, complete: bool) -> ValueAtRisk:
    low, high = (Figure(usd=_usd(tail.var), ratio=tail.var / total) for tail in tails)
    return ValueAtRisk.model_validate({"method": method, "0.95": low, "0.99": high, "complete": complete})


def _shortfall(tails: tuple[Tail, ...], total: float) -> Shortfall:
    low, high = (Figure(usd=_usd(tail.cvar), ratio=tail.cvar / total) for tail in tails)
    return Shortfall.model_validate({"0.95": low, "0.99": high})


def _concentration_figures(found: Concentration) -> ConcentrationFigures:
    return ConcentrationFigures(
        hhi=found.herfindahl,
        normalized=found.normalized,
        largest_weight=found.largest,
        largest_issuer=found.issuer,
        effective_positions=found.effective_positions,
    )


def _usd(amount: float) -> float:
    return round(amount, 2)
