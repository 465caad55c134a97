//! `/metrics` of each role, read as strictly as a scraper could.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::support::http::{delete, get, patch, post};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::feed;
use crate::support::wait_for;

#[test]
fn what_was_done_is_what_is_counted_on_the_embedded_stack() {
    check(&Stack::embedded());
}

#[test]
fn what_was_done_is_what_is_counted_on_kafka_and_mariadb() {
    check(&Stack::real());
}

fn check(stack: &Stack) {
    let order = stack.role("order", &["--partitions", "2"]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s", "--lanes", "4"]);
    let (orders, deliveries) = (order.address(), delivery.address());
    for number in 0..3 {
        let path = format!("/orders/{}", place(orders));
        if number < 2 {
            assert_eq!(patch(orders, &path, &[("address", "SEOUL")]).status, 200);
        }
        if number < 1 {
            assert_eq!(delete(orders, &path).status, 204);
        }
    }
    assert_eq!(get(orders, "/orders/99").status, 404);
    // Lag and journal may be a second old, so everything is waited for on one page.
    let quiet = |order: &Page, delivery: &Page| {
        let published = |page: &Page| page.sum("mall_relay_published_total") == 6.0;
        published(order)
            && published(delivery)
            && delivery.one("mall_lanes_done_total") == 12.0
            && delivery.one("mall_lanes_commits_total") > 0.0
            && [
                "mall_consumer_lag_records",
                "mall_lanes_in_flight",
                "mall_journal_unpublished",
            ]
            .iter()
            .all(|name| delivery.sum(name) == 0.0)
            && order.one("mall_journal_unpublished") == 0.0
    };
    let (order, delivery) = wait_for("all to be published and handled", || {
        Some((scrape(orders), scrape(deliveries))).filter(|(order, delivery)| quiet(order, delivery))
    });
    let topic = stack.real.as_ref().map_or("kafka.scaling", |real| &real.topic);
    of_the_order_service(&order);
    of_a_delivery_instance(&delivery, topic);
}

fn of_the_order_service(page: &Page) {
    let http = |method, status| page.value("mall_http_requests_total", &[("method", method), ("status", status)]);
    assert_eq!(
        (http("POST", "2xx"), http("PATCH", "2xx"), http("DELETE", "2xx")),
        (3.0, 2.0, 1.0)
    );
    assert_eq!((http("GET", "4xx"), http("POST", "5xx")), (1.0, 0.0));
    assert_eq!(
        page.one("mall_http_request_duration_seconds_count"),
        page.sum("mall_http_requests_total")
    );
    for (name, count) in [("OrderPlaced", 3.0), ("OrderModified", 2.0), ("OrderCancelled", 1.0)] {
        assert_eq!(
            page.value("mall_relay_published_total", &[("type", name)]),
            count,
            "{name}"
        );
    }
    let requests = page.value("mall_commit_batch_size_sum", &[("batch", "orders")]);
    assert_eq!(requests, 6.0, "each command was in one transaction");
    page.expect(&[
        ("mall_journal_unpublished_age_seconds", 0.0),
        ("mall_relay_lease_held", 1.0),
        ("mall_blocked_orders", 0.0),
        ("mall_relay_failures_total", 0.0),
        ("mall_log_reachable", 1.0),
        ("mall_database_reachable", 1.0),
    ]);
    of_any_process(page, "order");
}

fn of_a_delivery_instance(page: &Page, topic: &str) {
    for (name, count) in [("OrderPlaced", 3.0), ("OrderModified", 2.0), ("OrderCancelled", 1.0)] {
        let applied = [("type", name), ("outcome", "applied")];
        assert_eq!(page.value("mall_delivery_events_total", &applied), count, "{name}");
    }
    assert_eq!(
        page.sum("mall_delivery_events_total"),
        6.0,
        "nothing else became of any"
    );
    page.expect(&[
        ("mall_lanes_done_total", 12.0),
        ("mall_delivery_foreign_records_total", 6.0),
        ("mall_handler_duration_seconds_count", 12.0),
        ("mall_apply_duration_seconds_count", 6.0),
        ("mall_lanes_self_check_failures_total", 0.0),
        ("mall_lanes_commits_refused_total", 0.0),
        ("mall_lanes_commits_failed_total", 0.0),
        ("mall_lanes_in_flight", 0.0),
        ("mall_lanes_buffered_bytes", 0.0),
        ("mall_parked_keys", 0.0),
        ("mall_dead_letters_unpublished", 0.0),
    ]);
    for partition in ["0", "1"] {
        let labels = [("topic", topic), ("partition", partition)];
        assert_eq!(page.value("mall_consumer_lag_records", &labels), 0.0);
        assert_eq!(page.value("mall_consumer_lag_seconds", &labels), 0.0);
    }
    of_any_process(page, "delivery");
}

fn of_any_process(page: &Page, role: &str) {
    let build = [("version", env!("CARGO_PKG_VERSION")), ("role", role)];
    assert_eq!(page.value("mall_build_info", &build), 1.0);
    let age = seconds_since_epoch() - page.one("process_start_time_seconds");
    assert!((0.0..300.0).contains(&age), "started {age} s ago");
    if cfg!(target_os = "linux") {
        let bytes = page.one("process_resident_memory_bytes");
        assert!((1e6..1e9).contains(&bytes), "{bytes} bytes");
    }
}

#[test]
fn what_is_held_up_is_counted_and_dated() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let slow = stack.role("delivery", &["--modify-delay", "600s", "--shutdown-timeout", "1s"]);
    let path = format!("/orders/{}", place(order.address()));
    assert_eq!(patch(order.address(), &path, &[("address", "SEOUL")]).status, 200);
    // A poison event, of an order of its own.
    let mut producer = stack.bare(&["kafka-console-producer", "--topic", "kafka.scaling"]);
    producer.args(["--property", "parse.headers=true"]);
    producer.arg("--data").arg(stack.folder.path().join("mall-data"));
    feed(
        &mut producer,
        "type:OrderModified,ce_sequence:1\t{\"eventType\":\"OrderModified\",\"id\":77,\"qty\":\"many\"}\n",
    );
    let held_up = |page: &Page| {
        let lag = page.sum("mall_consumer_lag_records") > 0.0 && page.sum("mall_consumer_lag_seconds") > 1.0;
        let parked = page.value("mall_parked_events", &[("reason", "poison")]) == 1.0
            && page.value("mall_parked_age_seconds", &[("reason", "poison")]) > 1.0;
        let flying = page.one("mall_lanes_in_flight") == 1.0 && page.one("mall_lanes_oldest_in_flight_seconds") > 1.0;
        lag && parked && flying
    };
    let page = wait_for("the sentinels to tell of it", || {
        Some(scrape(slow.address())).filter(held_up)
    });
    let poisoned = page.value(
        "mall_delivery_events_total",
        &[("type", "OrderModified"), ("outcome", "poisoned")],
    ) + page.value(
        "mall_delivery_events_total",
        &[("type", "unreadable"), ("outcome", "poisoned")],
    );
    assert_eq!(poisoned, 1.0);
    assert_eq!(page.one("mall_parked_keys"), 1.0);
    let lag = page.sum("mall_consumer_lag_records");
    assert!(lag < 4.0, "{lag} records, though the first of the four is committed");
    assert_eq!(page.one("mall_dead_letters_published_total"), 1.0);
}

#[test]
fn the_gateway_counts_what_it_answers() {
    let stack = Stack::embedded();
    let role = Role::start("gateway", &mut stack.bare(&["gateway", "--port", "0"]));
    let line = role.wait_line("gateway on http://");
    let address = line
        .split("gateway on http://")
        .nth(1)
        .and_then(|rest| rest.split(':').nth(1)?.split_whitespace().next());
    let port = address.and_then(|port| port.parse().ok()).expect("a port");
    let gateway = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(get(gateway, "/nowhere").status, 404);
    assert_eq!(get(gateway, "/").status, 200);
    let page = scrape(gateway);
    let http = |status| page.value("mall_http_requests_total", &[("method", "GET"), ("status", status)]);
    assert_eq!((http("4xx"), http("2xx")), (1.0, 1.0));
    of_any_process(&page, "gateway");
}

fn place(orders: SocketAddr) -> i64 {
    let fields = [
        ("customerId", "2000"),
        ("productId", "100"),
        ("productName", "RADIO"),
        ("qty", "3"),
        ("address", "PUSAN"),
    ];
    let placed = post(orders, "/orders", &fields);
    assert_eq!(placed.status, 201, "{placed:?}");
    placed.id()
}

fn seconds_since_epoch() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("a clock after 1970").as_secs_f64()
}

#[track_caller]
fn scrape(address: SocketAddr) -> Page {
    let answer = get(address, "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    Page::parse(&answer.body)
}

type Labels = BTreeMap<String, String>;

/// A page of metrics that kept all rules of the format.
#[derive(Debug, Default)]
struct Page {
    samples: BTreeMap<(String, Labels), f64>,
}

/// A family while its lines are read.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
}

impl Page {
    #[track_caller]
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is not ended");
        let (mut page, mut seen) = (Self::default(), BTreeSet::new());
        let mut family: Option<Family<'_>> = None;
        let mut helped = "";
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                helped = help.split_once(' ').expect("a name and a text").0;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                assert_eq!(name, helped, "HELP stands before TYPE");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(seen.insert(name), "{name} comes twice");
                assert!(is_name(name), "{name}");
                family = Some(Family { name, kind });
            } else {
                page.sample(family.as_ref().expect("a TYPE before any sample"), line);
            }
        }
        page.check_histograms(text);
        page
    }

    #[track_caller]
    fn sample(&mut self, family: &Family<'_>, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| {
            (name, rest.strip_suffix('}').expect("labels that end"))
        });
        let suffix = name
            .strip_prefix(family.name)
            .unwrap_or_else(|| panic!("{line} below {}", family.name));
        match family.kind {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            _ => assert_eq!(suffix, "", "{line}"),
        }
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let known = self.samples.insert((name.to_owned(), parse_labels(labels)), value);
        assert_eq!(known, None, "{series} comes twice");
    }

    /// Buckets ascend, the last one is `+Inf` and equals the count.
    #[track_caller]
    fn check_histograms(&self, text: &str) {
        let histograms = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"));
        for name in histograms {
            let mut series = BTreeMap::<Labels, Vec<(f64, f64)>>::new();
            for ((sample, labels), value) in &self.samples {
                if *sample == format!("{name}_bucket") {
                    let mut labels = labels.clone();
                    let bound = labels.remove("le").expect("a bound");
                    series
                        .entry(labels)
                        .or_default()
                        .push((bound.parse().expect("a number"), *value));
                }
            }
            assert!(!series.is_empty(), "{name} has no buckets");
            for (labels, mut buckets) in series {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(
                    buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
                    "{name} {buckets:?}"
                );
                let last = buckets.last().expect("a bucket");
                assert!(last.0.is_infinite(), "{name} has no +Inf");
                let whole = |suffix: &str| self.samples[&(format!("{name}{suffix}"), labels.clone())];
                assert_eq!(last.1, whole("_count"), "{name}");
                assert_eq!(whole("_sum") > 0.0, last.1 > 0.0, "{name}");
            }
        }
    }

    /// The value with exactly these labels.
    #[track_caller]
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let found = self.samples.get(&(name.to_owned(), labels.clone()));
        *found.unwrap_or_else(|| panic!("no {name} with {labels:?} in {:#?}", self.samples))
    }

    #[track_caller]
    fn one(&self, name: &str) -> f64 {
        self.value(name, &[])
    }

    #[track_caller]
    fn expect(&self, expected: &[(&str, f64)]) {
        for (name, value) in expected {
            assert_eq!(self.one(name), *value, "{name}");
        }
    }

    fn sum(&self, name: &str) -> f64 {
        let ours = self.samples.iter().filter(|((sample, _), _)| sample == name);
        ours.map(|(_, value)| value).sum()
    }
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// `a="b",c="d"`; none of ours holds anything that is escaped.
#[track_caller]
fn parse_labels(text: &str) -> Labels {
    let mut labels = Labels::new();
    for label in text.split(',').filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once('=').expect("a label's name and value");
        assert!(is_name(name), "{label}");
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .expect("quotes");
        assert!(!value.contains(['"', '\\']), "{label}");
        assert_eq!(labels.insert(name.into(), value.into()), None, "{label} comes twice");
    }
    labels
}
