"""What the retailer sells: the same two hundred products in every world."""

from functools import cache

import numpy as np

from data_samples.arrays import Frame, objects

COLOURS = ("black", "white", "blue", "red", "green")
QUALITIES = {"basic": 1.0, "standard": 1.8, "premium": 3.2}
# category: (share of sales, product group -> (name, basic list price in euros, has colours))
CATEGORIES: dict[str, tuple[float, dict[str, tuple[str, int, bool]]]] = {
    "phones": (
        0.2,
        {"smartphones": ("Älypuhelin", 199, True), "feature_phones": ("Peruspuhelin", 49, False)},
    ),
    "tablets": (0.1, {"tablets": ("Tabletti", 179, True), "e_readers": ("Lukulaite", 99, False)}),
    "computers": (0.13, {"laptops": ("Kannettava", 449, True), "desktops": ("Pöytäkone", 499, False)}),
    "accessories": (
        0.37,
        {
            "cases": ("Suojakuori", 15, True),
            "chargers": ("Laturi", 19, True),
            "headphones": ("Kuulokkeet", 39, True),
            "cables": ("Kaapeli", 9, True),
            "keyboards": ("Näppäimistö", 35, True),
        },
    ),
    "insurance": (0.06, {"device_insurance": ("Laitevakuutus", 29, False)}),
    "services": (0.08, {"repair": ("Huolto", 49, False), "rental": ("Vuokra, kuukausi", 25, False)}),
    "wellbeing": (
        0.06,
        {
            "activity_trackers": ("Aktiivisuusranneke", 59, True),
            "blood_pressure": ("Verenpainemittari", 45, False),
            "pregnancy_tests": ("Raskaustesti", 8, False),
        },
    ),
}
SENSITIVE = ("blood_pressure", "pregnancy_tests")
MARGIN = 0.72


@cache
def products() -> Frame:
    """The catalogue, prices in cents, with each product's share of sales as popularity."""
    rows = [
        (name, category, group, colour, quality, group in SENSITIVE, round(100 * price * factor), share)
        for category, (share, groups) in CATEGORIES.items()
        for group, (name, price, coloured) in groups.items()
        for quality, factor in QUALITIES.items()
        for colour in (COLOURS if coloured else (None,))
    ]
    name, category, group, colour, quality, sensitive, price, share = (
        objects(c) for c in zip(*rows, strict=True)
    )
    of_category = {c: int((category == c).sum()) for c in CATEGORIES}
    list_price = np.maximum(490, price.astype(np.int64) // 1000 * 1000 - 10)
    return {
        "product_id": objects(f"SKU-{101 + 7 * k:05d}" for k in range(len(rows))),
        "name": objects(
            f"{n} {q}" + (f" {c}" if c else "") for n, q, c in zip(name, quality, colour, strict=True)
        ),
        "category": category,
        "product_group": group,
        "colour": colour,
        "quality": quality,
        "sensitive": sensitive.astype(bool),
        "unit_cost": (list_price * MARGIN).astype(np.int64),
        "list_price": list_price,
        "popularity": np.array([s / of_category[c] for s, c in zip(share, category, strict=True)]),
    }
