//! What the MySQL adapter does beyond the contract of all stores: opening, numbering, batches of any size.

use shop::domain::{OrderCommand, OrderId, OrderOutcome, Source};
use shop::store::{Store, StoreError};
use stores::mysql::MysqlStore;

use super::database::{Database, execute, number, server, texts};
use super::words::{NOW, move_to, number_of, place, request};

#[tokio::test]
async fn a_missing_database_is_made_and_speaks_utf8mb4() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    store.ping().await.unwrap();
    let placed = store.run_orders(&[place()], NOW).await.unwrap();
    let id = number_of(&placed[0]);
    assert_eq!(
        store.order(id).await.unwrap().unwrap().fields.address.as_deref(),
        Some("부산 🏠")
    );
    let mut client = database.client().await;
    let charsets = texts(
        &mut client,
        "select distinct cast(character_set_name as char) from information_schema.columns \
         where table_schema = database() and character_set_name is not null \
         union select default_character_set_name from information_schema.schemata where schema_name = database()",
    )
    .await;
    assert_eq!(charsets, [Some("utf8mb4".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_share_one_database() {
    let database = Database::unmade();
    let starts = (0..6).map(|i| {
        let url = database.url();
        let source = if i % 2 == 0 { Source::Orders } else { Source::Deliveries };
        tokio::spawn(async move { MysqlStore::connect(&url, source).await.map(drop) })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    let mut client = database.client().await;
    let columns = texts(
        &mut client,
        "select cast(column_name as char) from information_schema.columns \
         where table_schema = database() and table_name = 'Delivery_table' order by ordinal_position",
    )
    .await;
    let columns: Vec<_> = columns.into_iter().flatten().collect();
    let known = [
        "id",
        "orderId",
        "customerId",
        "productId",
        "productName",
        "qty",
        "address",
        "status",
    ];
    assert_eq!(columns[..known.len()], known);
    assert_eq!(columns[known.len()..], ["version", "events"]);
}

#[tokio::test]
async fn batches_of_any_size_are_numbered_as_the_database_did() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    let mut client = database.client().await;
    for n in [1, 3, 64, 65, 300] {
        let outcomes = store.run_orders(&vec![place(); n], NOW).await.unwrap();
        let ids: Vec<OrderId> = outcomes.iter().map(number_of).collect();
        let last = ids[n - 1].0;
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(number(&mut client, "select max(id) from Order_table").await, last);
        assert_eq!(number(&mut client, "select max(order_id) from order_event").await, last);
    }
    let all: Vec<_> = (1..=300).map(|id| move_to(OrderId(id), "SEOUL")).collect();
    let outcomes = store.run_orders(&all, NOW).await.unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, OrderOutcome::Changed(order) if order.version.0 == 2))
    );
    let gone: Vec<_> = (1..=300).map(|id| request(OrderCommand::Cancel(OrderId(id)))).collect();
    store.run_orders(&gone, NOW).await.unwrap();
    assert_eq!(number(&mut client, "select count(*) from Order_table").await, 133);
    let mut ids = Vec::new();
    while let entries = store.unpublished(Source::Orders, 0, 400).await.unwrap()
        && !entries.is_empty()
    {
        let page: Vec<i64> = entries.iter().map(|row| row.id).collect();
        store.mark_published(Source::Orders, &page).await.unwrap();
        ids.extend(page);
    }
    assert_eq!(ids.len(), 433 + 300 + 300);
    assert!(ids.is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn numbering_goes_on_behind_rows_of_somebody_else() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    let mut client = database.client().await;
    execute(
        &mut client,
        "set auto_increment_increment = 7; insert into Order_table (qty) values (1), (2), (3)",
    )
    .await;
    let highest = number(&mut client, "select max(id) from Order_table").await;
    let outcomes = store.run_orders(&[place(), place()], NOW).await.unwrap();
    assert!(number_of(&outcomes[0]).0 > highest);
    assert_eq!(
        number(&mut client, "select max(id) from Order_table").await,
        number_of(&outcomes[1]).0
    );
}

#[tokio::test]
async fn a_value_that_does_not_fit_rejects_its_batch_and_nothing_stays() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    let mut client = database.client().await;
    execute(
        &mut client,
        "alter table Order_table modify column productName varchar(3)",
    )
    .await;
    let error = store.run_orders(&[place()], NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
    assert_eq!(number(&mut client, "select count(*) from order_event").await, 0);
}

#[tokio::test]
async fn a_wrong_login_is_a_sentence_without_the_password() {
    let address = server().replace("root:", "nobody:s3cret-");
    let error = MysqlStore::connect(&format!("{address}/whatever"), Source::Orders)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, StoreError::Broken(_)), "{error:?}");
    assert!(
        error.to_string().contains("nobody") && !error.to_string().contains("s3cret"),
        "{error}"
    );

    for nowhere in [
        "mysql://root:s3cret@127.0.0.1:1/db",
        "mysql://root:s3cret@no-such-host.invalid/db",
    ] {
        let error = MysqlStore::connect(nowhere, Source::Orders).await.err().unwrap();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_left_alone() {
    let database = Database::unmade();
    drop(database.open(Source::Orders).await);
    execute(&mut database.client().await, "update mall_schema set version = 99").await;
    let error = MysqlStore::connect(&database.url(), Source::Orders)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, StoreError::Broken(why) if why.contains("newer")),
        "{error:?}"
    );
}
