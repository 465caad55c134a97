//! A small mall that runs step by step, as chance has it: a journal, relays that crash and repeat, partitions that are added,
//! instances that take partitions over and begin again where the last commit was, a fence that parks, and a relay of delivery
//! events. One flaw can be built in, which shows once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use keylane_log::{Offset, Partition, Timestamp};
use lab::checker::{
    Anomaly, Applied, DeliveryRecord, History, OrderRecord, Parked, PartitionState, PlaceInTopic, WaitsFor, Written,
};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, DeliveryId, OrderEventType, OrderFields, OrderId, OrderPatch, Version};

pub enum Record {
    Order(OrderRecord),
    Delivery(DeliveryRecord),
}

/// Who reads a partition, and how far that has come.
struct Reader {
    instance: u32,
    epoch: u64,
    next: usize,
    committed: usize,
    /// The assignment under which the last effect was written, and those that were followed by another one.
    wrote: Option<(u32, u64)>,
    followed: Vec<(u32, u64)>,
}

pub struct Mall {
    pub rng: Rng,
    pub journal: Vec<Written>,
    pub log: Vec<Vec<Record>>,
    pub applied: Vec<Applied>,
    readers: Vec<Reader>,
    parked: BTreeMap<(OrderId, Version), OrderRecord>,
    cursors: BTreeMap<OrderId, Version>,
    rows: BTreeMap<OrderId, Delivery>,
    /// Delivery events that wait to be published.
    answers: VecDeque<DeliveryRecord>,
    orders: i64,
    now: i64,
    /// What is wrong with this mall.
    flaw: Option<Anomaly>,
    /// The order to which that has happened.
    pub victim: Option<OrderId>,
}

/// The flaws with which records are sent without a key, and those with which effects are not fenced.
const KEYLESS: [Anomaly; 5] = [
    Anomaly::SplitKey,
    Anomaly::Inversion,
    Anomaly::Skip,
    Anomaly::Orphan,
    Anomaly::Resurrection,
];

impl Mall {
    pub fn new(seed: u64, flaw: Option<Anomaly>) -> Self {
        let mut mall = Self {
            rng: Rng::with_seed(seed),
            journal: Vec::new(),
            log: Vec::new(),
            applied: Vec::new(),
            readers: Vec::new(),
            parked: BTreeMap::new(),
            cursors: BTreeMap::new(),
            rows: BTreeMap::new(),
            answers: VecDeque::new(),
            orders: 0,
            now: 1_749_697_512_000,
            flaw,
            victim: None,
        };
        let partitions = mall.rng.usize(1..4).max(if mall.is_keyless() { 2 } else { 1 });
        (0..partitions).for_each(|_| mall.grow());
        mall
    }

    fn is_keyless(&self) -> bool {
        self.flaw.is_some_and(|flaw| KEYLESS.contains(&flaw))
    }

    /// Whether events are applied as they come.
    fn is_unfenced(&self) -> bool {
        self.is_keyless() && self.flaw != Some(Anomaly::SplitKey)
    }

    fn has(&self, flaw: Anomaly) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether the flaw shows here and now, for the first time.
    fn strikes(&mut self, flaw: Anomaly, order: OrderId) -> bool {
        let strikes = self.has(flaw) && self.victim.is_none() && self.rng.u8(0..3) == 0;
        if strikes {
            self.victim = Some(order);
        }
        strikes
    }

    /// Does something, whatever it is.
    pub fn step(&mut self) {
        self.now += 7;
        match self.rng.u8(0..40) {
            0..8 => self.customer(),
            8..16 => self.relay(),
            16..30 => self.consume(),
            30..33 => self.commit(),
            33..37 => self.answer(),
            37 => self.take_over(),
            38 => self.crash(),
            // A repetition or a move to another partition would take the edge off some flaws.
            _ if matches!(self.flaw, None | Some(Anomaly::StuckPark)) && self.log.len() < 6 => self.grow(),
            _ => {}
        }
    }

    /// Lets everything that is under way come to its end.
    pub fn drain(&mut self) {
        while self.journal.iter().any(|written| !written.published) {
            self.relay();
        }
        while (0..self.log.len()).any(|partition| self.readers[partition].next < self.log[partition].len()) {
            self.consume();
        }
        while !self.answers.is_empty() {
            self.answer();
        }
        for partition in 0..self.log.len() {
            let end = self.log[partition].len();
            (self.readers[partition].next, self.readers[partition].committed) = (end, end);
        }
    }

    fn grow(&mut self) {
        self.log.push(Vec::new());
        self.readers.push(Reader {
            instance: 1,
            epoch: 1,
            next: 0,
            committed: 0,
            wrote: None,
            followed: Vec::new(),
        });
    }

    fn customer(&mut self) {
        let order = match self.orders {
            0 => 1,
            known if known < 12 && self.rng.u8(0..3) == 0 => known + 1,
            known => self.rng.i64(1..=known),
        };
        self.orders = self.orders.max(order);
        let order = OrderId(order);
        let last = self.journal.iter().rev().find(|written| written.order == order);
        let (version, event_type) = match last.map(|last| (last.version.next(), last.event_type)) {
            None => (Version(1), OrderEventType::Placed),
            Some((_, OrderEventType::Cancelled)) => return,
            Some((version, _)) if self.rng.u8(0..4) == 0 => (version, OrderEventType::Cancelled),
            Some((version, _)) => (version, OrderEventType::Modified),
        };
        self.journal.push(Written {
            order,
            version,
            event_type,
            fields: fields(order, version),
            hash: hash(order, version),
            at: Timestamp(self.now),
            published: false,
            inherited: false,
        });
    }

    /// Publishes some of what waits. A crash leaves a row unmarked, which is then published again.
    fn relay(&mut self) {
        let waiting = (0..self.journal.len()).filter(|row| !self.journal[*row].published);
        let mut waiting: Vec<usize> = waiting.take(4).collect();
        let crash = self.flaw.is_none() && self.rng.u8(0..6) == 0;
        if let [first, second, ..] = waiting[..] {
            let (one, two) = (self.journal[first].order, self.journal[second].order);
            if one == two && self.strikes(Anomaly::LogInversion, one) {
                waiting.swap(0, 1);
            }
        }
        for row in waiting {
            let written = self.journal[row].clone();
            let order = written.order;
            if !self.strikes(Anomaly::LostEvent, order) {
                self.publish(&written, written.hash);
            }
            if self.strikes(Anomaly::Divergent, order) {
                self.publish(&written, written.hash + 1);
            }
            let last = written.event_type == OrderEventType::Cancelled;
            if last && self.strikes(Anomaly::Phantom, order) {
                let mut forged = written.clone();
                forged.version = written.version.next();
                self.publish(&forged, 7);
            }
            if crash {
                return;
            }
            self.journal[row].published = true;
        }
    }

    fn publish(&mut self, written: &Written, hash: u64) {
        let place = self.end_for(written.order);
        let record = OrderRecord {
            order: written.order,
            version: Some(written.version),
            event_type: Some(written.event_type),
            hash,
            place,
            at: Timestamp(self.now),
        };
        self.log[place.partition.0 as usize].push(Record::Order(record));
    }

    fn end_for(&mut self, order: OrderId) -> PlaceInTopic {
        let partition = match self.is_keyless() {
            true => self.rng.usize(0..self.log.len()),
            false => order.0 as usize % self.log.len(),
        };
        PlaceInTopic {
            partition: Partition(partition as u32),
            offset: Offset(self.log[partition].len() as u64),
        }
    }

    fn consume(&mut self) {
        let partition = self.rng.usize(0..self.log.len());
        let next = self.readers[partition].next;
        let Some(record) = self.log[partition].get(next) else {
            return;
        };
        self.readers[partition].next += 1;
        if let Record::Order(record) = record {
            let record = record.clone();
            self.handle(&record);
        }
    }

    /// Does with a record what the fence lets happen.
    fn handle(&mut self, record: &OrderRecord) {
        let (order, version) = (record.order, record.version.expect("all have one"));
        let cursor = self.cursors.get(&order).copied().unwrap_or(Version(0));
        let last = record.event_type == Some(OrderEventType::Cancelled);
        if self.is_unfenced() {
            self.apply(record, cursor, true);
        } else if version <= cursor {
            if version == cursor && self.strikes(Anomaly::DoubleApply, order) {
                self.apply(record, cursor, true);
            }
        } else if version > cursor.next() {
            self.parked.insert((order, version), record.clone());
        } else if last && self.strikes(Anomaly::Unseen, order) {
            // Its instance dies, and the position was committed before.
        } else if !last && version > Version(1) && self.strikes(Anomaly::LostApply, order) {
            self.cursors.insert(order, version);
        } else {
            self.parked.remove(&(order, version));
            self.apply(record, cursor, true);
            if self.has(Anomaly::DoubleApply) && self.strikes(Anomaly::DoubleApply, order) {
                self.apply(record, version, true);
            }
            self.wake(order);
        }
    }

    /// Applies what was parked behind the last effect.
    fn wake(&mut self, order: OrderId) {
        loop {
            let cursor = self.cursors[&order];
            let key = (order, cursor.next());
            if !self.parked.contains_key(&key) || self.has(Anomaly::StuckPark) {
                return;
            }
            let record = self.parked.remove(&key).expect("it is parked");
            self.apply(&record, cursor, false);
        }
    }

    fn apply(&mut self, record: &OrderRecord, before: Version, from_log: bool) {
        let (order, version) = (record.order, record.version.expect("all have one"));
        let event_type = record.event_type.expect("all have one");
        let cancelled = event_type == OrderEventType::Cancelled;
        let (instance, epoch) = self.writer(record);
        let discarded = cancelled && self.strikes(Anomaly::Discarded, order);
        let broken = before > Version(0) && self.strikes(Anomaly::ChainBreak, order);
        let row = self.rows.entry(order).or_insert_with(|| Delivery {
            id: DeliveryId(order.0 + 100),
            order_id: Some(order),
            fields: OrderFields::default(),
            status: None,
            version: Version(0),
            events: Version(0),
        });
        let id = row.id;
        if !discarded {
            if !cancelled {
                row.fields = placed(&fields(order, version));
            }
            row.status = Some(event_type.delivery_status().to_owned());
            row.version = version;
            row.events = row.events.next();
        }
        let events = row.events;
        if cancelled && self.strikes(Anomaly::Divergence, order) {
            self.rows.entry(order).and_modify(|row| row.fields.qty = Some(-1));
        }
        self.applied.push(Applied {
            order,
            counter: self.applied.len() as i64 + 1,
            kind: if discarded {
                ApplyKind::Discarded
            } else {
                ApplyKind::Applied
            },
            version: Some(version),
            event_type: Some(event_type),
            delivery: Some(id),
            before: if broken { Version(before.0 - 1) } else { before },
            after: version,
            instance: format!("delivery-{instance}").into(),
            epoch: from_log.then_some(epoch),
            place: Some(record.place),
            at: Timestamp(self.now),
        });
        self.cursors.insert(order, version);
        let lost = discarded || self.strikes(Anomaly::OutLost, order);
        if !lost {
            self.answers.push_back(DeliveryRecord {
                order,
                delivery: id,
                version: events,
                event_type: event_type.delivery_event(),
                place: record.place,
                at: Timestamp(self.now),
            });
        }
    }

    /// Who writes the effect of a record, and under which assignment.
    fn writer(&mut self, record: &OrderRecord) -> (u32, u64) {
        let partition = record.place.partition.0 as usize;
        let reader = &self.readers[partition];
        let current = (reader.instance, reader.epoch);
        let zombie = reader
            .followed
            .last()
            .copied()
            .filter(|_| reader.wrote == Some(current));
        if let Some(zombie) = zombie
            && self.strikes(Anomaly::ZombieEffect, record.order)
        {
            return zombie;
        }
        let reader = &mut self.readers[partition];
        if let Some(before) = reader.wrote.replace(current)
            && before != current
        {
            reader.followed.push(before);
        }
        current
    }

    fn commit(&mut self) {
        let partition = self.rng.usize(0..self.readers.len());
        self.readers[partition].committed = self.readers[partition].next;
    }

    /// Another instance goes on where the last commit was.
    fn take_over(&mut self) {
        let partition = self.rng.usize(0..self.readers.len());
        let epoch = self.readers.iter().map(|reader| reader.epoch).max().unwrap_or(0) + 1;
        let reader = &mut self.readers[partition];
        (reader.instance, reader.epoch) = (reader.instance % 3 + 1, epoch);
        reader.next = reader.committed;
    }

    /// An instance begins again where its last commits were.
    fn crash(&mut self) {
        let instance = self.rng.u32(1..4);
        for reader in self.readers.iter_mut().filter(|reader| reader.instance == instance) {
            reader.next = reader.committed;
        }
    }

    /// Publishes a delivery event.
    fn answer(&mut self) {
        if self.answers.len() > 1
            && self.answers[0].delivery == self.answers[1].delivery
            && self.strikes(Anomaly::OutInversion, self.answers[0].order)
        {
            self.answers.swap(0, 1);
        }
        let Some(mut answer) = self.answers.pop_front() else {
            return;
        };
        let again = self.strikes(Anomaly::OutDup, answer.order) || self.flaw.is_none() && self.rng.u8(0..12) == 0;
        for _ in 0..=usize::from(again) {
            answer.place = PlaceInTopic {
                partition: Partition(0),
                offset: Offset(self.log[0].len() as u64),
            };
            self.log[0].push(Record::Delivery(answer.clone()));
        }
    }

    /// The rows of the journal that wait to be published.
    pub fn unpublished(&self) -> BTreeSet<(OrderId, Version)> {
        let waiting = self.journal.iter().filter(|written| !written.published);
        waiting.map(|written| (written.order, written.version)).collect()
    }

    pub fn parked(&self) -> Vec<Parked> {
        let parked = self.parked.values().map(|record| Parked {
            order: record.order,
            version: record.version.expect("all have one"),
            place: Some(record.place),
            at: record.at,
            waits: WaitsFor::Predecessors,
        });
        parked.collect()
    }

    pub fn rows(&self) -> Vec<Delivery> {
        self.rows.values().cloned().collect()
    }

    pub fn unpublished_deliveries(&self) -> BTreeSet<OrderId> {
        self.answers.iter().map(|answer| answer.order).collect()
    }

    pub fn partitions(&self) -> Vec<PartitionState> {
        let states = self
            .readers
            .iter()
            .enumerate()
            .map(|(partition, reader)| PartitionState {
                partition: Partition(partition as u32),
                start: Offset(0),
                end: Offset(self.log[partition].len() as u64),
                committed: Some(Offset(reader.committed as u64)),
                kept_since: None,
            });
        states.collect()
    }

    /// Everything that has happened, and what stands now.
    pub fn history(&self) -> History {
        let mut history = History {
            written: self.journal.clone(),
            applied: self.applied.clone(),
            deliveries: self.rows(),
            unpublished_deliveries: self.unpublished_deliveries(),
            parked: self.parked(),
            partitions: self.partitions(),
            ..History::default()
        };
        for record in self.log.iter().flatten() {
            match record {
                Record::Order(record) => history.topic.push(record.clone()),
                Record::Delivery(record) => history.delivery_records.push(record.clone()),
            }
        }
        history
    }
}

fn hash(order: OrderId, version: Version) -> u64 {
    (order.0 * 1000 + version.0) as u64
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

fn placed(fields: &OrderPatch) -> OrderFields {
    OrderFields {
        product_id: fields.product_id.clone().flatten(),
        product_name: fields.product_name.clone().flatten(),
        qty: fields.qty.flatten(),
        customer_id: fields.customer_id.flatten(),
        address: fields.address.clone().flatten(),
    }
}
