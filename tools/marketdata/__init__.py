"""Build the market data that the components ship: `python -m tools.marketdata build|check`."""
