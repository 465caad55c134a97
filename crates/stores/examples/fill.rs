//! Fills a data folder with the history of many orders, to measure what reads all of it (`mall verify`, `mall doctor`):
//! `cargo run --release -p stores --example fill -- DIR ORDERS [keyless]`.
//!
//! Every order is placed and modified, and one in ten is cancelled. With `keyless` the records have no key, so every order
//! stands in two partitions, and of one order in a thousand the modification takes effect after the cancellation.
#![allow(missing_docs)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, Offset, Partition, Record, Timestamp, TopicPartition};
use shop::LogCalls;
use shop::domain::{
    Change, Condition, DeliveryRequest, IncomingEvent, OrderCommand, OrderEventType, OrderFields, OrderId,
    OrderOutcome, OrderPatch, OrderRequest, Place, Provenance, Source,
};
use shop::records::{self, Incoming};
use shop::relay::{KeyMode, Progress, Relay, RelayOptions};
use shop::store::Store;
use stores::sqlite::SqliteStore;

const TOPIC: &str = "kafka.scaling";
const GROUP: &str = "delivery";
const PARTITIONS: u32 = 2;
/// How many orders are placed, published and delivered together.
const CHUNK: u64 = 5000;
/// How many records are read from the log at a time.
const READ: usize = 1000;
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (key, folder, orders) = match &words[..] {
        [folder, orders] => (KeyMode::OrderId, folder, orders),
        [folder, orders, mode] if mode == "keyless" => (KeyMode::None, folder, orders),
        _ => return refuse("usage: fill DIR ORDERS [keyless]"),
    };
    let Ok(orders) = orders.parse() else {
        return refuse(&format!("ORDERS is a number, and not {orders:?}"));
    };
    match run(Path::new(folder), orders, key) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn run(folder: &Path, orders: u64, key: KeyMode) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut mall = Mall::open(folder, key)?;
        let mut placed = 0;
        while placed < orders {
            let chunk = CHUNK.min(orders - placed);
            mall.orders(chunk).await?;
            mall.deliver().await?;
            placed += chunk;
            eprint!("\r{placed} of {orders} orders");
        }
        eprintln!();
        mall.commit()
    })
}

/// Both services' databases, the log, and how far the delivery service has read it.
struct Mall {
    orders: Arc<SqliteStore>,
    deliveries: Arc<SqliteStore>,
    log: Arc<EmbeddedLog>,
    key: KeyMode,
    relays: [Relay; 2],
    next: Vec<Offset>,
}

impl Mall {
    fn open(folder: &Path, key: KeyMode) -> Result<Self, Failure> {
        let orders = Arc::new(SqliteStore::open(&folder.join("orders.db"), Source::Orders)?);
        let deliveries = Arc::new(SqliteStore::open(&folder.join("deliveries.db"), Source::Deliveries)?);
        let log = Arc::new(EmbeddedLog::open(folder, EmbeddedOptions::default())?);
        log.create_topic(TOPIC, PARTITIONS)?;
        let relays = [
            Relay::new(
                orders.clone(),
                LogCalls::blocking(log.clone()),
                options(Source::Orders, key),
            ),
            Relay::new(
                deliveries.clone(),
                LogCalls::blocking(log.clone()),
                options(Source::Deliveries, key),
            ),
        ];
        let next = vec![Offset(0); PARTITIONS as usize];
        Ok(Self {
            orders,
            deliveries,
            log,
            key,
            relays,
            next,
        })
    }

    /// Places orders, modifies all and cancels some, and publishes the events.
    async fn orders(&mut self, count: u64) -> Result<(), Failure> {
        let placed = self.command((0..count).map(|_| OrderCommand::Place(fields()))).await?;
        let ids = placed.iter().filter_map(|outcome| match outcome {
            OrderOutcome::Placed(order) => Some(order.id),
            _ => None,
        });
        let ids: Vec<OrderId> = ids.collect();
        self.command(ids.iter().map(|id| OrderCommand::Change(*id, moved(*id))))
            .await?;
        let cancelled = ids.iter().filter(|id| id.0 % 10 == 0);
        self.command(cancelled.map(|id| OrderCommand::Cancel(*id))).await?;
        publish(&mut self.relays[0]).await
    }

    async fn command(&self, commands: impl Iterator<Item = OrderCommand>) -> Result<Vec<OrderOutcome>, Failure> {
        let batch: Vec<OrderRequest> = commands
            .map(|command| OrderRequest {
                command,
                condition: Condition::default(),
                traceparent: Some(TRACE.to_owned()),
            })
            .collect();
        Ok(self.orders.run_orders(&batch, now()).await?)
    }

    /// Applies the order events that have come, and publishes the delivery events.
    async fn deliver(&mut self) -> Result<(), Failure> {
        let mut requests = Vec::new();
        for partition in 0..self.next.len() {
            self.read(partition, &mut requests)?;
        }
        requests.sort_by_key(|request| (request.event.order_id, self.place_in_sequence(&request.event)));
        self.deliveries.run_deliveries(&requests, now()).await?;
        publish(&mut self.relays[1]).await
    }

    fn read(&mut self, partition: usize, requests: &mut Vec<DeliveryRequest>) -> Result<(), Failure> {
        let from = TopicPartition::new(TOPIC, Partition(u32::try_from(partition)?));
        loop {
            let records = self.log.read(&from, self.next[partition], READ)?;
            let Some(last) = records.last() else { return Ok(()) };
            self.next[partition] = last.offset.next();
            requests.extend(records.iter().filter_map(request));
        }
    }

    /// When an event takes effect among those of its order: by its version. Without keys there are orders whose cancellation
    /// overtakes the modification before it.
    fn place_in_sequence(&self, event: &IncomingEvent) -> i64 {
        let version = 2 * event.version.map_or(0, |version| version.0);
        let overtakes =
            self.key == KeyMode::None && event.event_type == OrderEventType::Cancelled && event.order_id.0 % 1000 == 0;
        version - if overtakes { 3 } else { 0 }
    }

    /// Notes that the group has read everything.
    fn commit(&self) -> Result<(), Failure> {
        let extents = self.log.extents(TOPIC)?;
        let ends = (0..).zip(extents);
        let ends = ends.map(|(number, extent)| (TopicPartition::new(TOPIC, Partition(number)), extent.end));
        Ok(self.log.reset_group(GROUP, &ends.collect())?)
    }
}

fn options(source: Source, key: KeyMode) -> RelayOptions {
    RelayOptions {
        source,
        topic: TOPIC.to_owned(),
        key,
        holder: "fill".to_owned(),
        idle_poll: Duration::from_millis(25),
        gather: Duration::ZERO,
        clock: now,
    }
}

async fn publish(relay: &mut Relay) -> Result<(), Failure> {
    while let Progress::Published(_) = relay.step().await? {}
    Ok(())
}

fn request(record: &Record) -> Option<DeliveryRequest> {
    let Incoming::Order(event) = records::incoming(record) else {
        return None;
    };
    Some(DeliveryRequest {
        event,
        traceparent: records::trace_of(record),
        provenance: Provenance {
            instance: "fill/1".into(),
            epoch: Some(1),
            place: Some(Place::of(record)),
        },
    })
}

fn fields() -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        qty: Some(3),
        customer_id: Some(2000),
        address: Some("PUSAN".into()),
    }
}

fn moved(order: OrderId) -> Change {
    Change::Merge(OrderPatch {
        address: Some(Some(format!("SEOUL {order}"))),
        ..OrderPatch::default()
    })
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
