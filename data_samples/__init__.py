"""A simulated Finnish retailer's customer data: landing files of every source, and the truth behind them."""
