//! The order service's commits, as observations.

use keylane_log::Timestamp;
use observe::{Event, Observer, What};

use crate::domain::{EventType, OrderCommand, OrderEventType, OrderId, OrderOutcome, OrderRequest, Version};
use crate::store::{self, Store};

/// Runs a batch of order commands on the store, and lets the observer know of each event that was committed.
///
/// # Errors
/// The store's own error. Of a batch whose outcome is unknown nothing is observed, even if it was committed.
pub async fn run_orders(
    store: &dyn Store,
    batch: &[OrderRequest],
    now: Timestamp,
    observer: &Observer,
) -> store::Result<Vec<OrderOutcome>> {
    let outcomes = store.run_orders(batch, now).await?;
    for (request, outcome) in batch.iter().zip(&outcomes) {
        if let Some(event) = committed(&request.command, outcome) {
            observer.emit(now.0, What::Committed { event });
        }
    }
    Ok(outcomes)
}

/// The event that a command has led to, if it has.
fn committed(command: &OrderCommand, outcome: &OrderOutcome) -> Option<Event> {
    use OrderEventType::{Cancelled, Modified, Placed};
    let (event_type, OrderId(order), Version(version)) = match (outcome, command) {
        (OrderOutcome::Placed(order), _) => (Placed, order.id, order.version),
        (OrderOutcome::Changed(order), _) => (Modified, order.id, order.version),
        (OrderOutcome::Cancelled(version), OrderCommand::Cancel(order)) => (Cancelled, *order, *version),
        _ => return None,
    };
    Some(Event {
        order,
        delivery: None,
        version: Some(version),
        name: Some(EventType::Order(event_type).name().into()),
    })
}
