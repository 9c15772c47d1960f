"""Identity resolution for a retailer: from traces to golden customer ids and consented profiles."""

__version__ = "0.1.0"
