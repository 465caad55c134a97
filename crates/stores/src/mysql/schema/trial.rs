//! Tries on temporary tables everything that a service does with its database server.
//!
//! A temporary table hides the real table with its name from its own session, so the service's own statements can be run, and
//! what they write is gone with the session.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keylane_log::Timestamp;
use tokio::time::Instant;

use super::super::address::Address;
use super::super::session::{Ending, Session};
use super::super::sessions::CALL_DEADLINE;
use super::super::{deliveries, fence, journal, lease, orders};
use super::lock::try_lock;
use super::state::missing;
use super::{plan, rights, tables};
use shop::domain::fence::FenceCommand;
use shop::domain::{
    Condition, DeliveryRequest, IncomingEvent, OrderCommand, OrderEventType, OrderFields, OrderId, OrderOutcome,
    OrderPatch, OrderRequest, Provenance, Source, Version,
};
use shop::store::{Result, StoreError};

/// The result of a trial in which no statement failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// The server does all that the service needs, and the service's tables exist.
    Ready,
    /// The server does all that the service needs. These tables are missing or not up to date; the service prepares them when
    /// it starts.
    Unmade(Vec<&'static str>),
    /// The tables exist, and the account may use them. More could not be tried, as it may not create temporary tables.
    Untried,
    /// The database is missing or can't be used, for this reason. A service creates it when it starts, if its account may.
    NoDatabase(String),
}

pub(super) async fn run(address: &Address, source: Source) -> Result<Trial> {
    let deadline = Instant::now() + CALL_DEADLINE;
    let mut session = match Session::open(address, true, Ending::Commit, deadline).await {
        Ok(session) => session,
        Err(StoreError::Broken(why)) => {
            // Logging in without the database fails if the server is the trouble.
            Session::open(address, false, Ending::Auto, deadline).await?;
            return Ok(Trial::NoDatabase(why));
        }
        Err(error) => return Err(error),
    };
    session.allow(CALL_DEADLINE);
    // Only that the lock can be asked for matters here, not whether another process holds it.
    try_lock(&mut session).await?;
    let unmade = missing(&mut session, source).await?;
    if unmade.is_empty() {
        rights::check(&mut session, address, source).await?;
    }
    for table in tables::of(source) {
        session.allow(CALL_DEADLINE);
        let made = plan::create(table, 1).replacen("create table", "create temporary table", 1);
        if !session.execute_if_allowed(made).await? {
            return match unmade.is_empty() {
                true => Ok(Trial::Untried),
                false => Err(rights::to_change(&mut session, unmade[0], "create table").await?),
            };
        }
    }
    session.allow(CALL_DEADLINE);
    match source {
        Source::Orders => of_orders(&mut session).await?,
        Source::Deliveries => of_deliveries(&mut session).await?,
    }
    Ok(match unmade.is_empty() {
        true => Trial::Ready,
        false => Trial::Unmade(unmade),
    })
}

async fn of_orders(session: &mut Session) -> Result<()> {
    let asked = |command| OrderRequest {
        command,
        traceparent: None,
        condition: Condition::default(),
    };
    let fields = OrderFields {
        product_id: Some("100".into()),
        product_name: Some("라디오".into()),
        qty: Some(1),
        customer_id: Some(1),
        address: Some("부산".into()),
    };
    let placed = orders::run(session, &[asked(OrderCommand::Place(fields))], now()).await?;
    let Some(OrderOutcome::Placed(order)) = placed.first() else {
        return Err(StoreError::Broken("a new order is not numbered".to_owned()));
    };
    orders::run(session, &[asked(OrderCommand::Cancel(order.id))], now()).await?;
    of_both(session, Source::Orders).await
}

async fn of_deliveries(session: &mut Session) -> Result<()> {
    let event = IncomingEvent {
        order_id: OrderId(1),
        version: Some(Version(1)),
        event_type: OrderEventType::Placed,
        fields: OrderPatch::default(),
    };
    let request = DeliveryRequest {
        event,
        traceparent: None,
        provenance: Provenance::default(),
    };
    deliveries::run(session, &[request], now()).await?;
    let resume = FenceCommand::Resume {
        order_id: OrderId(2),
        holder: Arc::from("a trial"),
    };
    fence::run(session, &[resume], now()).await?;
    of_both(session, Source::Deliveries).await
}

async fn of_both(session: &mut Session, source: Source) -> Result<()> {
    let waiting = journal::unpublished(session, source, 0, 10).await?;
    let ids: Vec<i64> = waiting.iter().map(|entry| entry.id).collect();
    journal::mark_published(session, source, &ids).await?;
    lease::take(session, "a trial", "a trial", Duration::from_secs(1), now()).await?;
    session.commit().await
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
