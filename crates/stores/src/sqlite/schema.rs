//! The tables, and which version of them a file holds. The names and first columns of the entity tables are those that people
//! and older systems know.
//!
//! A file notes the service that it belongs to (`application_id`) and the version of its tables (`user_version`). Each version
//! adds one step to a list. The steps that a file lacks are done in one transaction, so a file never stays between versions.

use rusqlite::Connection;

use shop::domain::Source;

/// What kind of database a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The service's own database, of this version; 0 if it is empty, or older than the noting of versions.
    Ours(usize),
    /// The service's own database, of a version that only a newer program knows.
    Newer(i64),
    /// Another program's database, or the other service's.
    Foreign,
}

/// Finds out what kind of database this is to the service `source`. It only reads.
pub(super) fn look(connection: &Connection, source: Source) -> rusqlite::Result<Found> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application == application_id(source) {
        let known = usize::try_from(version)
            .ok()
            .filter(|version| *version <= steps(source).len());
        return Ok(known.map_or(Found::Newer(version), Found::Ours));
    }
    let unmarked = application == 0 && version == 0;
    let tables = |condition: &str| {
        let count = format!("select count(*) from sqlite_schema where type = 'table' and {condition}");
        connection.query_row(&count, [], |row| row.get::<_, i64>(0))
    };
    let ours = || tables(&format!("name = '{}'", entity_table(source)));
    let empty_or_ours = unmarked && (tables("true")? == 0 || ours()? == 1);
    Ok(if empty_or_ours { Found::Ours(0) } else { Found::Foreign })
}

/// Does the steps after `version`, inside the caller's transaction.
pub(super) fn bring_up(transaction: &Connection, source: Source, version: usize) -> rusqlite::Result<()> {
    let steps = steps(source);
    for step in &steps[version..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", application_id(source))?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)
}

/// The version of an up-to-date file: the number of steps.
pub(super) fn newest(source: Source) -> usize {
    steps(source).len()
}

/// The mark of a service's file: the ASCII codes of `mord` or `mdel`, so that neither file is taken for the other or for
/// another program's.
const fn application_id(source: Source) -> i64 {
    match source {
        Source::Orders => 0x6d6f_7264,
        Source::Deliveries => 0x6d64_656c,
    }
}

const fn entity_table(source: Source) -> &'static str {
    match source {
        Source::Orders => "Order_table",
        Source::Deliveries => "Delivery_table",
    }
}

/// The steps, of which each leads to one version. In a file that is older than the noting of versions, the first step finds its
/// tables already there. A step that was released is never changed; every later change is a new step.
const fn steps(source: Source) -> &'static [&'static str] {
    match source {
        Source::Orders => &[ORDERS],
        Source::Deliveries => &[DELIVERIES, MARKS, ORIGINS, WORKERS],
    }
}

/// The order service's tables. Orders have AUTOINCREMENT, because without it the number of the last row is given out again
/// after that row is deleted. The journal does without, as nothing is deleted from it.
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

/// An index with which marked events are found quickly, however many others are parked.
const MARKS: &str = "
create index if not exists parked_event_marked on parked_event (mark, order_id) where mark is not null;
";

/// The column for a parked record's origin, filled in for old rows. An empty topic then meant that the record did not come from
/// the log: without a value it stands for a version that a person has marked, otherwise it comes from the order service's
/// journal.
const ORIGINS: &str = "
alter table parked_event add column origin varchar(16) not null default 'log';
update parked_event set origin = case when record_value is null then 'nowhere' else 'journal' end where topic = '';
";

/// The columns for who works on an order's next version, and until when.
const WORKERS: &str = "
alter table order_cursor add column worker varchar(255);
alter table order_cursor add column worker_until bigint;
";

/// The delivery service's tables in their first version.
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
