//! Accounts with few rights, and trials of servers.

use shop::domain::{OrderId, Source};
use shop::store::{HistoryStore, Store, StoreError};
use stores::mysql::{MysqlStore, Trial};

use crate::database::{Database, execute, number, server};
use crate::words::{NOW, place};

const ROWS: &str = "select, insert, update, delete";

/// An account that is dropped with this value.
struct Account {
    name: String,
    database: String,
}

impl Account {
    /// An account with these rights in a database.
    async fn with(database: &Database, rights: &str) -> Self {
        let account = Self {
            name: database.name.replace("mall-test", "a"),
            database: database.name.clone(),
        };
        account
            .run(&format!("create user `{}`@`%` identified by 'secret'", account.name))
            .await;
        account.grant(rights, "*").await;
        account
    }

    async fn grant(&self, rights: &str, table: &str) {
        self.run(&format!(
            "grant {rights} on `{}`.{table} to `{}`@`%`",
            self.database, self.name
        ))
        .await;
    }

    async fn run(&self, sql: &str) {
        execute(&mut root().await, sql).await;
    }

    fn url(&self) -> String {
        let place = server().rsplit_once('@').expect("an address").1.to_owned();
        format!("mysql://{}:secret@{place}/{}", self.name, self.database)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let sql = format!("drop user `{}`@`%`", self.name);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { execute(&mut root().await, &sql).await });
        });
        let _ = dropped.join();
    }
}

/// The address of the tests' own account, without a database.
async fn root() -> sqlx::mysql::MySqlConnection {
    use sqlx::ConnectOptions;
    let options: sqlx::mysql::MySqlConnectOptions = server().parse().expect("an address");
    options.connect().await.expect("the server answers")
}

fn broken<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Broken(why)) => why,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was allowed"),
    }
}

#[tokio::test]
async fn an_account_that_may_only_change_rows_runs_both_services_on_tables_that_are_there() {
    let database = Database::unmade();
    database.open(Source::Orders).await;
    database.open(Source::Deliveries).await;
    let account = Account::with(&database, ROWS).await;
    let orders = MysqlStore::connect(&account.url(), Source::Orders)
        .await
        .expect("no other right is needed");
    orders.run_orders(&[place()], NOW).await.expect("an order is taken");
    let deliveries = MysqlStore::connect(&account.url(), Source::Deliveries)
        .await
        .expect("no other right is needed");
    assert!(
        deliveries
            .lease("a", "me", std::time::Duration::from_secs(1), NOW)
            .await
            .expect("a lease")
    );
    assert_eq!(
        MysqlStore::try_out(&account.url(), Source::Deliveries).await,
        Ok(Trial::Untried)
    );
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_with_what_it_is_for_and_what_to_grant() {
    let database = Database::make("utf8mb4").await;
    let account = Account::with(&database, ROWS).await;
    let why = broken(MysqlStore::connect(&account.url(), Source::Orders).await);
    assert!(
        why.contains("the table mall_schema has to be made") && why.contains("lacks the right CREATE"),
        "{why}"
    );
    assert!(
        why.contains(&format!("to '{}'@'%'", account.name)) && !why.contains("secret"),
        "{why}"
    );

    // The table is an older system's, and lacks a column.
    database.open(Source::Orders).await;
    let mut client = database.client().await;
    execute(&mut client, "alter table order_event drop column traceparent").await;
    let why = broken(MysqlStore::connect(&account.url(), Source::Orders).await);
    assert!(
        why.contains("the table order_event has to be made or changed") && why.contains("lacks the right ALTER"),
        "{why}"
    );
    database.open(Source::Orders).await;

    account
        .run(&format!(
            "revoke insert, delete on `{}`.* from `{}`@`%`",
            database.name, account.name
        ))
        .await;
    for table in ["mall_schema", "relay_lease", "Order_table"] {
        account.grant("insert", table).await;
    }
    let why = broken(MysqlStore::connect(&account.url(), Source::Orders).await);
    assert!(
        why.contains("may not insert into order_event, delete from Order_table in mysql://"),
        "{why}"
    );
    assert!(why.contains("; grant select, insert, update, delete on"), "{why}");
}

#[tokio::test]
async fn a_database_that_the_account_may_not_make_is_named() {
    let (database, other) = (Database::unmade(), Database::make("utf8mb4").await);
    let mut account = Account::with(&other, ROWS).await;
    account.database = database.name.clone();
    let why = broken(MysqlStore::connect(&account.url(), Source::Orders).await);
    assert!(why.contains(&format!("create database `{}`", database.name)), "{why}");
    assert!(
        why.contains("it may not make one") && why.contains(&format!("to '{}'@'%'", account.name)),
        "{why}"
    );
    assert!(matches!(
        MysqlStore::try_out(&account.url(), Source::Orders).await,
        Ok(Trial::NoDatabase(_))
    ));
}

#[tokio::test]
async fn a_reader_reads_what_is_there_and_makes_nothing() {
    let database = Database::make("utf8mb4").await;
    let reader = Account::with(&database, "select").await;
    let why = broken(MysqlStore::connect_to_read(&reader.url(), Source::Orders).await);
    assert!(
        why.contains("mall_schema is not in") && why.contains("the order service makes it"),
        "{why}"
    );
    let why = broken(MysqlStore::connect_to_read(&database.url(), Source::Orders).await);
    assert!(why.contains("mall_schema is not in"), "{why}");
    let tables = "select count(*) from information_schema.tables where table_schema = database()";
    assert_eq!(number(&mut database.client().await, tables).await, 0);

    let store = database.open(Source::Orders).await;
    store.run_orders(&[place()], NOW).await.expect("an order is taken");
    let read = MysqlStore::connect_to_read(&reader.url(), Source::Orders)
        .await
        .expect("it may read");
    assert_eq!(read.journal(Source::Orders, 0, 10).await.expect("rows").len(), 1);
    assert!(read.order(OrderId(1)).await.expect("a row").is_some());
    broken(read.run_orders(&[place()], NOW).await);
    let why = broken(MysqlStore::connect(&reader.url(), Source::Orders).await);
    assert!(
        why.contains("may not insert into mall_schema, update mall_schema, insert into relay_lease"),
        "{why}"
    );
}

#[tokio::test]
async fn a_server_is_tried_out_and_nothing_stays() {
    let database = Database::unmade();
    assert!(matches!(
        MysqlStore::try_out(&database.url(), Source::Orders).await,
        Ok(Trial::NoDatabase(_))
    ));
    let database = Database::make("utf8mb4").await;
    for source in [Source::Orders, Source::Deliveries] {
        let tried = MysqlStore::try_out(&database.url(), source).await;
        assert!(
            matches!(&tried, Ok(Trial::Unmade(tables)) if tables.contains(&"relay_lease")),
            "{tried:?}"
        );
    }
    let mut client = database.client().await;
    let tables = "select count(*) from information_schema.tables where table_schema = database()";
    assert_eq!(number(&mut client, tables).await, 0);

    let store = database.open(Source::Orders).await;
    database.open(Source::Deliveries).await;
    for source in [Source::Orders, Source::Deliveries] {
        assert_eq!(MysqlStore::try_out(&database.url(), source).await, Ok(Trial::Ready));
    }
    let placed = store.run_orders(&[place()], NOW).await.expect("an order is taken");
    assert_eq!(
        crate::words::number_of(&placed[0]),
        OrderId(1),
        "the trial took no number"
    );
    for table in [
        "order_event",
        "delivery_event",
        "order_cursor",
        "Delivery_table",
        "relay_lease",
        "delivery_apply",
    ] {
        let rows = number(&mut client, &format!("select count(*) from {table}")).await;
        assert_eq!(rows, i64::from(table == "order_event"), "{table}");
    }
}
