//! The tables. Names and the first columns of the entity tables are what people and older systems know.

use crate::domain::Source;

/// Creates what is missing of a service's tables.
pub(super) fn tables(source: Source) -> &'static str {
    match source {
        Source::Orders => ORDERS,
        Source::Deliveries => DELIVERIES,
    }
}

/// AUTOINCREMENT, because without it the number of the last row is given out again after that row is deleted. A journal
/// is never deleted from.
const ORDERS: &str = "
create table if not exists Order_table (
    id integer primary key autoincrement,
    address varchar(255), customerId bigint, productId varchar(255), productName varchar(255), qty integer,
    version bigint not null default 1
);
create table if not exists order_event (
    id integer primary key,
    order_id bigint not null, version bigint not null, type varchar(32) not null, payload text not null,
    timestamp bigint not null, traceparent varchar(255), published integer not null default 0,
    unique (order_id, version)
);
create index if not exists order_event_unpublished on order_event (published) where published = 0;
create table if not exists relay_lease (
    name varchar(255) primary key, holder varchar(255) not null, expires bigint not null
);
";

const DELIVERIES: &str = "
create table if not exists Delivery_table (
    id integer primary key autoincrement,
    orderId bigint, customerId bigint, productId varchar(255), productName varchar(255), qty integer,
    address varchar(255), status varchar(255),
    version bigint not null default 1, events bigint not null default 1
);
create index if not exists Delivery_table_orderId on Delivery_table (orderId);
create table if not exists delivery_event (
    id integer primary key,
    delivery_id bigint not null, order_id bigint not null, version bigint not null, type varchar(32) not null,
    payload text not null, timestamp bigint not null, traceparent varchar(255),
    published integer not null default 0,
    unique (delivery_id, version)
);
create index if not exists delivery_event_unpublished on delivery_event (published) where published = 0;
create table if not exists delivery_apply (
    seq integer primary key autoincrement,
    order_id bigint not null, version bigint, type varchar(32), kind varchar(16) not null, delivery_id bigint,
    version_before bigint not null, version_after bigint not null,
    instance varchar(255) not null, epoch bigint,
    topic varchar(255), record_partition integer, record_offset bigint, applied_at bigint not null
);
create table if not exists order_cursor (
    order_id bigint not null primary key, version bigint, parked integer not null default 0
) without rowid;
create index if not exists order_cursor_parked on order_cursor (order_id) where parked > 0;
create table if not exists parked_event (
    order_id bigint not null, version bigint not null, reason varchar(16) not null, error text,
    topic varchar(255) not null, record_partition integer not null, record_offset bigint not null,
    record_timestamp bigint not null, record_key blob, record_value blob, record_headers blob not null,
    since bigint not null, mark varchar(16),
    lease_holder varchar(255) not null default '', lease_until bigint not null default 0,
    primary key (order_id, version)
);
create table if not exists dead_letter (
    id integer primary key,
    order_id bigint, version bigint, topic varchar(255) not null, timestamp bigint not null,
    record_key blob, record_value blob, record_headers blob not null, published integer not null default 0
);
create index if not exists dead_letter_unpublished on dead_letter (published) where published = 0;
create table if not exists relay_lease (
    name varchar(255) primary key, holder varchar(255) not null, expires bigint not null
);
";
