"""The parameters of the protocol: what an account may hold, how a week changes it, when it splits.

`Protocol()` holds the packaged defaults; config-manager serves it under `protocol.*` and every rule takes
it as an argument, so that no rule has a number of its own that an operator may want to change.
Shares, weights, deltas and drawdowns are fractions; money is in USD.

The weekly return targets are aspirations of the protocol. They are never a forecast.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alluse.schemas.common import AccountType, Condition, Fraction, IvRegime, RiskAppetite, TrendStrength

Multiplier = Annotated[float, Field(ge=0, le=3)]
Weekday = Annotated[int, Field(ge=0, le=4, description="0 is Monday, 4 is Friday")]


class Rules(BaseModel):
    """A group of parameters: frozen, complete, without unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Band(Rules):
    """A range of fractions."""

    low: Fraction
    high: Fraction

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the band's low end {self.low} must be below its high end {self.high}")
        return self


class AccountRules(Rules):
    """What one of the three accounts may do."""

    share: Fraction = Field(description="share of the user's capital")
    cash_buffer: Fraction = Field(description="share of the account that stays in cash")
    weekly_return_target: Fraction
    delta_band: Band
    symbols: tuple[str, ...]
    entry_weekdays: tuple[Weekday, ...]
    withdrawals: bool
    max_position: Fraction = Field(description="largest share of the account in one symbol")
    max_exposure: Fraction = Field(description="largest share of the account at work")
    kelly_fraction: Fraction = Field(description="part of the growth-optimal fraction that is used")
    volatility_factor: Annotated[float, Field(ge=0, le=10)]
    drawdown_limit: Fraction


class ForkRules(Rules):
    """When an account splits and what happens to the surplus."""

    surplus_trigger: Annotated[float, Field(gt=0)] = 50_000.0
    retain_fraction: Fraction = 0.0
    merge_threshold: Annotated[float, Field(gt=0)] = 500_000.0


class ReinvestmentRules(Rules):
    """Quarterly reinvestment of Rev-Acc and Com-Acc."""

    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = (3, 6, 9, 12)
    contracts_share: Fraction = 0.75
    leaps_share: Fraction = 0.25

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.contracts_share + self.leaps_share - 1) > 1e-9:
            raise ValueError("contracts_share and leaps_share must sum to 1")
        return self


class TailShock(Rules):
    """The sudden fall that every sizing must survive: a return of the underlying and its weight."""

    shock: Annotated[float, Field(gt=-1, lt=0)] = -0.20
    probability: Annotated[float, Field(gt=0, lt=0.5)] = 0.001


class AtrBands(Rules):
    """Adverse move of the underlying, in ATR(14), from which a position is watched or must be changed."""

    watch: Annotated[float, Field(gt=0)] = 0.5
    consider: Annotated[float, Field(gt=0)] = 1.0
    act: Annotated[float, Field(gt=0)] = 1.5


class SizeFactors(Rules):
    """Multipliers of the position size for what is known about the market and the user."""

    condition: Mapping[Condition, Multiplier] = Field(
        default={Condition.GREEN: 1.2, Condition.CHOP: 0.9, Condition.RED: 0.7}
    )
    iv_regime: Mapping[IvRegime, Multiplier] = Field(
        default={IvRegime.LOW: 1.1, IvRegime.MEDIUM: 1.0, IvRegime.HIGH: 0.8}
    )
    trend: Mapping[TrendStrength, Multiplier] = Field(
        default={TrendStrength.WEAK: 0.9, TrendStrength.MODERATE: 1.0, TrendStrength.STRONG: 1.1}
    )
    trend_against: Multiplier = 0.9
    confidence_base: Multiplier = 0.7
    confidence_slope: Multiplier = 0.6
    appetite: Mapping[RiskAppetite, Multiplier] = Field(
        default={
            RiskAppetite.CONSERVATIVE: 0.7,
            RiskAppetite.MODERATE: 1.0,
            RiskAppetite.MODERATELY_AGGRESSIVE: 1.15,
            RiskAppetite.AGGRESSIVE: 1.3,
        }
    )
    week_exposure: Mapping[Condition, Fraction] = Field(
        default={Condition.GREEN: 1.0, Condition.RED: 0.75, Condition.CHOP: 0.55},
        description="scales the account's exposure limit",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name, table, words in (
            ("condition", self.condition, Condition),
            ("iv_regime", self.iv_regime, IvRegime),
            ("trend", self.trend, TrendStrength),
            ("appetite", self.appetite, RiskAppetite),
            ("week_exposure", self.week_exposure, Condition),
        ):
            if missing := [word.value for word in words if word not in table]:
                raise ValueError(f"{name} lacks {', '.join(missing)}")
        return self


def _accounts() -> dict[AccountType, AccountRules]:
    patient = ("AAPL", "AMZN", "MSFT")
    return {
        AccountType.GEN_ACC: AccountRules(
            share=0.40,
            cash_buffer=0.05,
            weekly_return_target=0.015,
            delta_band=Band(low=0.40, high=0.50),
            symbols=("TSLA", "NVDA"),
            entry_weekdays=(3,),
            withdrawals=True,
            max_position=0.15,
            max_exposure=0.80,
            kelly_fraction=0.25,
            volatility_factor=1.2,
            drawdown_limit=0.15,
        ),
        AccountType.REV_ACC: AccountRules(
            share=0.30,
            cash_buffer=0.05,
            weekly_return_target=0.010,
            delta_band=Band(low=0.30, high=0.40),
            symbols=patient,
            entry_weekdays=(0, 1, 2),
            withdrawals=True,
            max_position=0.12,
            max_exposure=0.70,
            kelly_fraction=0.20,
            volatility_factor=1.0,
            drawdown_limit=0.10,
        ),
        AccountType.COM_ACC: AccountRules(
            share=0.30,
            cash_buffer=0.05,
            weekly_return_target=0.005,
            delta_band=Band(low=0.20, high=0.30),
            symbols=patient,
            entry_weekdays=(0, 1, 2, 3, 4),
            withdrawals=False,
            max_position=0.10,
            max_exposure=0.60,
            kelly_fraction=0.15,
            volatility_factor=0.8,
            drawdown_limit=0.07,
        ),
    }


def _sectors() -> dict[str, str]:
    members = {
        "Consumer Discretionary": "TSLA AMZN HD BBY",
        "Technology": "NVDA AAPL MSFT AMD",
        "Communication": "GOOGL META NFLX",
        "Financials": "JPM BAC",
        "Staples": "KO PG WMT PEP",
        "Health": "JNJ PFE MRK LLY UNH",
        "Energy": "XOM CVX RRC",
        "Industrials": "GE",
        "Index": "SPY QQQ",
    }
    return {symbol: sector for sector, symbols in members.items() for symbol in symbols.split()}


class Protocol(Rules):
    """All parameters of the trading rules, with their packaged defaults."""

    accounts: Mapping[AccountType, AccountRules] = Field(default_factory=_accounts)
    sectors: Mapping[str, str] = Field(default_factory=_sectors)
    sector_cap: Fraction = 0.40
    correlated_cap: Fraction = 0.30
    correlated_above: Fraction = 0.70
    fork: ForkRules = ForkRules()
    reinvestment: ReinvestmentRules = ReinvestmentRules()
    tail_shock: TailShock = TailShock()
    atr: AtrBands = AtrBands()
    size: SizeFactors = SizeFactors()
    synthetic_iv_premium: Annotated[float, Field(ge=-0.5, le=1)] = Field(
        default=0.10, description="assumed excess of implied over forecast volatility when none is quoted"
    )
    delta_bounds: Band = Field(default=Band(low=0.15, high=0.70), description="deltas outside are never sold")
    symbol_delta_bounds: Mapping[str, Band] = Field(
        default={
            "TSLA": Band(low=0.20, high=0.60),
            "NVDA": Band(low=0.20, high=0.60),
            "AAPL": Band(low=0.15, high=0.50),
            "MSFT": Band(low=0.15, high=0.50),
        }
    )
    other_symbol_delta_bounds: Band = Band(low=0.15, high=0.55)
    profit_taking: Band = Field(
        default=Band(low=0.50, high=0.80),
        description="share of the premium at which a put is bought back",
    )

    def account(self, kind: AccountType) -> AccountRules:
        return self.accounts[kind]

    def symbol_bounds(self, symbol: str | None) -> Band:
        return self.symbol_delta_bounds.get(symbol or "", self.other_symbol_delta_bounds)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if missing := [kind.value for kind in AccountType if kind not in self.accounts]:
            raise ValueError(f"accounts lacks {', '.join(missing)}")
        total = sum(rules.share for rules in self.accounts.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the accounts' shares must sum to 1, not {total}")
        return self


def protocol_with(overrides: Mapping[str, Any]) -> Protocol:
    """The packaged parameters with those of a nested mapping in their place.

    Raises pydantic.ValidationError where a value is refused or a name is unknown.
    """
    return Protocol.model_validate(_merged(Protocol().model_dump(mode="json"), overrides))


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Names are matched whatever their case, because environment variables have lost it."""
    merged = dict(below)
    names = {name.casefold(): name for name in below}
    for given, value in above.items():
        name = names.get(given.casefold(), given)
        under = merged.get(name)
        if isinstance(under, dict) and isinstance(value, Mapping):
            value = _merged(under, value)
        merged[name] = value
    return merged
