"""The retailer's own tables: products and stores."""

import numpy as np

from data_samples.arrays import Frame, take
from data_samples.catalogue import products
from data_samples.reference import table
from data_samples.write import Place, connect, copy, load

REPRICED = 5
"""Products whose price changes with each later delivery."""


def write_shop(place: Place) -> None:
    """Products and stores with the first delivery, a few new prices with each later one."""
    goods = products()
    size = len(goods["name"])
    write_products(place, goods | {"valid_from": np.full(size, np.datetime64("2025-01-01"))}, 0)
    for delivery in range(1, place.calendar.deliveries):
        cheaper = take(goods, (np.arange(REPRICED) + delivery * REPRICED) % size)
        cheaper["list_price"] = cheaper["list_price"] * 9 // 10
        day = place.calendar.start + np.timedelta64(delivery, "D")
        write_products(place, cheaper | {"valid_from": np.full(REPRICED, day)}, delivery)
    with connect() as connection:
        load(connection, {"stores": table("stores")})
        rows = "SELECT * EXCLUDE (weight) FROM stores ORDER BY store_id"
        copy(connection, rows, place.file(0, "tills", "stores", "csv"))


def write_products(place: Place, rows: Frame, delivery: int) -> None:
    """The product rows of one delivery."""
    with connect() as connection:
        load(connection, {"products": rows})
        query = """
            SELECT product_id, name, category, product_group, colour, quality, sensitive,
                money(unit_cost) AS unit_cost, money(list_price) AS list_price, valid_from
            FROM products ORDER BY product_id
        """
        copy(connection, query, place.file(delivery, "tills", "products", "csv"))
