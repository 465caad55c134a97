//! The live picture: whatever comes, its size has a bound, what is told in pieces is what a snapshot tells, and observations
//! keep the order in which they came.

use std::collections::BTreeMap;
use std::sync::Arc;

use observe::{Effect, Ending, Event, Observation, Place, What};
use proptest::prelude::*;
use serde_json::{Value, json};
use web::live::{
    Acting, Actual, Away, Expected, Frame, Group, Holds, Mall, Modes, Partition, Picture, Record, Role, RoleState,
    Verdict,
};

fn mall() -> Mall {
    Mall {
        topic: "t".to_owned(),
        group: "g".to_owned(),
        log: "embedded",
        database: "sqlite",
        supervised: false,
        commands: Acting::Unsupervised,
    }
}

fn seen(seq: u64, who: &str, what: What) -> Observation {
    Observation {
        seq,
        at: 1000 + seq as i64,
        who: Arc::from(who),
        what,
    }
}

fn event(order: i64, version: i64) -> Event {
    Event {
        order,
        delivery: None,
        version: Some(version),
        name: Some("OrderModified".into()),
    }
}

fn finished(order: i64, version: i64, ending: Ending) -> What {
    What::Finished {
        event: Some(event(order, version)),
        place: Some(Place {
            partition: 0,
            offset: 1,
        }),
        epoch: Some(1),
        took: 1,
        ending,
    }
}

fn applied() -> Ending {
    Ending::Applied(Effect {
        delivery: 1,
        status: None,
        before: None,
    })
}

fn record(partition: u32, offset: u64, order: i64) -> Record {
    Record {
        partition,
        offset,
        at: 5,
        key: Some(order.to_string()),
        order: Some(order),
        version: Some(1),
        name: Some("OrderPlaced".to_owned()),
        delivery: None,
    }
}

fn snapshot(picture: &Picture) -> Value {
    let frame = picture.snapshot(0, false);
    assert_eq!(frame.kind, "snapshot");
    serde_json::from_str(&frame.data).expect("JSON")
}

fn data(frames: &[Frame], kind: &str) -> Vec<Value> {
    let of_kind = frames.iter().filter(|frame| frame.kind == kind);
    of_kind
        .map(|frame| serde_json::from_str(&frame.data).expect("JSON"))
        .collect()
}

/// A client that follows the frames as docs/live.md says.
#[derive(Default)]
struct Client {
    parts: BTreeMap<String, Value>,
}

impl Client {
    fn from(snapshot: Value) -> Self {
        let Value::Object(parts) = snapshot else {
            panic!("an object")
        };
        Self {
            parts: parts.into_iter().collect(),
        }
    }

    fn list(&mut self, part: &str) -> &mut Vec<Value> {
        self.parts.get_mut(part).and_then(Value::as_array_mut).expect("a list")
    }

    fn take(&mut self, frame: &Frame) {
        let data: Value = serde_json::from_str(&frame.data).expect("JSON");
        match frame.kind {
            "missed" => {}
            "seen" | "growth" => {
                let most = if frame.kind == "seen" { 400 } else { 20 };
                let list = self.list(frame.kind);
                list.extend(data.as_array().expect("a list").iter().cloned());
                let surplus = list.len().saturating_sub(most);
                list.drain(..surplus);
            }
            "records" => {
                let list = self.list("records");
                list.extend(data.as_array().expect("a list").iter().cloned());
                // Of each partition the last 40, by partition.
                let mut by_partition: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
                for record in std::mem::take(list) {
                    let partition = record["partition"].as_u64().expect("a number");
                    by_partition.entry(partition).or_default().push(record);
                }
                for mut records in by_partition.into_values() {
                    let surplus = records.len().saturating_sub(40);
                    list.extend(records.drain(surplus..));
                }
            }
            "deliveries" => {
                let list = self.list("deliveries");
                for row in data.as_array().expect("a list") {
                    list.retain(|known| known["order"] != row["order"]);
                    if row.get("gone").is_none() {
                        list.push(row.clone());
                    }
                }
                list.sort_by_key(|row| row["order"].as_i64());
            }
            whole => drop(self.parts.insert(whole.to_owned(), data)),
        }
    }
}

/// Something that is told to the picture.
#[derive(Debug, Clone)]
enum Told {
    Heard(i64, i64, u8),
    Burst(usize),
    Missed(u64),
    Records(u32, usize),
    Partitions(usize, u64),
    Roles(usize),
    Group(bool),
    Away(bool),
    Verdict(Vec<i64>),
    Select(Vec<i64>),
    Rows(i64),
    Passes(i64),
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        6 => (1..300i64, 1..5i64, 0..6u8).prop_map(|(order, version, how)| Told::Heard(order, version, how)),
        1 => (1..1500usize).prop_map(Told::Burst),
        1 => (0..9u64).prop_map(Told::Missed),
        3 => (0..400u32, 0..100usize).prop_map(|(partition, many)| Told::Records(partition, many)),
        2 => (0..6usize, 0..9u64).prop_map(|(many, end)| Told::Partitions(many, end)),
        1 => (0..4usize).prop_map(Told::Roles),
        1 => any::<bool>().prop_map(Told::Group),
        1 => any::<bool>().prop_map(Told::Away),
        1 => prop::collection::vec(1..400i64, 0..150).prop_map(Told::Verdict),
        1 => prop::collection::vec(1..400i64, 0..4).prop_map(Told::Select),
        4 => (1..5i64).prop_map(Told::Rows),
        4 => (0..3000i64).prop_map(Told::Passes),
    ]
}

struct World {
    picture: Picture,
    now: i64,
    seq: u64,
}

impl World {
    fn tell(&mut self, told: &Told) {
        let picture = &mut self.picture;
        match told {
            Told::Heard(order, version, how) => {
                self.seq += 1;
                picture.heard(&seen(self.seq, "delivery-1", something(*order, *version, *how)));
            }
            Told::Burst(many) => {
                for _ in 0..*many {
                    self.seq += 1;
                    picture.heard(&seen(self.seq, "order", finished(self.seq as i64, 1, applied())));
                }
            }
            Told::Missed(many) => picture.missed("order".into(), Some(*many).filter(|many| *many > 0)),
            Told::Records(partition, many) => {
                let records = (0..*many as u64).map(|offset| record(*partition, offset, offset as i64));
                picture.records(records.map(|record| Record {
                    key: Some("한".repeat(1000)),
                    ..record
                }));
            }
            Told::Partitions(many, end) => {
                let partitions = (0..*many as u32).map(|number| Partition::new(number, 0, *end, None));
                picture.partitions(self.now, partitions.collect());
            }
            Told::Roles(many) => picture.roles((0..*many).map(|number| role(&format!("delivery-{number}"))).collect()),
            Told::Group(there) => picture.group(there.then(|| Group {
                state: "Stable".to_owned(),
                generation: None,
                members: Vec::new(),
            })),
            Told::Away(away) => picture.away(
                away.then(|| Away {
                    what: "log",
                    why: "gone".to_owned(),
                })
                .into_iter()
                .collect(),
            ),
            Told::Verdict(orders) => picture.verdict(Verdict {
                state: Holds::Harm,
                found: orders
                    .iter()
                    .map(|order| json!({"order": order, "says": "x".repeat(500)}))
                    .collect(),
                ..Verdict::STARTING
            }),
            Told::Select(orders) => picture.select(orders.iter().copied().collect()),
            Told::Rows(version) => {
                for order in picture.take_stale() {
                    let status = "DELIVERY STARTED".to_owned();
                    let expected = Expected { status, version: 3 };
                    let actual = (*version > 1).then_some(Actual {
                        status: None,
                        version: *version,
                        delivery: order,
                    });
                    picture.row(order, Some(expected), actual);
                }
            }
            Told::Passes(time) => self.now += time,
        }
    }
}

/// Something that an instance sees of a version of an order.
fn something(order: i64, version: i64, how: u8) -> What {
    match how {
        0 => What::Committed {
            event: event(order, version),
        },
        1 => What::Taken {
            event: Some(event(order, version)),
            place: Place {
                partition: 0,
                offset: 3,
            },
            epoch: 1,
        },
        2 => finished(order, version, Ending::Poison { why: "x".repeat(50) }),
        3 => finished(order, version, applied()),
        4 => What::Stopped,
        _ => finished(
            order,
            version,
            Ending::Poison {
                why: "x".repeat(50_000),
            },
        ),
    }
}

fn role(name: &str) -> Role {
    Role {
        name: name.to_owned(),
        kind: "delivery",
        url: None,
        supervised: false,
        state: RoleState::Serving,
        modes: Some(Modes {
            key: "none",
            guard: Some("off"),
            lanes: Some(1),
        }),
        instance: None,
        pid: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn who_follows_the_frames_has_what_a_snapshot_holds(
        steps in prop::collection::vec((told(), prop::bool::weighted(0.3)), 1..60)
    ) {
        let mut world = World { picture: Picture::of(mall()), now: 0, seq: 0 };
        let mut client = Client::from(snapshot(&world.picture));
        let mut last = 0;
        for (told, flushed) in &steps {
            world.tell(told);
            if !flushed {
                continue;
            }
            let frames = world.picture.flush(world.now);
            for observation in data(&frames, "seen").iter().flat_map(|batch| batch.as_array().expect("a list")) {
                let seq = observation["seq"].as_u64().expect("a number");
                prop_assert!(seq > last, "{seq} came behind {last}");
                last = seq;
            }
            frames.iter().for_each(|frame| client.take(frame));
            let now = snapshot(&world.picture);
            for part in ["roles", "partitions", "records", "seen", "deliveries", "verdict", "rates", "growth", "group", "away"] {
                prop_assert_eq!(&client.parts[part], &now[part], "{}", part);
            }
            let count = |part: &str| now[part].as_array().map_or(0, Vec::len);
            prop_assert!(count("seen") <= 400 && count("growth") <= 20);
            prop_assert!(count("deliveries") <= 60 + 100 + 100 + 4, "{}", count("deliveries"));
            prop_assert!(now["verdict"]["found"].as_array().map_or(0, Vec::len) <= 100);
        }
    }
}

#[test]
fn a_flood_of_anything_leaves_a_picture_of_some_size() {
    let mut picture = Picture::of(mall());
    let why = || "x".repeat(15_000);
    for seq in 0..20_000 {
        let order = (seq / 2) as i64;
        picture.heard(&seen(
            seq,
            "delivery-1",
            finished(order, 1, Ending::Poison { why: why() }),
        ));
    }
    for partition in 0..1000 {
        picture.records((0..100).map(|offset| Record {
            key: Some("k".repeat(1000)),
            ..record(partition, offset, 1)
        }));
    }
    let frames = picture.flush(1);
    let told = data(&frames, "seen");
    assert!(told[0].as_array().expect("a list").len() <= 4096);
    assert_eq!(data(&frames, "missed")[0]["who"], "delivery-1");
    let size = picture.snapshot(1, false).data.len();
    // 400 observations of 15 kB, and 256 × 40 records of 400 bytes.
    assert!(size < 11_000_000, "{size}");
    assert!(picture.take_stale().len() <= 160);
}

#[test]
fn a_burst_of_500_orders_is_told_whole_and_a_flood_is_thinned_to_those_in_trouble() {
    let mut picture = Picture::of(mall());
    picture.flush(0);
    let mut seq = 0;
    let mut hear = |picture: &mut Picture, order, ending| {
        seq += 1;
        picture.heard(&seen(seq, "delivery-1", finished(order, 1, ending)));
    };
    (0..4000).for_each(|number| hear(&mut picture, number / 8, applied()));
    let told = data(&picture.flush(100), "seen");
    assert_eq!(told[0].as_array().expect("a list").len(), 4000);

    picture.select([7].into());
    (0..20_000).for_each(|number| hear(&mut picture, 1000 + number, applied()));
    picture.flush(200);
    let poison = Ending::Poison { why: "no".to_owned() };
    (0..50).for_each(|number| hear(&mut picture, 50_000 + number, applied()));
    hear(&mut picture, 7, applied());
    hear(&mut picture, 60_000, poison);
    picture.heard(&seen(90_000, "delivery-1", What::Stopped));
    let told = data(&picture.flush(300), "seen");
    let orders: Vec<i64> = told[0]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["event"]["order"].as_i64().unwrap_or(-1))
        .collect();
    assert_eq!(
        orders,
        [7, 60_000, -1],
        "the selected, the one in trouble, and what is of no order"
    );
    let rates = data(&picture.flush(1300), "rates");
    assert_eq!(
        (&rates[0]["thinned"], &rates[0]["applied"]),
        (&json!(true), &json!(18501))
    );
}

#[test]
fn growth_is_told_with_the_ends_of_the_old_partitions() {
    let mut picture = Picture::of(mall());
    let partitions = |many: u32, end| {
        (0..many)
            .map(|number| Partition::new(number, 0, end, Some(2)))
            .collect::<Vec<_>>()
    };
    picture.partitions(5, partitions(2, 9));
    let frames = picture.flush(5);
    assert!(data(&frames, "growth").is_empty(), "the first look is no growth");
    assert_eq!(data(&frames, "partitions")[0][1]["lag"], 7);
    picture.partitions(6, partitions(4, 10));
    let growth = data(&picture.flush(6), "growth");
    assert_eq!(growth[0][0], json!({"at": 6, "from": 2, "to": 4, "ends": [9, 9]}));
    picture.partitions(7, partitions(4, 10));
    assert!(picture.flush(7).is_empty(), "nothing has changed");
    assert_eq!(snapshot(&picture)["growth"][0]["to"], 4);
}

#[test]
fn a_row_is_in_flight_while_a_version_is_on_its_way() {
    let mut picture = Picture::of(mall());
    let started = || "DELIVERY STARTED".to_owned();
    let row = |picture: &mut Picture, version: i64| {
        assert_eq!(picture.take_stale(), [5]);
        let expected = Expected {
            status: started(),
            version: 3,
        };
        let actual = Actual {
            status: Some(started()),
            version,
            delivery: 8,
        };
        picture.row(5, Some(expected), Some(actual));
        data(&picture.flush(0), "deliveries")
            .pop()
            .map(|rows| rows[0]["inFlight"].clone())
    };
    let taken = |version| What::Taken {
        event: Some(event(5, version)),
        place: Place {
            partition: 0,
            offset: 1,
        },
        epoch: 1,
    };
    picture.heard(&seen(1, "delivery-1", taken(2)));
    picture.heard(&seen(2, "delivery-2", taken(3)));
    picture.heard(&seen(3, "delivery-2", finished(5, 3, applied())));
    assert_eq!(row(&mut picture, 3), Some(json!(true)), "v2 still runs");
    picture.heard(&seen(4, "delivery-1", finished(5, 2, applied())));
    assert_eq!(row(&mut picture, 3), Some(json!(false)));
    picture.heard(&seen(5, "order", What::Committed { event: event(5, 4) }));
    assert_eq!(row(&mut picture, 2), Some(json!(true)), "the row lags behind");
    assert_eq!(
        row(&mut picture, 3),
        Some(json!(false)),
        "it was looked at again by itself"
    );
}
