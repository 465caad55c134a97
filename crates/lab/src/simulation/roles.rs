//! What simulated processes are made of: the services that ship, put together as the roles put them together.

use std::sync::Arc;
use std::time::Duration;

use keylane::{Handler, Runner};
use keylane_log::{LogError, Subscription};
use observe::Observer;
use shop::LogCalls;
use shop::commit::GroupCommit;
use shop::delivery::{DeliveryMetrics, Hold, Instance, ModifyDelay, OrderJournal};
use shop::domain::{OrderOutcome, OrderRequest, Source};
use shop::relay::{self, RelayOptions};
use shop::service::{self, Delivering, DeliveringOptions, Service};
use shop::store::Store;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gates::{Gates, Grant, Point, Side};
use super::process::{Process, wall_clock};
use super::troubled::{Trouble, Troubled};
use super::watch::{Watch, Watched};
use crate::scenario::{Guard, KeyMode, Setup};

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
    let consumer = Box::new(Troubled::new(consumer, trouble.clone()));
    let (service, delivering, runner) = process.make(|| {
        let service = start_service(ground, setup, Source::Deliveries, &instance);
        let described = describe(setup, instance.clone());
        let options = delivering_options(setup);
        let (delivering, lanes) = Delivering::start(&service, &options, described, journal, &ground.stop);
        let handler = Watched::new(lanes.handler, instance, watch.clone());
        let runner = Runner::new(consumer, handler, lanes.options, Handle::current(), Instant::now());
        (service, delivering, runner)
    });
    let (gates, stop) = (ground.gates.clone(), ground.stop.clone());
    process.spawn(async move {
        poll(runner, gates, stop, trouble).await;
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
        Observer::none(),
    )
}

fn describe(setup: &Setup, name: Arc<str>) -> Instance {
    Instance {
        name,
        group: GROUP.into(),
        delay: ModifyDelay {
            time: setup.modify_delay,
            customer: None,
        },
        clock: wall_clock,
        metrics: Arc::new(DeliveryMetrics::default()),
        observer: Observer::none(),
        hold: Hold::default(),
    }
}

fn delivering_options(setup: &Setup) -> DeliveringOptions {
    DeliveringOptions {
        topic: TOPIC.to_owned(),
        guard: match setup.guard {
            Guard::Version => service::Guard::Version,
            Guard::Off => service::Guard::Off,
        },
        lanes: setup.lanes,
        gap_deadline: setup.gap_deadline,
        drain: DRAIN,
    }
}

/// Takes the steps of a runner, one whenever the gate is opened, until the process is to end or the runner can't go on.
async fn poll<H: Handler>(mut runner: Runner<H>, gates: Gates, stop: CancellationToken, trouble: Trouble) {
    while !stop.is_cancelled() {
        trouble.set(gates.pass(POLL).await);
        if runner.step(Instant::now(), Duration::ZERO).is_err() {
            return;
        }
        trouble.set(Grant::Go);
    }
    runner.begin_close(Instant::now());
    while runner.close_step(Instant::now(), Duration::ZERO).is_none() {
        gates.pass(POLL).await;
    }
}
