"""A shop that nobody prepared for Vitrine: German names, look-up tables, codes, lines without times, on MariaDB.

Its rows are the demo shop's, so that a run has something to learn from.
"""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.demo.shop import load_demo_shop

_TABLES = """
CREATE TABLE kunden (
    kunden_id INT PRIMARY KEY, nachname VARCHAR(40), kundengruppe VARCHAR(30), passwort_hash CHAR(60),
    angelegt_am DATETIME NOT NULL, geaendert_am DATETIME NOT NULL, INDEX (geaendert_am)
);
CREATE TABLE warengruppen (id INT AUTO_INCREMENT PRIMARY KEY, bezeichnung VARCHAR(80));
CREATE TABLE artikel (
    artikel_id INT PRIMARY KEY, bezeichnung VARCHAR(150), abteilung VARCHAR(50), warengruppe_id INT, marke VARCHAR(20),
    angelegt_am DATETIME NOT NULL, geaendert_am DATETIME NOT NULL, INDEX (geaendert_am),
    FOREIGN KEY (warengruppe_id) REFERENCES warengruppen (id)
);
CREATE TABLE artikelpreise (
    artikel_id INT, gueltig_ab DATETIME, preis DECIMAL(10, 2) NOT NULL, geaendert_am DATETIME NOT NULL,
    PRIMARY KEY (artikel_id, gueltig_ab), INDEX (geaendert_am)
);
CREATE TABLE bestellungen (
    bestellnummer BIGINT PRIMARY KEY, kunde INT NOT NULL, zustand VARCHAR(12) NOT NULL,
    bestellt_am DATETIME NOT NULL, geaendert_am DATETIME NOT NULL, geloescht_am DATETIME, INDEX (geaendert_am),
    FOREIGN KEY (kunde) REFERENCES kunden (kunden_id)
);
CREATE TABLE bestellpositionen (
    bestellung BIGINT NOT NULL, pos INT NOT NULL, artikel INT NOT NULL, menge INT NOT NULL,
    einzelpreis DECIMAL(12, 4) NOT NULL, PRIMARY KEY (bestellung, pos),
    FOREIGN KEY (bestellung) REFERENCES bestellungen (bestellnummer),
    FOREIGN KEY (artikel) REFERENCES artikel (artikel_id)
)
"""
_ROWS = """
INSERT INTO kunden SELECT household_id, 'Muster', household_composition, '', created_at, updated_at FROM users;
INSERT INTO warengruppen (bezeichnung) SELECT DISTINCT product_category FROM items WHERE product_category IS NOT NULL;
INSERT INTO artikel SELECT product_id, title, department, w.id, brand, created_at, updated_at
    FROM items LEFT JOIN warengruppen w ON w.bezeichnung = product_category;
INSERT INTO artikelpreise SELECT product_id, valid_from, price, updated_at FROM item_prices;
INSERT INTO bestellungen SELECT basket_id, household_id, IF(basket_id % 50 = 0, 'storniert', 'bezahlt'), created_at,
    updated_at, IF(basket_id % 51 = 0, updated_at, NULL) FROM orders;
INSERT INTO bestellpositionen SELECT basket_id, line_number, product_id, quantity,
    IF(quantity = 0, 0, sales_value / quantity) FROM order_items WHERE product_id IN (SELECT product_id FROM items);
DROP TABLE users, items, item_prices, orders, order_items
"""


def make_foreign_shop(url: str, *, households: int = 0) -> None:
    """The tables in the empty MariaDB database at `url`, and the rows of so many households."""
    if households:
        load_demo_shop(url, households=households)
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in (_TABLES + (";" + _ROWS if households else "")).split(";"):
            connection.exec_driver_sql(statement.replace("%", "%%"))
