//! What the tables look like. The columns of the two that people read stand in the order that they know.

use crate::domain::Source;

/// A table.
pub(super) struct Table {
    pub name: &'static str,
    /// Names and definitions. Of a table that another system made, all but the first may be missing.
    pub columns: &'static [(&'static str, &'static str)],
    /// Names, and what stands in `create …`; columns in parentheses.
    pub indexes: &'static [(&'static str, &'static str, &'static str)],
    /// Where to find numbers that were given out, so that a new table doesn't give them out again.
    pub numbers_used: Option<(&'static str, &'static str)>,
}

impl Table {
    /// Whether the database numbers its rows.
    pub fn is_numbered(&self) -> bool {
        self.columns[0].1 == NUMBER
    }
}

const NUMBER: &str = "bigint not null auto_increment";
const TEXT: &str = "varchar(255)";

/// What is known about the schema itself.
pub(super) static SCHEMA: Table = Table {
    name: "mall_schema",
    columns: &[("name", "varchar(64) not null"), ("version", "bigint not null")],
    indexes: &[],
    numbers_used: None,
};

static LEASES: Table = Table {
    name: "relay_lease",
    columns: &[
        // Holders that differ in case or accents are different holders.
        ("name", "varchar(64) character set utf8mb4 collate utf8mb4_bin not null"),
        (
            "holder",
            "varchar(255) character set utf8mb4 collate utf8mb4_bin not null",
        ),
        ("expires", "bigint not null"),
    ],
    indexes: &[],
    numbers_used: None,
};

static ORDERS: Table = Table {
    name: "Order_table",
    columns: &[
        ("id", NUMBER),
        ("address", TEXT),
        ("customerId", "bigint"),
        ("productId", TEXT),
        ("productName", TEXT),
        ("qty", "integer"),
        ("version", "bigint not null default 1"),
    ],
    indexes: &[],
    numbers_used: Some(("order_event", "order_id")),
};

static ORDER_EVENTS: Table = Table {
    name: "order_event",
    columns: &[
        ("id", NUMBER),
        ("order_id", "bigint not null"),
        ("version", "bigint not null"),
        ("type", "varchar(64) not null"),
        ("payload", "mediumtext not null"),
        ("timestamp", "bigint not null"),
        ("traceparent", "text"),
        ("published", "tinyint not null default 0"),
    ],
    indexes: &[
        ("order_event_version", "unique index", "(order_id, version)"),
        ("order_event_unpublished", "index", "(published, id)"),
    ],
    numbers_used: None,
};

static DELIVERIES: Table = Table {
    name: "Delivery_table",
    columns: &[
        ("id", NUMBER),
        ("orderId", "bigint"),
        ("customerId", "bigint"),
        ("productId", TEXT),
        ("productName", TEXT),
        ("qty", "integer"),
        ("address", TEXT),
        ("status", TEXT),
        ("version", "bigint not null default 1"),
        ("events", "bigint not null default 1"),
    ],
    // Not unique: tables of older systems hold several deliveries of one order.
    indexes: &[("Delivery_table_orderId", "index", "(orderId)")],
    numbers_used: Some(("delivery_event", "delivery_id")),
};

static DELIVERY_EVENTS: Table = Table {
    name: "delivery_event",
    columns: &[
        ("id", NUMBER),
        ("delivery_id", "bigint not null"),
        ("order_id", "bigint not null"),
        ("version", "bigint not null"),
        ("type", "varchar(64) not null"),
        ("payload", "mediumtext not null"),
        ("timestamp", "bigint not null"),
        ("traceparent", "text"),
        ("published", "tinyint not null default 0"),
    ],
    indexes: &[
        ("delivery_event_version", "unique index", "(delivery_id, version)"),
        ("delivery_event_unpublished", "index", "(published, id)"),
    ],
    numbers_used: None,
};

/// The tables of a service, journals before what they tell of.
pub(super) fn of(source: Source) -> [&'static Table; 4] {
    match source {
        Source::Orders => [&SCHEMA, &LEASES, &ORDER_EVENTS, &ORDERS],
        Source::Deliveries => [&SCHEMA, &LEASES, &DELIVERY_EVENTS, &DELIVERIES],
    }
}
