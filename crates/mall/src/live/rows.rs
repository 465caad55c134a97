//! Looks at the rows of the orders that are shown: what the order service wants beside what the delivery service has, and who
//! publishes the orders' journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use shop::domain::{EventType, OrderId, Source};
use shop::relay::lease_name;
use shop::store::{Store, StoreError};
use tokio::runtime::Runtime;
use web::live::{Actual, Expected};

use super::gathering::{Gathering, lock};
use crate::adapters::look_into_store;
use crate::clock;
use crate::modes::Publisher;
use crate::runtime;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(150);
/// The pause between two looks at the lease.
const LEASE_PAUSE: Duration = Duration::from_secs(1);
/// The pause after something went wrong.
const AWAY: Duration = Duration::from_secs(1);

/// Looks until nobody wants that any more.
pub fn follow(gathering: &Gathering) {
    while gathering.goes_on() {
        if let Err(error) = look_on(gathering) {
            gathering.note_away("database", Some(format!("{error:#}")));
            gathering.pause(AWAY);
        }
    }
}

/// The databases of both services.
struct Rows {
    runtime: Runtime,
    orders: Arc<dyn Store>,
    deliveries: Arc<dyn Store>,
}

/// Opens the databases, and looks until they are away or nobody wants to know.
fn look_on(gathering: &Gathering) -> Result<()> {
    let rows = Rows::open(gathering)?;
    let mut leased = None;
    while gathering.goes_on() {
        if leased.is_none_or(|leased: Instant| leased.elapsed() >= LEASE_PAUSE) {
            leased = Some(Instant::now());
            let relay = rows.relay()?;
            lock(&gathering.finding).relay(relay);
        }
        let stale = gathering
            .session
            .tell(|picture| picture.take_stale())
            .unwrap_or_default();
        for (at, order) in stale.iter().enumerate() {
            match rows.of(OrderId(*order)) {
                Ok((expected, actual)) => {
                    gathering.session.tell(|picture| picture.row(*order, expected, actual));
                }
                Err(error) => {
                    gathering
                        .session
                        .tell(|picture| stale[at..].iter().for_each(|order| picture.look_again(*order)));
                    return Err(error);
                }
            }
        }
        gathering.note_away("database", None);
        gathering.pause(PAUSE);
    }
    Ok(())
}

impl Rows {
    fn open(gathering: &Gathering) -> Result<Self> {
        let runtime = runtime::on_this_thread()?;
        let storage = &gathering.sight.storage;
        let open = |source| runtime.block_on(look_into_store(storage, source)).map_err(unread);
        let (orders, deliveries) = (open(Source::Orders)?, open(Source::Deliveries)?);
        Ok(Self {
            runtime,
            orders,
            deliveries,
        })
    }

    /// Who publishes the orders' journal.
    fn relay(&self) -> Result<Option<Publisher>> {
        let name = lease_name(Source::Orders);
        let holder = self.runtime.block_on(self.orders.lease_holder(&name, clock::now()));
        Ok(holder.map_err(unread)?.map(|holder| Publisher::parse(&holder)))
    }

    /// What is wanted of an order's delivery, and its row. If there are several, the last one is shown.
    fn of(&self, order: OrderId) -> Result<(Option<Expected>, Option<Actual>)> {
        // What is wanted is read last: a row that is ahead of it would look wrong.
        let rows = self
            .runtime
            .block_on(self.deliveries.deliveries_of(order))
            .map_err(unread)?;
        let events = self.runtime.block_on(self.orders.order_events(order)).map_err(unread)?;
        let expected = events.last().and_then(|entry| match entry.event_type {
            EventType::Order(kind) => Some(Expected {
                status: kind.delivery_status().to_owned(),
                version: entry.version.0,
            }),
            EventType::Delivery(_) => None,
        });
        let actual = rows.into_iter().next_back().map(|row| Actual {
            status: row.status,
            version: row.version.0,
            delivery: row.id.0,
        });
        Ok((expected, actual))
    }
}

fn unread(error: StoreError) -> anyhow::Error {
    anyhow!("the rows can't be read: {error}")
}
