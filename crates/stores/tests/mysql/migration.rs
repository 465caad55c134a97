//! Databases that the Java system has made: tables as Hibernate creates them, with the columns in alphabetical order.

use shop::domain::{
    DeliveryRequest, IncomingEvent, OrderCommand, OrderEventType, OrderId, OrderPatch, Provenance, Source, Version,
};
use shop::store::{FenceStore, Store};

use super::database::{Database, execute, number, texts};
use super::words::{NOW, move_to, number_of, place, request};

const ORDERS: &str = "create table Order_table (id bigint not null auto_increment, address varchar(255), \
    customerId bigint, productId varchar(255), productName varchar(255), qty integer, primary key (id))";
const DELIVERIES: &str = "create table Delivery_table (id bigint not null auto_increment, address varchar(255), \
    customerId bigint, orderId bigint, productId varchar(255), productName varchar(255), qty integer, \
    status varchar(255), primary key (id))";

/// Three orders, of which the last is deleted.
const ROWS: &str = "insert into Order_table (address, customerId, productId, productName, qty) values \
    ('부산', 2000, '100', 'RADIO', 3), ('Zürich', 2000, '101', '텔레비전', 1), ('SEOUL', 1, '1', 'TV', 1); \
    delete from Order_table where id = 3";

#[tokio::test]
async fn orders_keep_rows_columns_and_counter_and_get_a_journal() {
    let database = Database::make("utf8").await;
    let mut java = database.client().await;
    execute(&mut java, &format!("{ORDERS} engine = InnoDB; {ROWS}")).await;
    let store = database.open(Source::Orders).await;

    let order = store.order(OrderId(2)).await.unwrap().unwrap();
    assert_eq!(order.version, Version(1));
    assert_eq!(order.fields.address.as_deref(), Some("Zürich"));
    assert_eq!(order.fields.product_name.as_deref(), Some("텔레비전"));
    assert_eq!(
        column_names(&mut java, "Order_table").await,
        [
            "id",
            "address",
            "customerId",
            "productId",
            "productName",
            "qty",
            "version"
        ]
    );

    let events = store.order_events(OrderId(1)).await.unwrap();
    assert_eq!(events.len(), 1);
    assert!(
        events[0]
            .payload
            .starts_with(r#"{"eventType":"OrderPlaced","timestamp":"#),
        "{}",
        events[0].payload
    );
    assert!(
        events[0].payload.contains(r#""address":"부산""#),
        "{}",
        events[0].payload
    );
    assert!(store.unpublished(Source::Orders, 0, 10).await.unwrap().is_empty());

    let outcomes = store
        .run_orders(&[place(), move_to(OrderId(1), "대전")], NOW)
        .await
        .unwrap();
    assert_eq!(
        number_of(&outcomes[0]),
        OrderId(4),
        "the deleted number 3 is not given out again"
    );
    let versions = store
        .order_events(OrderId(1))
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.version.0);
    assert_eq!(versions.collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn latin1_is_converted_and_utf8_inside_latin1_is_kept() {
    let database = Database::make("latin1").await;
    let mut java = database.client().await;
    execute(&mut java, ORDERS).await;
    // One column holds real latin1, the other UTF-8 that a client declared to be latin1.
    execute(
        &mut java,
        "insert into Order_table (address, qty) values ('Zürich', 1), ('Genève', 2), (null, 3)",
    )
    .await;
    let mut careless = database.client_speaking("latin1").await;
    execute(
        &mut careless,
        "update Order_table set productName = '텔레비전' where qty = 1",
    )
    .await;
    execute(
        &mut careless,
        "update Order_table set productName = 'RADIO' where qty = 2",
    )
    .await;
    assert_ne!(
        texts(&mut java, "select productName from Order_table where qty = 1").await,
        [Some("텔레비전".into())]
    );

    let store = database.open(Source::Orders).await;
    let order = store.order(OrderId(1)).await.unwrap().unwrap().fields;
    assert_eq!(
        (order.address.as_deref(), order.product_name.as_deref()),
        (Some("Zürich"), Some("텔레비전"))
    );
    let order = store.order(OrderId(2)).await.unwrap().unwrap().fields;
    assert_eq!(
        (order.address.as_deref(), order.product_name.as_deref()),
        (Some("Genève"), Some("RADIO"))
    );
    let order = store.order(OrderId(3)).await.unwrap().unwrap().fields;
    assert_eq!((order.address, order.product_name), (None, None));
    store.run_orders(&[place()], NOW).await.unwrap();
    assert_eq!(
        store
            .order(OrderId(4))
            .await
            .unwrap()
            .unwrap()
            .fields
            .address
            .as_deref(),
        Some("부산 🏠")
    );
}

#[tokio::test]
async fn a_conversion_that_was_killed_half_way_goes_on() {
    let database = Database::make("latin1").await;
    let mut java = database.client().await;
    execute(&mut java, ORDERS).await;
    let mut careless = database.client_speaking("latin1").await;
    execute(
        &mut careless,
        "insert into Order_table (address, qty) values ('부산', 1), ('서울', 2)",
    )
    .await;
    // A first start was interrupted here: the column's text is turned into bytes, one order has its event and one has
    // none, and no version is noted.
    execute(
        &mut java,
        "alter table Order_table modify column address varbinary(1020)",
    )
    .await;
    let store = database.open(Source::Orders).await;
    assert_eq!(
        store
            .order(OrderId(2))
            .await
            .unwrap()
            .unwrap()
            .fields
            .address
            .as_deref(),
        Some("서울")
    );
    drop(store);
    execute(
        &mut java,
        "delete from mall_schema; delete from order_event where order_id = 2",
    )
    .await;
    let first = texts(&mut java, "select payload from order_event").await;
    let store = database.open(Source::Orders).await;
    assert_eq!(store.order_events(OrderId(2)).await.unwrap().len(), 1);
    assert_eq!(
        texts(&mut java, "select payload from order_event where order_id = 1").await,
        first
    );
}

#[tokio::test]
async fn many_orders_get_their_events_page_by_page() {
    let database = Database::make("utf8mb4").await;
    let mut java = database.client().await;
    execute(&mut java, ORDERS).await;
    execute(&mut java, "insert into Order_table (qty) values (1), (2), (3)").await;
    for _ in 0..9 {
        execute(
            &mut java,
            "insert into Order_table (qty, address) select qty, address from Order_table",
        )
        .await;
    }
    let store = database.open(Source::Orders).await;
    let journal = "select count(*) from order_event e join Order_table o on o.id = e.order_id where published = 1";
    assert_eq!(number(&mut java, journal).await, 3 << 9);
    assert!(store.unpublished(Source::Orders, 0, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn tables_without_numbering_go_on_where_the_sequence_stands() {
    let database = Database::make("utf8mb4").await;
    let mut java = database.client().await;
    let unnumbered = ORDERS.replace(" auto_increment", "");
    execute(
        &mut java,
        &format!("{unnumbered}; create table hibernate_sequence (next_val bigint)"),
    )
    .await;
    execute(
        &mut java,
        "insert into hibernate_sequence values (42); insert into Order_table (id, qty) values (7, 1)",
    )
    .await;
    let store = database.open(Source::Orders).await;
    let outcomes = store.run_orders(&[place(), place()], NOW).await.unwrap();
    assert_eq!(
        outcomes.iter().map(number_of).collect::<Vec<_>>(),
        [OrderId(42), OrderId(43)]
    );
    assert_eq!(store.order(OrderId(7)).await.unwrap().unwrap().version, Version(1));
}

#[tokio::test]
async fn a_table_that_was_dropped_is_numbered_behind_its_journal() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    let last = number_of(&store.run_orders(&[place(), place()], NOW).await.unwrap()[1]);
    drop(store);
    execute(&mut database.client().await, "drop table Order_table").await;
    let store = database.open(Source::Orders).await;
    assert_eq!(
        number_of(&store.run_orders(&[place()], NOW).await.unwrap()[0]),
        OrderId(last.0 + 1)
    );
}

#[tokio::test]
async fn a_cancelled_number_is_not_reused_after_a_restart() {
    let database = Database::unmade();
    let store = database.open(Source::Orders).await;
    let id = number_of(&store.run_orders(&[place()], NOW).await.unwrap()[0]);
    store
        .run_orders(&[request(OrderCommand::Cancel(id))], NOW)
        .await
        .unwrap();
    drop(store);
    let store = database.open(Source::Orders).await;
    assert_eq!(
        number_of(&store.run_orders(&[place()], NOW).await.unwrap()[0]),
        OrderId(id.0 + 1)
    );
    assert_eq!(store.order_events(id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn deliveries_keep_duplicates_and_count_as_version_1() {
    let database = Database::make("latin1").await;
    let mut java = database.client().await;
    // Hibernate's oldest dialects create MyISAM tables.
    execute(&mut java, &format!("{DELIVERIES} engine = MyISAM")).await;
    execute(
        &mut java,
        "insert into Delivery_table (orderId, qty, status) values (6, 1, 'DELIVERY STARTED'), \
        (6, 2, 'DELIVERY STARTED'), (9, 1, 'x'); delete from Delivery_table where id = 3",
    )
    .await;
    let store = database.open(Source::Deliveries).await;
    assert_eq!(
        column_names(&mut java, "Delivery_table").await[..8],
        [
            "id",
            "address",
            "customerId",
            "orderId",
            "productId",
            "productName",
            "qty",
            "status"
        ]
    );
    let delivery = store.delivery_of(OrderId(6)).await.unwrap().unwrap();
    assert_eq!(
        (delivery.id.0, delivery.version, delivery.events),
        (1, Version(1), Version(1))
    );
    let event = |order, event_type| DeliveryRequest {
        event: IncomingEvent {
            order_id: OrderId(order),
            version: Some(Version(2)),
            event_type,
            fields: OrderPatch::default(),
        },
        traceparent: None,
        provenance: Provenance::default(),
    };
    let batch = [event(6, OrderEventType::Cancelled), event(10, OrderEventType::Placed)];
    store.run_deliveries(&batch, NOW).await.unwrap();
    assert_eq!(store.delivery_of(OrderId(10)).await.unwrap().unwrap().id.0, 4);
    assert_eq!(store.delivery_of(OrderId(6)).await.unwrap().unwrap().events, Version(2));
    assert_eq!(
        texts(
            &mut java,
            "select cast(engine as char) from information_schema.tables where table_schema = database() \
            and table_name = 'Delivery_table'"
        )
        .await,
        [Some("InnoDB".into())]
    );
}

/// Before there was a column for the origin, an empty topic meant that a parked record did not come from the log.
#[tokio::test]
async fn a_parked_event_of_before_says_where_it_came_from() {
    let database = Database::unmade();
    drop(database.open(Source::Deliveries).await);
    let mut client = database.client().await;
    let before = "alter table parked_event drop column origin; update mall_schema set version = 1; \
        insert into parked_event (order_id, version, reason, topic, record_partition, record_offset, record_timestamp, \
            record_value, record_headers, since) \
        values (6, 2, 'gap', 'kafka.scaling', 1, 40, 0, '{}', '', 0), (6, 3, 'gap', '', 0, 3, 0, '{}', '', 0), \
            (6, 4, 'gap', '', 0, 0, 0, null, '', 0)";
    execute(&mut client, before).await;
    let store = database.open(Source::Deliveries).await;
    let parked = store.parked_events(OrderId(6), Version(0), 10).await.unwrap();
    let origins: Vec<&str> = parked.iter().map(|event| event.record.origin.name()).collect();
    assert_eq!(origins, ["log", "journal", "nowhere"]);
    let version = number(&mut client, "select version from mall_schema where name = 'deliveries'").await;
    assert_eq!(version, 3, "an older program keeps off from now on");
}

async fn column_names(client: &mut sqlx::mysql::MySqlConnection, table: &str) -> Vec<String> {
    let sql = format!(
        "select cast(column_name as char) from information_schema.columns \
         where table_schema = database() and table_name = '{table}' order by ordinal_position"
    );
    texts(client, &sql).await.into_iter().flatten().collect()
}
