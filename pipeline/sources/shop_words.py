"""How shops call things, in the styles of common shop systems and in several languages; the likelier name first."""

from __future__ import annotations

PREFIXES = ("ps_", "oc_", "wp_wc_", "wp_", "spree_", "sylius_", "xt_", "s_", "tbl_", "tbl", "t_", "shop_", "app_")
"""Of tables: PrestaShop, OpenCart, WooCommerce, Spree, Sylius, xt:Commerce, Shopware, and habits."""

# fmt: off
TABLES: dict[str, tuple[str, ...]] = {
    "users": (
        "users", "customers", "customer_entity", "kunden", "clients", "members", "accounts", "buyers", "households",
        "benutzer", "persons", "people", "utilisateurs", "clientes", "usuarios",
    ),
    "items": (
        "items", "products", "articles", "artikel", "catalog_product_entity", "produkte", "goods", "skus", "produits",
        "productos", "catalog",
    ),
    "prices": (
        "prices", "item_prices", "product_prices", "price_history", "article_prices", "artikelpreise", "preise",
        "price_list", "tarifs", "precios",
    ),
    "orders": (
        "orders", "sales_order", "bestellungen", "auftraege", "baskets", "purchases", "commandes", "pedidos",
        "transactions", "checkouts",
    ),
    "order_items": (
        "order_items", "order_lines", "line_items", "orderlines", "orderitems", "order_products", "order_details",
        "order_positions", "sales_order_item", "bestellpositionen", "auftragspositionen", "basket_items",
        "purchase_items", "lignes_commande", "order_rows", "transaction_items",
    ),
    "refunds": ("refunds", "returns", "order_refunds", "order_returns", "retouren", "erstattungen", "credit_memos"),
}

COLUMNS: dict[str, tuple[str, ...]] = {
    "user_id": (
        "user_id", "customer_id", "id_customer", "client_id", "member_id", "account_id", "buyer_id", "household_id",
        "kunden_id", "kunde_id", "kundennummer", "kunden_nr", "kundennr", "userid",
    ),
    "item_id": (
        "item_id", "product_id", "id_product", "article_id", "artikel_id", "artikelnummer", "artikel_nr", "artikelnr",
        "sku", "productid", "goods_id",
    ),
    "order_id": (
        "order_id", "id_order", "basket_id", "purchase_id", "transaction_id", "bestell_id", "bestellung_id",
        "bestellnummer", "bestell_nr", "auftrag_id", "auftragsnummer", "order_number", "orderid",
    ),
    "refund_id": ("refund_id", "return_id", "retoure_id", "erstattung_id"),
    "line_number": (
        "line_number", "line_no", "line", "position", "pos", "posnr", "positionsnummer", "lfd_nr", "row_number",
        "sequence", "line_id", "item_number",
    ),
    "segment": ("segment", "customer_group", "group", "kundengruppe", "household_composition", "tier", "type"),
    "title": ("title", "name", "product_name", "bezeichnung", "titel", "label", "nom", "description"),
    "department": ("department", "abteilung", "division", "main_category", "sparte"),
    "category": ("category", "product_category", "category_name", "kategorie", "warengruppe", "categorie"),
    "subcategory": (
        "subcategory", "sub_category", "product_type", "product_subcategory", "unterkategorie", "type",
    ),
    "brand": ("brand", "manufacturer", "brand_name", "marke", "hersteller", "vendor", "marque"),
    "available": (
        "available", "is_available", "active", "is_active", "aktiv", "ist_aktiv", "visible", "is_visible", "sichtbar",
        "enabled", "is_enabled", "published", "is_published", "purchasable", "is_purchasable", "for_sale", "on_sale",
        "sellable", "verfuegbar", "lieferbar", "verkaeuflich", "disponible", "actif", "activo", "status", "state",
    ),
    "stock": (
        "stock", "stock_quantity", "lagerbestand", "bestand", "quantity_in_stock", "qty_in_stock", "units_in_stock",
        "inventory_quantity", "inventory", "stock_level", "on_hand", "quantity_on_hand", "available_stock", "lager",
        "existencias",
    ),
    "active": (
        "active", "is_active", "aktiv", "ist_aktiv", "enabled", "is_enabled", "account_status", "actif", "activo",
    ),
    "valid_from": ("valid_from", "start_date", "starts_at", "effective_from", "from_date", "gueltig_ab", "date_from"),
    "price": (
        "price", "unit_price", "list_price", "sales_price", "retail_price", "preis", "einzelpreis", "verkaufspreis",
        "net_price", "prix",
    ),
    "status": ("status", "state", "order_status", "zustand", "current_state", "statut"),
    "quantity": (
        "quantity", "qty", "qty_ordered", "product_quantity", "amount_ordered", "menge", "anzahl", "stueckzahl",
        "quantite", "count", "units",
    ),
    "amount": (
        "amount", "line_total", "total", "row_total", "sales_value", "total_price", "line_amount",
        "total_price_tax_incl", "subtotal", "betrag", "gesamtpreis", "gesamt", "summe", "positionssumme",
    ),
    "discount": (
        "discount", "discount_amount", "total_discount", "line_discount", "rabatt", "nachlass", "remise",
        "promo_total",
    ),
    "created_at": (
        "created_at", "created", "created_on", "date_add", "date_added", "date_created", "ordered_at", "order_date",
        "purchased_at", "placed_at", "registered_at", "user_registered", "erstellt_am", "angelegt_am", "angelegt",
        "bestellt_am", "bestelldatum", "registriert_am", "insert_time", "timestamp", "date",
    ),
    "updated_at": (
        "updated_at", "updated", "updated_on", "modified_at", "modified", "date_upd", "date_modified", "date_updated",
        "last_modified", "changed_at", "changed", "geaendert_am", "geaendert", "aktualisiert_am", "update_time",
    ),
}

DELETED = (
    "deleted_at", "is_deleted", "deleted", "removed_at", "is_removed", "geloescht_am", "geloescht", "deletedat",
)
# fmt: on
NAMING = ("name", "title", "code", "label", "bezeichnung", "titel", "value", "description")
"""Columns of a look-up table that say what a row of it is called."""
# fmt: off
OFF_SALE = (
    "0", "n", "no", "nein", "false", "off", "inactive", "inaktiv", "nicht", "not", "unavailable", "draft", "entwurf",
    "archiv", "hidden", "versteckt", "disabled", "deaktiviert", "gesperrt", "blocked", "closed", "deleted",
    "geloescht", "discontinued", "ausgelaufen", "sold", "ausverkauft", "pending", "private", "trash",
)
# fmt: on
"""Beginnings of words that say that an item is off sale, or that an account is closed."""
CANCELLED = ("cancel", "storn", "annul", "void", "abgebrochen", "reject", "refused", "failed", "expired", "declined")
"""Beginnings of statuses of orders that were not bought after all."""
