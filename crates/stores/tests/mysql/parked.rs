//! How the server plans the queries for pages of parked events.

use shop::domain::Source;
use sqlx::{AssertSqlSafe, Row};
use stores::mysql::parked_pages;

use super::database::{Database, execute};

/// A page must cost the same however many orders have parked events, so it is found in an index, in the index's order.
#[tokio::test]
async fn a_page_of_what_is_parked_is_found_without_a_scan_or_a_sort() {
    let database = Database::unmade();
    let store = database.open(Source::Deliveries).await;
    let mut client = database.client().await;
    for first in (1..=10_000).step_by(500) {
        let rows = |row: &dyn Fn(i64) -> String| (first..first + 500).map(row).collect::<Vec<_>>().join(",");
        let cursors = rows(&|order| format!("({order}, 1, 2)"));
        execute(
            &mut client,
            &format!("insert into order_cursor (order_id, version, parked) values {cursors}"),
        )
        .await;
        let events = rows(&|order| {
            let mark = if order % 2 == 0 { "'retry'" } else { "null" };
            let event = |version| format!("({order}, {version}, 'gap', '', 0, 0, 0, '', 0, {mark})");
            format!("{},{}", event(3), event(4))
        });
        let into = "order_id, version, reason, topic, record_partition, record_offset, record_timestamp, \
                    record_headers, since, mark";
        execute(
            &mut client,
            &format!("insert into parked_event ({into}) values {events}"),
        )
        .await;
    }
    execute(&mut client, "analyze table order_cursor, parked_event").await;
    for (sql, values) in parked_pages().iter().zip([
        &["5000", "1000"][..],
        &["'retry'", "5000", "1000"],
        &["5000", "2", "100"],
    ]) {
        let sql = values
            .iter()
            .fold(sql.clone(), |sql, value| sql.replacen('?', value, 1));
        let plan = sqlx::raw_sql(AssertSqlSafe(format!("explain format = traditional {sql}")));
        for row in plan.fetch_all(&mut client).await.expect("a plan") {
            let text = |name: &str| row.get_unchecked::<Option<String>, _>(name).unwrap_or_default();
            let (table, key, kind, extra) = (text("table"), text("key"), text("type"), text("Extra"));
            if table.starts_with("<derived") {
                continue;
            }
            let step = format!("{table} {kind} {key} {extra}: {sql}");
            assert!(!key.is_empty() && kind != "ALL" && kind != "index", "{step}");
            assert!(!extra.contains("filesort") && !extra.contains("temporary"), "{step}");
        }
    }
    drop(store);
}
