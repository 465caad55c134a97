//! What the tables should look like. The columns of the two entity tables are in the order that people know from the older
//! system.

use shop::domain::Source;

/// What a table should look like.
pub(super) struct Table {
    pub name: &'static str,
    /// Each column's name and definition. In a table that another system made, all but the first may be missing.
    pub columns: &'static [(&'static str, &'static str)],
    /// Each index's name, its kind as in `create …`, and its columns in parentheses.
    pub indexes: &'static [(&'static str, &'static str, &'static str)],
    /// The table and column that hold the numbers of earlier rows, so that a new table doesn't give them out again.
    pub numbers_used: Option<(&'static str, &'static str)>,
}

impl Table {
    /// Whether the database numbers the table's rows.
    pub fn is_numbered(&self) -> bool {
        self.columns[0].1 == NUMBER
    }
}

const NUMBER: &str = "bigint not null auto_increment";
const TEXT: &str = "varchar(255)";

/// The versions of the tables.
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
    // The index is not unique, because tables of older systems hold several deliveries of one order.
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

static APPLIES: Table = Table {
    name: "delivery_apply",
    columns: &[
        ("seq", NUMBER),
        ("order_id", "bigint not null"),
        ("version", "bigint"),
        ("type", "varchar(64)"),
        ("kind", "varchar(16) not null"),
        ("delivery_id", "bigint"),
        ("version_before", "bigint not null"),
        ("version_after", "bigint not null"),
        ("instance", "varchar(255) not null"),
        ("epoch", "bigint"),
        ("topic", TEXT),
        ("record_partition", "integer"),
        ("record_offset", "bigint"),
        ("applied_at", "bigint not null"),
    ],
    indexes: &[],
    numbers_used: None,
};

/// The fence's cursors. One without a version was inserted to be locked, and has not been moved yet.
static CURSORS: Table = Table {
    name: "order_cursor",
    columns: &[
        ("order_id", "bigint not null"),
        ("version", "bigint"),
        ("parked", "integer not null default 0"),
        ("worker", TEXT),
        ("worker_until", "bigint"),
    ],
    indexes: &[("order_cursor_parked", "index", "(parked, order_id)")],
    numbers_used: None,
};

static PARKED: Table = Table {
    name: "parked_event",
    columns: &[
        ("id", NUMBER),
        ("order_id", "bigint not null"),
        ("version", "bigint not null"),
        ("reason", "varchar(16) not null"),
        ("error", "text"),
        ("topic", "varchar(255) not null"),
        ("record_partition", "integer not null"),
        ("record_offset", "bigint not null"),
        ("record_timestamp", "bigint not null"),
        ("record_key", "mediumblob"),
        ("record_value", "mediumblob"),
        ("record_headers", "mediumblob not null"),
        ("since", "bigint not null"),
        ("mark", "varchar(16)"),
        // Holders that differ in case or accents are different holders.
        (
            "lease_holder",
            "varchar(255) character set utf8mb4 collate utf8mb4_bin not null default ''",
        ),
        ("lease_until", "bigint not null default 0"),
        ("origin", "varchar(16) not null default 'log'"),
    ],
    indexes: &[
        ("parked_event_version", "unique index", "(order_id, version)"),
        ("parked_event_marked", "index", "(mark, order_id)"),
    ],
    numbers_used: None,
};

static DEAD_LETTERS: Table = Table {
    name: "dead_letter",
    columns: &[
        ("id", NUMBER),
        ("order_id", "bigint"),
        ("version", "bigint"),
        ("topic", "varchar(255) not null"),
        ("timestamp", "bigint not null"),
        ("record_key", "mediumblob"),
        ("record_value", "mediumblob"),
        ("record_headers", "mediumblob not null"),
        ("published", "tinyint not null default 0"),
    ],
    indexes: &[("dead_letter_unpublished", "index", "(published, id)")],
    numbers_used: None,
};

/// The tables of a service. Journals come before the tables whose numbers they know.
pub(super) fn of(source: Source) -> Vec<&'static Table> {
    match source {
        Source::Orders => vec![&SCHEMA, &LEASES, &ORDER_EVENTS, &ORDERS],
        Source::Deliveries => vec![
            &SCHEMA,
            &LEASES,
            &DELIVERY_EVENTS,
            &DELIVERIES,
            &APPLIES,
            &CURSORS,
            &PARKED,
            &DEAD_LETTERS,
        ],
    }
}
