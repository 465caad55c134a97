//! A small model of the mall that makes correct histories. Orders are written, published, applied and reported, one event
//! after the other, over a log that gets more partitions, repeats records and changes owners.

use std::collections::BTreeMap;

use fastrand::Rng;
use keylane_log::{Offset, Partition, Timestamp};
use lab::checker::{Applied, DeliveryRecord, History, OrderRecord, PartitionState, PlaceInTopic, Written};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, DeliveryId, OrderEventType, OrderFields, OrderId, OrderPatch, Version};

pub struct Model {
    pub history: History,
    now: i64,
    counter: i64,
    ends: Vec<u64>,
    /// The owner of each partition: the instance, and the number of its assignment.
    owners: Vec<(u32, u64)>,
    deliveries: BTreeMap<OrderId, Delivery>,
}

impl Model {
    pub fn new(partitions: usize) -> Self {
        Self {
            history: History::default(),
            now: 1_749_697_512_000,
            counter: 0,
            ends: vec![0; partitions],
            owners: vec![(1, 1); partitions],
            deliveries: BTreeMap::new(),
        }
    }

    /// Writes the next event of an order, and everything that it leads to.
    pub fn event(&mut self, order: OrderId, event_type: OrderEventType) {
        self.now += 10;
        let version = self
            .deliveries
            .get(&order)
            .map_or(Version(1), |delivery| delivery.version.next());
        let written = Written {
            order,
            version,
            event_type,
            fields: fields(order, version),
            hash: (order.0 * 1000 + version.0) as u64,
            at: Timestamp(self.now),
            published: true,
            inherited: false,
        };
        let place = self.publish(&written);
        self.apply(&written, place);
        self.history.written.push(written);
    }

    /// Appends a written event to the topic. A relay may do so several times.
    pub fn publish(&mut self, written: &Written) -> PlaceInTopic {
        let place = self.append(written.order);
        self.history.topic.push(OrderRecord {
            order: written.order,
            version: Some(written.version),
            event_type: Some(written.event_type),
            hash: written.hash,
            place,
            at: written.at,
        });
        place
    }

    fn apply(&mut self, written: &Written, place: PlaceInTopic) {
        self.counter += 1;
        let (instance, epoch) = self.owners[place.partition.0 as usize];
        self.history.applied.push(Applied {
            order: written.order,
            counter: self.counter,
            kind: ApplyKind::Applied,
            delivery: Some(DeliveryId(written.order.0 + 100)),
            version: Some(written.version),
            event_type: Some(written.event_type),
            before: Version(written.version.0 - 1),
            after: written.version,
            instance: format!("delivery-{instance}").into(),
            epoch: Some(epoch),
            place: Some(place),
            at: Timestamp(self.now + 5),
        });
        let delivery = self.deliveries.entry(written.order).or_insert_with(|| Delivery {
            id: DeliveryId(written.order.0 + 100),
            order_id: Some(written.order),
            fields: OrderFields::default(),
            status: None,
            version: Version(0),
            events: Version(0),
        });
        if written.event_type != OrderEventType::Cancelled {
            delivery.fields = OrderFields {
                product_id: written.fields.product_id.clone().flatten(),
                product_name: written.fields.product_name.clone().flatten(),
                qty: written.fields.qty.flatten(),
                customer_id: written.fields.customer_id.flatten(),
                address: written.fields.address.clone().flatten(),
            };
        }
        delivery.status = Some(written.event_type.delivery_status().to_owned());
        delivery.version = written.version;
        delivery.events = delivery.events.next();
        let answer = DeliveryRecord {
            order: written.order,
            delivery: delivery.id,
            version: delivery.events,
            event_type: written.event_type.delivery_event(),
            place: self.append(written.order),
            at: Timestamp(self.now + 5),
        };
        self.history.delivery_records.push(answer);
    }

    fn append(&mut self, order: OrderId) -> PlaceInTopic {
        let partition = order.0 as usize % self.ends.len();
        self.ends[partition] += 1;
        PlaceInTopic {
            partition: Partition(partition as u32),
            offset: Offset(self.ends[partition] - 1),
        }
    }

    /// The history, with a group that has finished with every record.
    pub fn done(mut self) -> History {
        self.history.deliveries = self.deliveries.into_values().collect();
        let states = self.ends.iter().enumerate().map(|(partition, end)| PartitionState {
            partition: Partition(partition as u32),
            start: Offset(0),
            end: Offset(*end),
            committed: Some(Offset(*end)),
            kept_since: (*end > 0).then_some(Timestamp(1_749_697_512_000)),
        });
        self.history.partitions = states.collect();
        self.history
    }
}

fn fields(order: OrderId, version: Version) -> OrderPatch {
    OrderPatch {
        product_id: Some(Some("100".to_owned())),
        product_name: Some(Some("RADIO".to_owned())),
        qty: Some(Some(version.0 as i32)),
        customer_id: Some((order.0 % 3 > 0).then_some(2000)),
        address: Some(Some(format!("{order} STREET {version}"))),
    }
}

/// The history of one order, which is placed, modified twice, and cancelled.
pub fn one_order() -> History {
    let mut model = Model::new(2);
    for event in [
        OrderEventType::Placed,
        OrderEventType::Modified,
        OrderEventType::Modified,
        OrderEventType::Cancelled,
    ] {
        model.event(OrderId(2), event);
    }
    model.done()
}

/// A correct history of some orders, with everything that may happen without harm: records are repeated, partitions added and
/// handed over, and orders cancelled or not.
pub fn random(rng: &mut Rng) -> History {
    let mut model = Model::new(rng.usize(1..4));
    let orders = rng.i64(1..12);
    let mut left: BTreeMap<i64, usize> = (1..=orders).map(|order| (order, rng.usize(1..7))).collect();
    while let Some(order) = choose(rng, left.keys()) {
        let event = match (model.deliveries.get(&OrderId(order)), left[&order]) {
            (None, _) => OrderEventType::Placed,
            (Some(_), 1) if rng.bool() => OrderEventType::Cancelled,
            _ => OrderEventType::Modified,
        };
        model.event(OrderId(order), event);
        left.entry(order).and_modify(|left| *left -= 1);
        left.retain(|_, left| *left > 0);
        harmless_trouble(&mut model, rng, OrderId(order));
    }
    let mut history = model.done();
    rng.shuffle(&mut history.written);
    rng.shuffle(&mut history.topic);
    rng.shuffle(&mut history.applied);
    rng.shuffle(&mut history.delivery_records);
    history
}

fn harmless_trouble(model: &mut Model, rng: &mut Rng, order: OrderId) {
    match rng.u8(0..20) {
        0 => {
            model.ends.push(0);
            model.owners.push((1, 1));
        }
        1 => {
            let partition = rng.usize(0..model.owners.len());
            let (instance, epoch) = model.owners[partition];
            model.owners[partition] = (instance % 3 + 1, epoch + 1);
        }
        2 => {
            let of_order = model.history.written.iter().filter(|written| written.order == order);
            let written: Vec<Written> = of_order.cloned().collect();
            let from = rng.usize(0..written.len());
            for written in &written[from..] {
                model.publish(written);
            }
        }
        3 => {
            let mut again = model.history.delivery_records[rng.usize(0..model.history.delivery_records.len())].clone();
            again.place = model.append(again.order);
            model.history.delivery_records.push(again);
        }
        _ => {}
    }
}

pub fn choose<'a, T: Copy + 'a>(rng: &mut Rng, from: impl Iterator<Item = &'a T>) -> Option<T> {
    let all: Vec<T> = from.copied().collect();
    (!all.is_empty()).then(|| all[rng.usize(0..all.len())])
}
