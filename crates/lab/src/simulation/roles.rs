//! What simulated processes are made of: the services that ship, put together as the roles put them together.

use std::sync::Arc;
use std::time::Duration;

use keylane::{Handler, Runner};
use keylane_log::{LogError, Subscription};
use observe::Observer;
use shop::LogCalls;
use shop::commit::GroupCommit;
use shop::delivery::{DeliveryMetrics, Instance, ModifyDelay, OrderJournal};
use shop::domain::{OrderOutcome, OrderRequest, Source};
use shop::relay::{self, RelayOptions};
use shop::service::{self, Delivering, DeliveringOptions, Service};
use shop::store::Store;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gates::{Gates, Grant, Point, Side};
use super::holds::{Holding, Holds};
use super::process::{Process, wall_clock};
use super::troubled::{Trouble, Troubled};
use super::watch::{Watch, Watched};
use crate::naive::{Habit, Naive};
use crate::scenario::{Guard, KeyMode, Role, Setup};

/// The topic of a simulated mall.
pub const TOPIC: &str = "kafka.scaling";
/// The consumer group of its delivery instances.
pub const GROUP: &str = "delivery";
/// How long an instance may drain a partition that it has to give back, and a process may take to end.
const DRAIN: Duration = Duration::from_secs(5);
/// Where the polling thread of an instance waits before each of its steps.
pub const POLL: Point = Point {
    call: "poll",
    side: Side::Turn,
};

/// What a process stands on.
pub struct Ground {
    /// The service's database, behind gates.
    pub store: Arc<dyn Store>,
    /// The log as this process has it open, behind gates.
    pub log: LogCalls,
    /// The process' gates.
    pub gates: Gates,
    /// Asks the process to end in good order.
    pub stop: CancellationToken,
    /// Which process it is.
    pub role: Role,
    /// What a scenario holds.
    pub holds: Holds,
    /// Gets what happens in the process.
    pub observer: Observer,
    /// Counts what the delivery instances do, all together.
    pub metrics: Arc<DeliveryMetrics>,
}

/// What customers send their commands to.
pub type Orders = GroupCommit<OrderRequest, OrderOutcome>;

/// Starts an order service with its relay. No other process has the name `holder`.
pub fn start_order(process: &mut Process, ground: &Ground, setup: &Setup, holder: &str) -> Orders {
    let (service, orders) = process.make(|| {
        let service = start_service(ground, setup, Source::Orders, holder);
        let orders = service.order_commit();
        (service, orders)
    });
    let (stop, commits) = (ground.stop.clone(), orders.clone());
    process.spawn(async move {
        stop.cancelled().await;
        commits.close().await;
        service.finish().await;
    });
    orders
}

/// Starts a delivery instance. No other process has the name `instance`; `member` is what the group calls it.
///
/// # Errors
/// Those of joining the group.
pub fn start_delivery(
    process: &mut Process,
    ground: &Ground,
    setup: &Setup,
    (member, instance): (String, Arc<str>),
    journal: OrderJournal,
    watch: &Watch,
) -> Result<(), LogError> {
    let subscription = Subscription {
        group: GROUP.to_owned(),
        topics: vec![TOPIC.to_owned()],
        member,
        note: String::new(),
        session_timeout: setup.session_timeout,
        drain_timeout: DRAIN,
    };
    let trouble = Trouble::default();
    let consumer = process.make(|| ground.log.log().subscribe(&subscription))?;
    let consumer = Watched::new(consumer, instance.clone(), watch.clone());
    let consumer = Box::new(Holding {
        inner: Troubled::new(consumer, trouble.clone()),
        holds: ground.holds.clone(),
        role: ground.role,
    });
    let (service, delivering, reading) = process.make(|| {
        let service = start_service(ground, setup, Source::Deliveries, &instance);
        let described = describe(ground, setup, instance.clone());
        let options = delivering_options(setup);
        let (delivering, lanes) = Delivering::start(&service, &options, described, journal, &ground.stop);
        let handler = Watched::new(lanes.handler, instance, watch.clone());
        let reading = match Habit::of(setup.consumer) {
            Some(habit) => {
                let group = (ground.log.log().clone(), GROUP);
                Reading::Naive(Naive::new(consumer, handler, habit, group, lanes.options.listener))
            }
            None => {
                let now = Instant::now();
                Reading::Keylane(Box::new(Runner::new(
                    consumer,
                    handler,
                    lanes.options,
                    Handle::current(),
                    now,
                )))
            }
        };
        (service, delivering, reading)
    });
    let (gates, stop) = (ground.gates.clone(), ground.stop.clone());
    process.spawn(async move {
        poll(reading, gates, stop, trouble).await;
        delivering.finish().await;
        service.finish().await;
    });
    Ok(())
}

fn start_service(ground: &Ground, setup: &Setup, source: Source, holder: &str) -> Service {
    let key = match setup.key {
        KeyMode::OrderId => relay::KeyMode::OrderId,
        KeyMode::None => relay::KeyMode::None,
    };
    let options = RelayOptions::usual(source, TOPIC.to_owned(), key, holder.to_owned(), wall_clock);
    Service::start(
        ground.store.clone(),
        ground.log.clone(),
        options,
        DRAIN,
        ground.observer.clone(),
    )
}

fn describe(ground: &Ground, setup: &Setup, name: Arc<str>) -> Instance {
    Instance {
        name,
        group: GROUP.into(),
        letters: shop::delivery::DEAD_LETTERS.into(),
        delay: ModifyDelay {
            time: setup.modify_delay,
            customer: None,
        },
        clock: wall_clock,
        metrics: ground.metrics.clone(),
        observer: ground.observer.clone(),
        hold: ground.holds.on_work(ground.role),
    }
}

fn delivering_options(setup: &Setup) -> DeliveringOptions {
    DeliveringOptions {
        topic: TOPIC.to_owned(),
        guard: match (setup.guard, Habit::of(setup.consumer)) {
            (Guard::Version, None) => service::Guard::Version,
            // A naive consumer knows of no fence.
            (Guard::Off, _) | (_, Some(_)) => service::Guard::Off,
        },
        lanes: setup.lanes,
        gap_deadline: setup.gap_deadline,
        drain: DRAIN,
    }
}

/// Who reads the topic.
enum Reading<H: Handler> {
    /// The runner that ships.
    Keylane(Box<Runner<H>>),
    /// A naive consumer.
    Naive(Naive<H>),
}

impl<H: Handler> Reading<H> {
    /// Whether it can go on.
    fn step(&mut self) -> bool {
        match self {
            Self::Keylane(runner) => runner.step(Instant::now(), Duration::ZERO).is_ok(),
            Self::Naive(naive) => naive.step().is_ok(),
        }
    }

    /// Whether it has left its group, or can't.
    fn close_step(&mut self) -> bool {
        match self {
            Self::Keylane(runner) => runner.close_step(Instant::now(), Duration::ZERO).is_some(),
            Self::Naive(naive) => naive.close_step().unwrap_or(true),
        }
    }
}

/// Takes the steps of a reader, one whenever the gate is opened, until the process is to end or the reader can't go on.
async fn poll<H: Handler>(mut reading: Reading<H>, gates: Gates, stop: CancellationToken, trouble: Trouble) {
    while !stop.is_cancelled() {
        trouble.set(gates.pass(POLL).await);
        if !reading.step() {
            return;
        }
        trouble.set(Grant::Go);
    }
    if let Reading::Keylane(runner) = &mut reading {
        runner.begin_close(Instant::now());
    }
    while !reading.close_step() {
        gates.pass(POLL).await;
    }
}
