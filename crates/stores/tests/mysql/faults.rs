//! Servers that hang, vanish and come back, and rows that other sessions hold.

use std::time::{Duration, Instant};

use shop::domain::OrderEventType::{Modified, Placed};
use shop::domain::{DeliveryOutcome, OrderId, Source};
use shop::store::{Store, StoreError};
use stores::mysql::MysqlStore;

use super::database::{Database, execute, number, texts};
use super::proxy::{Mode, Proxy};
use super::words::{NOW, event, move_to, number_of, place, until};

const PROMISED: Duration = Duration::from_secs(2);

async fn behind_a_proxy() -> (Database, Proxy, MysqlStore) {
    let database = Database::unmade();
    let proxy = Proxy::start().await;
    let store = MysqlStore::connect(&proxy.url(&database), Source::Orders)
        .await
        .unwrap();
    store.run_orders(&[place()], NOW).await.unwrap();
    store.ping().await.unwrap();
    (database, proxy, store)
}

#[tokio::test]
async fn a_server_that_hangs_is_unavailable_within_2_s_and_works_again_afterwards() {
    let (_database, proxy, store) = behind_a_proxy().await;
    proxy.set(Mode::Hang);
    let start = Instant::now();
    let (placed, changed, read, pinged) = tokio::join!(
        async { store.run_orders(&[place()], NOW).await },
        async { store.run_orders(&[move_to(OrderId(1), "SEOUL")], NOW).await },
        store.order(OrderId(1)),
        store.ping()
    );
    assert!(start.elapsed() < PROMISED, "{:?}", start.elapsed());
    assert!(matches!(placed, Err(StoreError::Unavailable(_))), "{placed:?}");
    assert!(matches!(changed, Err(StoreError::Unavailable(_))), "{changed:?}");
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    assert!(matches!(pinged, Err(StoreError::Unavailable(_))), "{pinged:?}");

    let start = Instant::now();
    let again = store.run_orders(&[place()], NOW).await;
    assert!(matches!(again, Err(StoreError::Unavailable(_))), "{again:?}");
    assert!(
        start.elapsed() < PROMISED / 4,
        "who queued behind an outage doesn't wait for it a second time"
    );

    proxy.set(Mode::Pass);
    until("the store works again", || async {
        store.run_orders(&[place()], NOW).await.is_ok()
    })
    .await;
    until("it answers again", || async { store.ping().await.is_ok() }).await;
}

#[tokio::test]
async fn a_call_that_hangs_alone_holds_up_nobody_who_comes_after_it() {
    let (_database, proxy, store) = behind_a_proxy().await;
    proxy.set(Mode::HangOld);
    let (hung, answered) = tokio::join!(store.ping(), store.order(OrderId(1)));
    assert!(matches!(hung, Err(StoreError::Unavailable(_))), "{hung:?}");
    assert!(answered.is_ok(), "{answered:?}");
    let later = store.order(OrderId(1)).await;
    assert!(later.is_ok(), "{later:?}");
}

/// A network that loses a connection tells neither end, so the server goes on holding the rows that the transaction has
/// locked.
#[tokio::test]
async fn rows_of_a_transaction_whose_client_is_gone_without_a_word_are_free_again() {
    let (database, proxy) = (Database::unmade(), Proxy::start().await);
    let store = MysqlStore::connect(&proxy.url(&database), Source::Deliveries)
        .await
        .unwrap();
    let placed = [event(1, 1, Placed), event(2, 1, Placed)];
    store.run_deliveries(&placed, NOW).await.unwrap();
    let mut holder = database.client().await;
    execute(
        &mut holder,
        "start transaction; select id from Delivery_table where orderId = 2 for update",
    )
    .await;
    let batch = [event(1, 2, Modified), event(2, 2, Modified)];
    let (lost, ()) = tokio::join!(store.run_deliveries(&batch, NOW), async {
        let mut watcher = database.client().await;
        wait_for_a_lock_wait(&mut watcher).await;
        proxy.set(Mode::HangOld);
        execute(&mut holder, "rollback").await;
    });
    assert!(lost.is_err(), "{lost:?}");
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = store.run_deliveries(&batch, NOW).await {
        assert!(Instant::now() < deadline, "{error}");
    }
}

#[tokio::test]
async fn a_hanging_server_at_the_start_is_unavailable_within_2_s() {
    let proxy = Proxy::start().await;
    proxy.set(Mode::Hang);
    let start = Instant::now();
    let opened = MysqlStore::connect(&proxy.url(&Database::unmade()), Source::Orders).await;
    assert!(matches!(opened.err(), Some(StoreError::Unavailable(_))));
    assert!(start.elapsed() < PROMISED, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_was_restarted_is_not_even_noticed() {
    let (_database, proxy, store) = behind_a_proxy().await;
    proxy.set(Mode::Gone);
    let start = Instant::now();
    let gone = store.run_orders(&[place()], NOW).await;
    assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");
    assert!(start.elapsed() < PROMISED);
    proxy.set(Mode::Pass);
    store.run_orders(&[place()], NOW).await.unwrap();
    store.ping().await.unwrap();

    // Now the connections die while they are kept.
    proxy.set(Mode::Gone);
    proxy.set(Mode::Pass);
    store.run_orders(&[place()], NOW).await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_killed_is_replaced() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    store.run_orders(&[place()], NOW).await.unwrap();
    store.ping().await.unwrap();
    let mut client = database.client().await;
    let others =
        "select cast(id as char) from information_schema.processlist where db = database() and id <> connection_id()";
    let ids = texts(&mut client, others).await;
    assert!(ids.len() >= 2, "one for transactions, one for statements: {ids:?}");
    for id in ids.into_iter().flatten() {
        execute(&mut client, &format!("kill {id}")).await;
    }
    let outcomes = store.run_orders(&[place()], NOW).await.unwrap();
    assert_eq!(
        store.order(number_of(&outcomes[0])).await.unwrap().unwrap().id,
        OrderId(2)
    );
}

#[tokio::test]
async fn a_connection_that_is_lost_in_its_commit_leaves_the_outcome_unknown() {
    for mode in [Mode::CutAtCommit, Mode::HangAtCommit] {
        let (database, proxy, store) = behind_a_proxy().await;
        proxy.set(mode);
        let start = Instant::now();
        let lost = store.run_orders(&[place()], NOW).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{mode:?}: {lost:?}");
        assert!(start.elapsed() < PROMISED);
        proxy.set(Mode::Pass);
        until("the store works again", || async {
            store.run_orders(&[place()], NOW).await.is_ok()
        })
        .await;
        let mut client = database.client().await;
        let both = "select count(*) from Order_table o join order_event e on e.order_id = o.id";
        assert_eq!(
            number(&mut client, both).await,
            3,
            "{mode:?}: it was run once, not twice"
        );
    }
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_a_conflict_and_stalls_nobody_else() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    store.run_orders(&[place(), place()], NOW).await.unwrap();
    let mut holder = database.client().await;
    execute(
        &mut holder,
        "start transaction; select id from Order_table where id = 1 for update",
    )
    .await;
    let start = Instant::now();
    let (held, free) = tokio::join!(
        async { store.run_orders(&[move_to(OrderId(1), "SEOUL")], NOW).await },
        async {
            let free = store.run_orders(&[move_to(OrderId(2), "SEOUL")], NOW).await;
            (free, start.elapsed())
        }
    );
    assert!(matches!(held, Err(StoreError::Conflict(_))), "{held:?}");
    assert!(start.elapsed() < PROMISED, "{:?}", start.elapsed());
    assert!(free.0.is_ok(), "{free:?}");
    assert!(
        free.1 < Duration::from_millis(800),
        "the other order waited {:?}",
        free.1
    );
    execute(&mut holder, "rollback").await;
    store.run_orders(&[move_to(OrderId(1), "SEOUL")], NOW).await.unwrap();
}

#[tokio::test]
async fn rows_that_are_held_one_after_the_other_are_still_a_conflict_within_2_s() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    store.run_orders(&[place(), place()], NOW).await.unwrap();
    let mut first = database.client().await;
    let mut second = database.client().await;
    execute(
        &mut first,
        "start transaction; select id from Order_table where id = 1 for update",
    )
    .await;
    execute(
        &mut second,
        "start transaction; select id from Order_table where id = 2 for update",
    )
    .await;
    let start = Instant::now();
    let batch = [move_to(OrderId(1), "SEOUL"), move_to(OrderId(2), "SEOUL")];
    let (held, ()) = tokio::join!(store.run_orders(&batch, NOW), async {
        // The first row is unlocked before the wait for it times out, so the second wait begins late.
        tokio::time::sleep(Duration::from_millis(800)).await;
        execute(&mut first, "rollback").await;
    });
    assert!(matches!(held, Err(StoreError::Conflict(_))), "{held:?}");
    assert!(start.elapsed() < PROMISED, "{:?}", start.elapsed());
    execute(&mut second, "rollback").await;
    until("both rows are free", || async {
        store.run_orders(&batch, NOW).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_deadlock_is_a_conflict() {
    let database = Database::unmade();
    let store = database.open(Source::Deliveries).await;
    let placed = [event(1, 1, Placed), event(2, 1, Placed)];
    store.run_deliveries(&placed, NOW).await.unwrap();
    let mut other = database.client().await;
    // The other transaction holds row 2 and has written much, so the server picks the store's transaction as the
    // victim.
    execute(
        &mut other,
        "set session innodb_lock_wait_timeout = 20; start transaction; \
        update Delivery_table set qty = 9 where orderId = 2; \
        insert into Delivery_table (qty) values (1), (1), (1), (1), (1), (1), (1), (1)",
    )
    .await;
    let batch = [event(1, 2, Modified), event(2, 2, Modified)];
    let (hit, ()) = tokio::join!(store.run_deliveries(&batch, NOW), async {
        let mut watcher = database.client().await;
        wait_for_a_lock_wait(&mut watcher).await;
        execute(
            &mut other,
            "update Delivery_table set qty = 9 where orderId = 1; rollback",
        )
        .await;
    });
    assert!(matches!(hit, Err(StoreError::Conflict(_))), "{hit:?}");
    assert!(store.run_deliveries(&batch, NOW).await.is_ok());
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let database = Database::unmade();
    let store = std::sync::Arc::new(database.open(Source::Deliveries).await);
    store.run_deliveries(&[event(1, 1, Placed)], NOW).await.unwrap();
    let mut holder = database.client().await;
    execute(
        &mut holder,
        "start transaction; select id from Delivery_table where orderId = 1 for update",
    )
    .await;
    let caller = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .run_deliveries(&[event(2, 1, Placed), event(1, 2, Modified)], NOW)
                .await
        }
    });
    let mut watcher = database.client().await;
    wait_for_a_lock_wait(&mut watcher).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    execute(&mut holder, "rollback").await;
    let batch = [event(1, 2, Modified), event(3, 1, Placed)];
    let outcomes = store.run_deliveries(&batch, NOW).await.unwrap();
    assert!(
        matches!(&outcomes[0], DeliveryOutcome::Applied { delivery, .. } if delivery.events.0 == 2),
        "{outcomes:?}"
    );
    assert_eq!(number(&mut watcher, "select count(*) from Delivery_table").await, 2);
}

/// Waits until a locking query of this database has been running for a while, which means that it waits for a lock.
async fn wait_for_a_lock_wait(client: &mut sqlx::mysql::MySqlConnection) {
    let waiting = "select count(*) from information_schema.processlist \
        where db = database() and info like '%for update' and id <> connection_id()";
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut seen = 0;
    while seen < 3 {
        assert!(Instant::now() < deadline, "nobody waits for a row");
        tokio::time::sleep(Duration::from_millis(10)).await;
        seen = if number(client, waiting).await > 0 { seen + 1 } else { 0 };
    }
}
