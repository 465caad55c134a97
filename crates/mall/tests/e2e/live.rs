//! `GET /live`: whoever looks sees what is there, what goes wrong and what is kept, as `mall verify` judges it; what is away is
//! told, a client goes on where it was, and the gateway does nothing while nobody looks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::events::{Heard, Listener, gateway_address};
use crate::support::http::{delete, get, patch, post};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::grow;
use crate::support::{PATIENCE, wait_for};

const ORDER: [(&str, &str); 5] = [
    ("customerId", "2000"),
    ("productId", "100"),
    ("productName", "RADIO"),
    ("qty", "3"),
    ("address", "PUSAN"),
];

/// A page: it follows the stream, as docs/live.md says.
struct Page {
    stream: Listener,
    parts: BTreeMap<String, Value>,
    seen: Vec<Value>,
    records: Vec<Value>,
    growth: Vec<Value>,
    rows: BTreeMap<i64, Value>,
    /// The id of the last frame.
    last: String,
    snapshots: usize,
}

impl Page {
    fn open(gateway: SocketAddr, query: &str) -> Self {
        Self {
            stream: Listener::at(gateway, &format!("/live{query}")),
            parts: BTreeMap::new(),
            seen: Vec::new(),
            records: Vec::new(),
            growth: Vec::new(),
            rows: BTreeMap::new(),
            last: String::new(),
            snapshots: 0,
        }
    }

    fn take(&mut self, frame: Heard) {
        let items = || frame.data.as_array().cloned().unwrap_or_default();
        self.last.clone_from(&frame.id);
        match frame.name.as_str() {
            "snapshot" => {
                self.snapshots += 1;
                let Value::Object(parts) = frame.data else {
                    panic!("an object")
                };
                for part in ["seen", "records", "growth", "deliveries"] {
                    assert!(parts[part].is_array(), "{part}");
                }
                self.parts = parts.into_iter().collect();
                let list = |part: &str| self.parts[part].as_array().cloned().unwrap_or_default();
                (self.seen, self.records, self.growth) = (list("seen"), list("records"), list("growth"));
                self.rows = list("deliveries")
                    .into_iter()
                    .map(|row| (number(&row["order"]), row))
                    .collect();
            }
            "seen" => self.seen.extend(items()),
            "records" => self.records.extend(items()),
            "growth" => self.growth.extend(items()),
            "deliveries" => self
                .rows
                .extend(items().into_iter().map(|row| (number(&row["order"]), row))),
            "missed" => {}
            whole => drop(self.parts.insert(whole.to_owned(), frame.data)),
        }
    }

    /// Follows the stream until it shows what is waited for.
    #[track_caller]
    fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(self) {
            assert!(
                Instant::now() < deadline,
                "{what}: {:?}, {:?}, {:?}",
                self.parts,
                self.rows,
                self.seen.last()
            );
            let frame = self.stream.hear().unwrap_or_else(|| panic!("it ended before {what}"));
            self.take(frame);
        }
    }

    fn part(&self, name: &str) -> &Value {
        self.parts.get(name).unwrap_or(&Value::Null)
    }

    fn verdict(&self, state: &str) -> bool {
        self.part("verdict")["state"] == state && self.part("verdict")["underWay"] == false
    }

    fn role(&self, name: &str) -> &Value {
        let roles = self.part("roles").as_array().map_or(&[][..], Vec::as_slice);
        roles.iter().find(|role| role["name"] == name).unwrap_or(&Value::Null)
    }

    fn serve(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.role(name)["state"] == "serving")
    }

    fn saw(&self, what: &str, version: i64) -> Option<&Value> {
        let mut seen = self.seen.iter();
        seen.find(|seen| {
            seen["what"] == what && seen["event"]["version"] == version && seen["event"].get("delivery").is_none()
        })
    }

    fn lag(&self) -> i64 {
        let partitions = self.part("partitions").as_array().expect("partitions");
        partitions.iter().map(|partition| number(&partition["lag"])).sum()
    }
}

#[track_caller]
fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

struct Mall<'a> {
    stack: &'a Stack,
    order: Role,
    deliveries: Vec<Role>,
    gateway: Role,
    at: SocketAddr,
}

impl<'a> Mall<'a> {
    /// Roles that nobody supervises, in these modes, with so many delivery instances.
    fn start(stack: &'a Stack, partitions: &str, deliveries: usize, modes: &[&str]) -> Self {
        let order = stack.role("order", &[&["--partitions", partitions], modes].concat());
        let mut instances = Vec::new();
        for number in 1..=deliveries {
            let name = format!("delivery-{number}");
            let options = ["--name", &name, "--session-timeout", "6s"];
            let delivery = stack.role("delivery", &[&options[..], modes].concat());
            if number <= partitions.parse().expect("a number") {
                delivery.wait_line("assigned");
            }
            instances.push(delivery);
        }
        let (gateway, at) = gateway(stack, order.address());
        Self {
            stack,
            order,
            deliveries: instances,
            gateway,
            at,
        }
    }

    /// What `mall verify` says in the end, and with it the metric: events took effect out of order, or none did.
    #[track_caller]
    fn verify(&self, code: i32) {
        let verified = self.stack.run(&["verify", "--wait", "60s"]);
        assert_eq!(verified.status.code(), Some(code), "{verified:?}");
        let deliveries = self.deliveries.iter();
        let counts = deliveries.map(|delivery| {
            let page = get(delivery.address(), "/metrics").body;
            let mut lines = page.lines();
            let count = lines.find_map(|line| line.strip_prefix("mall_delivery_out_of_order_total "));
            count.and_then(|count| count.parse::<u64>().ok()).expect("a count")
        });
        assert_eq!(counts.sum::<u64>() > 0, code == 1, "the metric says the same");
    }
}

fn gateway(stack: &Stack, order: SocketAddr) -> (Role, SocketAddr) {
    let url = format!("--order-url=http://{order}");
    let role = Role::start("gateway", &mut stack.command(&["gateway", "--port=0", &url]));
    let at = gateway_address(&role);
    (role, at)
}

#[test]
fn who_looks_sees_order_break_on_the_embedded_default() {
    who_looks_sees_order_break(&Stack::embedded());
}

#[test]
fn who_looks_sees_order_break_on_kafka_and_mariadb() {
    who_looks_sees_order_break(&Stack::real());
}

/// The course's second experiment: the cancellation takes effect while the modification is being worked on by the other instance.
fn who_looks_sees_order_break(stack: &Stack) {
    let mall = Mall::start(stack, "2", 2, &["--course", "--modify-delay", "8s"]);
    let mut page = Page::open(mall.at, "");
    page.until("the roles", |page| page.serve(&["order", "delivery-1", "delivery-2"]));
    page.until("the group", |page| page.part("group")["state"] == "Stable");
    assert_eq!(page.role("order")["modes"], json!({"key": "none"}));
    let modes = json!({"key": "none", "guard": "off", "lanes": 1});
    let delivery = page.role("delivery-2");
    assert_eq!((&delivery["modes"], &delivery["supervised"]), (&modes, &json!(false)));
    assert_eq!(page.part("group")["members"][0]["modes"], modes);
    assert_eq!(page.part("group")["generation"].is_number(), stack.real.is_none());
    let kinds = match &stack.real {
        Some(_) => ("kafka", "mysql"),
        None => ("embedded", "sqlite"),
    };
    let told = page.part("mall");
    assert_eq!(
        (told["log"].as_str(), told["database"].as_str()),
        (Some(kinds.0), Some(kinds.1))
    );
    page.until("nothing to judge", |page| page.verdict("unknown"));

    let id = post(mall.at, "/orders", &ORDER).id();
    page.until("the delivery", |page| {
        page.rows.get(&id).is_some_and(|row| row["actual"]["version"] == 1)
    });
    page.until("order held", |page| page.verdict("ordered"));
    patch(mall.at, &format!("/orders/{id}"), &[("address", "SEOUL")]);
    page.until("v2 being worked on", |page| page.saw("begun", 2).is_some());
    delete(mall.at, &format!("/orders/{id}"));
    page.until("v3 applied", |page| page.saw("finished", 3).is_some());
    page.until("v2 on its way", |page| {
        page.rows[&id]["expected"]["version"] == 3 && page.rows[&id]["inFlight"] == true
    });
    page.until("harm", |page| page.verdict("harm"));
    page.until("the wrong row", |page| page.rows[&id]["inFlight"] == false);
    let row = &page.rows[&id];
    assert_eq!(row["expected"], json!({"status": "DELIVERY CANCELLED", "version": 3}));
    assert_eq!(row["actual"]["status"], "DELIVERY MODIFIED", "{row}");
    assert_eq!(page.saw("finished", 2).expect("v2")["ending"], "out-of-order");
    assert_eq!(page.saw("published", 3).expect("v3")["who"], "order");
    let found = &page.part("verdict")["found"];
    let named = |name: &str| {
        let found = found.as_array().expect("verdicts");
        found
            .iter()
            .find(|one| one["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    let inversion = named("inversion");
    assert!(
        inversion["says"]["korean"]
            .as_str()
            .is_some_and(|says| says.contains("v2")),
        "{found}"
    );
    assert!(inversion["evidence"][0]["what"]["english"].is_string(), "{inversion}");
    assert!(named("split-key")["kind"] == "hazard", "{found}");

    page.until("everything read", |page| page.lag() == 0 && page.records.len() >= 6);
    let versions = page.records.iter().filter(|record| record["delivery"].is_null());
    let mut versions: Vec<i64> = versions.map(|record| number(&record["version"])).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3]);
    assert!(
        page.records
            .iter()
            .all(|record| record["key"].is_null() && record["order"] == id)
    );
    mall.verify(1);
}

#[test]
fn who_looks_sees_order_kept_on_the_embedded_default() {
    who_looks_sees_order_kept(&Stack::embedded());
}

#[test]
fn who_looks_sees_order_kept_on_kafka_and_mariadb() {
    who_looks_sees_order_kept(&Stack::real());
}

/// By the key, and where there is none by the fence, whose early event waits; also when the topic grows and an instance is killed.
fn who_looks_sees_order_kept(stack: &Stack) {
    let mut mall = Mall::start(stack, "2", 2, &["--key", "none", "--modify-delay", "3s"]);
    let mut page = Page::open(mall.at, "");
    page.until("the roles", |page| page.serve(&["order", "delivery-1", "delivery-2"]));
    let id = post(mall.at, "/orders", &ORDER).id();
    page.until("the delivery", |page| page.saw("finished", 1).is_some());
    // Nobody calls final what is under way.
    mall.deliveries
        .iter()
        .for_each(|delivery| delivery.signal(Signal::STOP));
    patch(mall.at, &format!("/orders/{id}"), &[("address", "SEOUL")]);
    delete(mall.at, &format!("/orders/{id}"));
    page.until("that it can't be told yet", |page| {
        let verdict = page.part("verdict");
        verdict["state"] == "unknown" && verdict["underWay"] == true
    });
    assert_eq!(mall.stack.run(&["verify"]).status.code(), Some(2));
    mall.deliveries
        .iter()
        .for_each(|delivery| delivery.signal(Signal::CONT));
    page.until("order kept", |page| {
        page.verdict("ordered") && page.rows.get(&id).is_some_and(|row| row["actual"]["version"] == 3)
    });
    assert_eq!(page.rows[&id]["actual"]["status"], "DELIVERY CANCELLED");
    mall.verify(0);

    grow(stack, 4);
    page.until("the growth", |page| !page.growth.is_empty());
    let growth = &page.growth[0];
    assert_eq!((&growth["from"], &growth["to"]), (&json!(2), &json!(4)));
    assert_eq!(growth["ends"].as_array().map(Vec::len), Some(2));
    page.until("four partitions", |page| {
        page.part("partitions").as_array().map(Vec::len) == Some(4)
    });

    mall.deliveries[1].signal(Signal::STOP);
    page.until("that it is frozen", |page| page.role("delivery-2")["state"] == "frozen");
    mall.deliveries[1].signal(Signal::CONT);
    page.until("that it goes on", |page| page.serve(&["delivery-2"]));
    mall.deliveries[1].kill();
    page.until("that it is away", |page| {
        page.role("delivery-2").is_null() || page.role("delivery-2")["state"] == "away"
    });
    let owned = |page: &Page| {
        page.part("group")["members"][0]["partitions"]
            .as_array()
            .map_or(0, Vec::len)
    };
    page.until("all with the other", |page| {
        page.part("group")["members"].as_array().map(Vec::len) == Some(1) && owned(page) == 4
    });
    let late = stack.role("delivery", &["--key", "none", "--name", "delivery-9"]);
    page.until("the new one", |page| page.serve(&["delivery-9"]));
    drop(late);
    mall.order.signal(Signal::TERM);
    page.until("that it has stopped", |page| {
        ["stopped", "away"]
            .iter()
            .any(|state| page.role("order")["state"] == *state)
    });
}

#[test]
fn scenarios_are_listed_and_run_without_touching_the_mall() {
    let stack = Stack::embedded();
    let mall = Mall::start(&stack, "1", 1, &["--modify-delay", "0s"]);
    let listed = get(mall.at, "/live/scenarios").json();
    let all = listed["scenarios"].as_array().expect("a list");
    let first = all
        .iter()
        .find(|one| one["name"] == "missing-key")
        .expect("it is there");
    assert_eq!(first["runs"], json!(["broken", "fixed"]));
    let hangul = |text: &str| text.chars().any(|letter| ('가'..='힣').contains(&letter));
    assert!(first["question"]["korean"].as_str().is_some_and(hangul));
    let ran = get(mall.at, "/live/scenarios/missing-key?run=broken");
    assert_eq!(
        (ran.status, ran.header("content-type")),
        (200, Some("application/x-ndjson"))
    );
    assert_eq!(
        ran.body,
        get(mall.at, "/live/scenarios/missing-key").body,
        "the first run, and the same bytes"
    );
    let unknown = get(mall.at, "/live/scenarios/missing-keys?run=broken");
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.json()["message"]
            .as_str()
            .is_some_and(|says| says.contains("missing-key?"))
    );
    let without = get(mall.at, "/live/scenarios/lesson-1?run=broken");
    assert_eq!(without.status, 400);
    assert!(
        without.json()["message"]
            .as_str()
            .is_some_and(|says| says.contains("run=fixed"))
    );
    assert_eq!(
        post(mall.at, "/orders", &ORDER).id(),
        1,
        "no scenario has placed an order here"
    );
    mall.verify(0);
}

#[test]
fn a_client_goes_on_where_it_was_and_after_a_restart_it_begins_anew() {
    let stack = Stack::embedded();
    let mut mall = Mall::start(&stack, "1", 1, &["--modify-delay", "0s"]);
    let mut page = Page::open(mall.at, "");
    let mut other = Page::open(mall.at, "?order=1");
    page.until("the roles", |page| page.serve(&["order", "delivery-1"]));
    post(mall.at, "/orders", &ORDER);
    page.until("v1 applied", |page| page.saw("finished", 1).is_some());
    other.until("the same", |page| page.saw("finished", 1).is_some());
    assert_eq!(page.snapshots, 1);

    // It goes away for a moment.
    let (last, had) = (page.last.clone(), page.seen.len());
    drop(page.stream);
    patch(mall.at, "/orders/1", &[("qty", "4")]);
    page.stream = Listener::at(mall.at, &format!("/live?after={last}"));
    page.until("v2 applied", |page| page.saw("finished", 2).is_some());
    assert_eq!(page.snapshots, 1, "it went on");
    let ids = |seen: &[Value]| -> Vec<String> {
        seen.iter()
            .map(|one| format!("{}-{}", one["who"], one["seq"]))
            .collect()
    };
    other.until("v2 applied", |page| page.saw("finished", 2).is_some());
    let count = page.seen.len().min(other.seen.len());
    assert_eq!(
        ids(&page.seen)[had..count],
        ids(&other.seen)[had..count],
        "none twice, none lost"
    );

    assert_eq!(get(mall.at, "/live?after=nonsense").status, 400);
    mall.gateway.signal(Signal::TERM);
    assert_eq!(mall.gateway.wait_exit().code(), Some(0), "streams hold up no end");
    let (_gateway, at) = gateway(&stack, mall.order.address());
    page.stream = Listener::at(at, &format!("/live?after={}", page.last));
    page.until("a snapshot", |page| page.snapshots == 2);
    page.until("what had happened before", |page| {
        page.saw("finished", 1).is_some() && page.saw("finished", 2).is_some()
    });
    let times: Vec<i64> = page.seen.iter().map(|seen| number(&seen["at"])).collect();
    assert!(times.is_sorted(), "the past comes in its order: {times:?}");
    page.until("the verdict", |page| page.verdict("ordered"));
}

#[test]
fn what_is_away_is_told_and_found_once_it_is_there() {
    let stack = Stack::embedded();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let (mut early, at) = gateway(&stack, nobody);
    let mut page = Page::open(at, "");
    page.until("what is away", |page| {
        page.part("away").as_array().is_some_and(|away| away.len() >= 3)
    });
    assert!(
        page.part("away").to_string().contains("there is no embedded log"),
        "{:?}",
        page.part("away")
    );
    assert!(!stack.folder.path().join("mall-data").exists(), "nothing is created");
    assert_eq!(get(at, "/orders").status, 503, "it still answers for the services");
    page.until("no verdict", |page| page.part("verdict")["state"] == "away");
    let _order = stack.role("order", &[]);
    let _delivery = stack.role("delivery", &["--name", "delivery-1"]);
    page.until("that all is there", |page| page.part("away") == &json!([]));
    page.until("the delivery", |page| page.serve(&["delivery-1"]));
    page.until("a verdict", |page| page.verdict("unknown"));
    assert_eq!(early.stop(), Some(0));
}

#[test]
fn nothing_is_read_while_nobody_looks() {
    let stack = Stack::embedded();
    let mall = Mall::start(&stack, "1", 1, &[]);
    let threads = || {
        let tasks = format!("/proc/{}/task", mall.gateway.pid().as_raw_nonzero());
        let names = std::fs::read_dir(tasks).expect("a process").filter_map(|task| {
            let name = std::fs::read_to_string(task.ok()?.path().join("comm")).ok()?;
            name.starts_with("live-").then(|| name.trim().to_owned())
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(threads(), [""; 0]);
    let mut page = Page::open(mall.at, "");
    page.until("the roles", |page| page.serve(&["order", "delivery-1"]));
    assert!(threads().len() >= 6, "{:?}", threads());
    drop(page);
    wait_for("the end of all that reads", || threads().is_empty().then_some(()));
    // The picture is made anew for the next one who looks.
    let mut page = Page::open(mall.at, "");
    page.until("the roles again", |page| page.serve(&["order", "delivery-1"]));
}

#[test]
fn a_burst_costs_the_gateway_no_memory_and_the_verdict_is_that_of_verify() {
    let stack = Stack::embedded();
    let mall = Mall::start(&stack, "4", 1, &["--modify-delay", "0s"]);
    let mut page = Page::open(mall.at, "?order=7");
    page.until("the roles", |page| page.serve(&["order", "delivery-1"]));
    let placing: Vec<_> = (0..8)
        .map(|_| {
            let order = mall.order.address();
            std::thread::spawn(move || {
                for _ in 0..250 {
                    let id = post(order, "/orders", &ORDER).id();
                    patch(order, &format!("/orders/{id}"), &[("qty", "4")]);
                }
            })
        })
        .collect();
    placing.into_iter().for_each(|one| one.join().expect("all are placed"));
    page.until("all judged", |page| {
        page.verdict("ordered") && page.part("verdict")["orders"] == 2000
    });
    page.until("everything read", |page| page.lag() == 0);
    assert!(
        page.seen
            .iter()
            .any(|seen| seen["event"]["order"] == 7 && seen["what"] == "finished")
    );
    mall.verify(0);
    let status = format!("/proc/{}/status", mall.gateway.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(status).expect("a process");
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    });
    let peak = peak.expect("a size in KiB");
    assert!(peak < 250_000, "{peak} KiB");
    eprintln!("the gateway took {peak} KiB at most");
}
