//! What only the SQLite adapter does: locks of other programs, files that are not what they should be, the core in
//! memory.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keylane_log::Timestamp;
use keylane_log::turnstile::Turnstile;
use rusqlite::Connection;
use shop::domain::{Condition, OrderCommand, OrderFields, OrderId, OrderOutcome, OrderRequest, Source, Version};
use shop::store::{FenceStore, PageRequest, Store, StoreError};
use stores::sqlite::{Database, SqliteStore};

const NOW: Timestamp = Timestamp(1_749_697_512_193);
/// The longest time in which every call must return.
const ANSWER: Duration = Duration::from_secs(2);
const PAGE: PageRequest = PageRequest {
    page: 0,
    size: 1000,
    sort: Vec::new(),
};

fn place(address: &str) -> OrderRequest {
    let fields = OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        qty: Some(3),
        customer_id: Some(2000),
        address: Some(address.into()),
    };
    OrderRequest {
        command: OrderCommand::Place(fields),
        condition: Condition::default(),
        traceparent: None,
    }
}

fn orders_db() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    (folder, path)
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Source::Orders).unwrap()
}

/// The message of the error that opening the file fails with.
fn refusal(path: &Path) -> String {
    match SqliteStore::open(path, Source::Orders) {
        Err(StoreError::Broken(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

/// Waits until the store's threads have closed the file: closing the last connection removes the WAL.
async fn closed(path: &Path) {
    let wal = path.with_extension("db-wal");
    let deadline = Instant::now() + Duration::from_secs(60);
    while wal.exists() {
        assert!(Instant::now() < deadline, "{} is still open", path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn total(store: &SqliteStore) -> u64 {
    store.orders(&PAGE).await.unwrap().total
}

#[tokio::test]
async fn another_programs_lock_is_said_in_time_and_reads_go_on() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    store.run_orders(&[place("PUSAN")], NOW).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();

    let batch = [place("SEOUL")];
    let asked = Instant::now();
    let (written, read) = tokio::join!(store.run_orders(&batch, NOW), async {
        let order = store.order(OrderId(1)).await.unwrap();
        (order, asked.elapsed())
    });
    assert!(asked.elapsed() < ANSWER);
    let Err(StoreError::Unavailable(sentence)) = written else {
        panic!("{written:?}");
    };
    assert!(
        sentence.contains("orders.db is locked by another program"),
        "{sentence}"
    );
    assert!(read.0.is_some() && read.1 < Duration::from_millis(400), "{read:?}");

    other.execute_batch("rollback").unwrap();
    store.run_orders(&[place("JEJU")], NOW).await.unwrap();
    assert_eq!(total(&store).await, 2, "the refused order is not done later");
}

#[tokio::test]
async fn a_turn_that_never_ends_is_said_in_time() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    let mut turnstile = Turnstile::open(&path).unwrap();
    let turn = turnstile.enter(ANSWER).unwrap();
    let asked = Instant::now();
    let (first, second) = ([place("PUSAN")], [place("SEOUL")]);
    let answers = tokio::join!(store.run_orders(&first, NOW), store.run_orders(&second, NOW));
    assert!(asked.elapsed() < ANSWER, "the second has waited behind the first");
    assert!(matches!(answers.0, Err(StoreError::Unavailable(_))), "{answers:?}");
    assert!(matches!(answers.1, Err(StoreError::Unavailable(_))), "{answers:?}");
    drop(turn);
    store.run_orders(&[place("JEJU")], NOW).await.unwrap();
    assert_eq!(total(&store).await, 1);
}

#[tokio::test]
async fn what_is_no_database_is_named() {
    let (folder, path) = orders_db();
    fs::write(&path, "a shopping list, and not a short one: ".repeat(100)).unwrap();
    let sentence = refusal(&path);
    assert!(sentence.contains("orders.db is not a SQLite database"), "{sentence}");

    let nowhere = folder.path().join("missing").join("orders.db");
    let sentence = refusal(&nowhere);
    assert!(
        sentence.contains("missing") && sentence.contains("folder"),
        "{sentence}"
    );

    let directory = folder.path().join("directory.db");
    fs::create_dir(&directory).unwrap();
    let sentence = refusal(&directory);
    assert!(sentence.contains("directory.db can't be opened"), "{sentence}");
}

fn number(file: &Connection, pragma: &str) -> i64 {
    file.pragma_query_value(None, pragma, |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_left_alone() {
    let (_folder, path) = orders_db();
    drop(open(&path));
    closed(&path).await;
    let file = Connection::open(&path).unwrap();
    assert!(number(&file, "user_version") > 0, "a file says how far it has come");
    file.pragma_update(None, "user_version", 1000).unwrap();
    let sentence = refusal(&path);
    assert!(
        sentence.contains("orders.db has format 1000, and this program knows formats up to"),
        "{sentence}"
    );
    assert_eq!(number(&file, "user_version"), 1000);
}

/// Files that are another program's by their tables, by their mark, or by both, and the other service's file.
#[tokio::test]
async fn what_is_another_programs_database_is_left_alone() {
    let others = [
        "create table letters (text)",
        "pragma application_id = 252006674",
        "create table Order_table (id integer primary key); pragma application_id = 252006674",
        "create table Order_table (id integer primary key); pragma user_version = 3",
        "create table Delivery_table (id integer primary key)",
    ];
    for other in others {
        let (_folder, path) = orders_db();
        let file = Connection::open(&path).unwrap();
        file.execute_batch(other).unwrap();
        let sentence = refusal(&path);
        assert!(
            sentence.contains("not the mall's database of orders"),
            "{other}: {sentence}"
        );
        let mode: String = file.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "delete", "{other}");
        let ours = "select count(*) from sqlite_schema where name = 'order_event'";
        assert_eq!(file.query_row(ours, [], |row| row.get::<_, i64>(0)), Ok(0), "{other}");
    }
    let (_folder, path) = orders_db();
    drop(SqliteStore::open(&path, Source::Deliveries).unwrap());
    closed(&path).await;
    let sentence = refusal(&path);
    assert!(sentence.contains("not the mall's database of orders"), "{sentence}");
}

/// A file that is older than the noting of versions keeps its rows and its numbers.
#[tokio::test]
async fn a_file_without_a_version_is_brought_up_to_date() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    store.run_orders(&[place("PUSAN"), place("SEOUL")], NOW).await.unwrap();
    drop(store);
    closed(&path).await;
    let file = Connection::open(&path).unwrap();
    let (mark, version) = (number(&file, "application_id"), number(&file, "user_version"));
    let unmark = "pragma application_id = 0; pragma user_version = 0; drop index order_event_unpublished;
        delete from Order_table where id = 2";
    file.execute_batch(unmark).unwrap();
    let store = open(&path);
    assert_eq!(total(&store).await, 1);
    let placed = store.run_orders(&[place("JEJU")], NOW).await.unwrap();
    assert!(
        matches!(&placed[..], [OrderOutcome::Placed(order)] if order.id == OrderId(3)),
        "{placed:?}"
    );
    assert_eq!(
        (number(&file, "application_id"), number(&file, "user_version")),
        (mark, version)
    );
    let indexes = "select count(*) from sqlite_schema where name = 'order_event_unpublished'";
    assert_eq!(file.query_row(indexes, [], |row| row.get::<_, i64>(0)), Ok(1));
}

/// Before there was a column for the origin, an empty topic meant that a parked record did not come from the log.
#[tokio::test]
async fn a_parked_event_of_before_says_where_it_came_from() {
    let (_folder, path) = orders_db();
    drop(SqliteStore::open(&path, Source::Deliveries).unwrap());
    closed(&path).await;
    let file = Connection::open(&path).unwrap();
    let before = "alter table parked_event drop column origin; alter table order_cursor drop column worker;
                  alter table order_cursor drop column worker_until; pragma user_version = 2;
        insert into parked_event (order_id, version, reason, topic, record_partition, record_offset, record_timestamp,
            record_value, record_headers, since)
        values (6, 2, 'gap', 'kafka.scaling', 1, 40, 0, x'7b7d', x'', 0), (6, 3, 'gap', '', 0, 3, 0, x'7b7d', x'', 0),
            (6, 4, 'gap', '', 0, 0, 0, null, x'', 0)";
    file.execute_batch(before).unwrap();
    drop(file);
    let store = SqliteStore::open(&path, Source::Deliveries).unwrap();
    let parked = store.parked_events(OrderId(6), Version(0), 10).await.unwrap();
    let origins: Vec<&str> = parked.iter().map(|event| event.record.origin.name()).collect();
    assert_eq!(origins, ["log", "journal", "nowhere"]);
}

#[tokio::test]
async fn a_damaged_page_is_named() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    let batch: Vec<_> = (0..2000).map(|number| place(&format!("street {number}"))).collect();
    store.run_orders(&batch, NOW).await.unwrap();
    drop(store);
    closed(&path).await;
    let file = fs::File::options().write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in 20..pages {
        file.write_all_at(&[0xab; 4096], page * 4096).unwrap();
    }
    drop(file);
    let store = open(&path);
    let scanned = store.orders(&PAGE).await;
    let Err(StoreError::Broken(sentence)) = scanned else {
        panic!("{scanned:?}");
    };
    assert!(sentence.contains("orders.db is damaged"), "{sentence}");
}

#[tokio::test]
async fn a_file_that_was_removed_is_not_written_any_more() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    store.run_orders(&[place("PUSAN")], NOW).await.unwrap();
    fs::remove_file(&path).unwrap();
    for answer in [
        store.run_orders(&[place("SEOUL")], NOW).await.map(|_| ()),
        store.order(OrderId(1)).await.map(|_| ()),
        store.ping().await,
    ] {
        let Err(StoreError::Broken(sentence)) = answer else {
            panic!("{answer:?}");
        };
        assert!(sentence.contains("orders.db was removed or replaced"), "{sentence}");
    }
}

#[tokio::test]
async fn work_of_the_other_service_is_refused() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    let answer = store.unpublished(Source::Deliveries, 0, 1).await;
    let Err(StoreError::Rejected(sentence)) = answer else {
        panic!("{answer:?}");
    };
    assert!(
        sentence.ends_with("orders.db holds Orders and no Deliveries"),
        "{sentence}"
    );
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    store.run_orders(&[place("PUSAN"), place("SEOUL")], NOW).await.unwrap();
    drop(store);
    closed(&path).await;
    let store = open(&path);
    assert_eq!(total(&store).await, 2);
    assert_eq!(store.unpublished(Source::Orders, 0, 10).await.unwrap().len(), 2);
}

/// The adapter's core, without a file or a thread.
#[test]
fn the_core_works_in_memory() {
    let mut database = Database::over(Connection::open_in_memory().unwrap(), Source::Orders).unwrap();
    let outcomes = database.run_orders(&[place("PUSAN")], NOW).unwrap();
    assert!(matches!(&outcomes[..], [OrderOutcome::Placed(order)] if order.id == OrderId(1)));
    let journal = database.unpublished(Source::Orders, 0, 10).unwrap();
    database.mark_published(Source::Orders, &[journal[0].id]).unwrap();
    assert_eq!(database.unpublished(Source::Orders, 0, 10).unwrap(), []);
    assert_eq!(database.orders(&PAGE).unwrap().total, 1);
    database.ping().unwrap();
}

/// Whoever only looks brings nothing up to date, and can't write.
#[tokio::test]
async fn a_look_leaves_the_file_as_it_is() {
    let (_folder, path) = orders_db();
    let store = open(&path);
    store.run_orders(&[place("PUSAN")], NOW).await.unwrap();
    let look = SqliteStore::open_to_read(&path, Source::Orders).unwrap();
    assert_eq!(total(&look).await, 1);
    let refused = look.run_orders(&[place("SEOUL")], NOW).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(total(&store).await, 1);
    drop((store, look));
    closed(&path).await;
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 0).unwrap();
    let older = SqliteStore::open_to_read(&path, Source::Orders).map(drop);
    assert!(
        matches!(&older, Err(StoreError::Broken(sentence)) if sentence.contains("the older format 0")),
        "{older:?}"
    );
    assert_eq!(number(&file, "user_version"), 0);
}
