//! What a person decides in a scenario about what is parked, as `mall parked retry` and `mall parked discard` have it done.

use keylane_log::Timestamp;
use shop::domain::fence::Marked;
use shop::domain::{OrderId, Version};
use shop::parked;
use shop::store::{Result, Store};

use crate::world::Answer;

/// Has an order's first parked event handled once more. It is refused if nothing of the order is parked.
///
/// # Errors
/// The store's error, if it can't be asked or does not take the mark.
pub async fn retry(store: &dyn Store, order: OrderId, now: Timestamp) -> Result<Answer> {
    Ok(match parked::retry(store, order, now).await? {
        Some((_, marked)) => answer(marked, order, None),
        None => Answer::Refused(format!("nothing of order {order} is parked")),
    })
}

/// Has one version of an order passed over. It is refused if the version is neither parked nor waited for.
///
/// # Errors
/// The store's error, if it does not take the mark.
pub async fn discard(store: &dyn Store, order: OrderId, version: Version, now: Timestamp) -> Result<Answer> {
    let marked = parked::discard(store, order, version, now).await?;
    Ok(answer(marked, order, Some(version)))
}

fn answer(marked: Marked, order: OrderId, version: Option<Version>) -> Answer {
    let which = version.map(|version| format!(" v{version}")).unwrap_or_default();
    match marked {
        Marked::Parked(_) | Marked::Missing => Answer::Done,
        Marked::Passed => Answer::Refused(format!(
            "order {order}{which} has taken effect or was passed over before"
        )),
        Marked::NotThere => Answer::Refused(format!("order {order}{which} is not parked, and nothing waits for it")),
    }
}
