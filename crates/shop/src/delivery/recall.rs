//! Who applied a version of an order: what the apply history says, for the lines that tell why an event came too late or in
//! vain.
//!
//! # Invariants
//! * Nothing depends on the answer: if the database is slow, or is asked too often, the line simply doesn't say who it was.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use observe::Applier;

use crate::domain::decide::ApplyKind;
use crate::domain::{OrderId, Version};
use crate::lines::Allowance;
use crate::observed::words::{member, place};
use crate::store::Store;

/// How often the history is asked in a second. What comes faster is counted and not told line by line.
const EACH_SECOND: u32 = 10;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Asks the apply history for an instance.
pub(super) struct Recall {
    store: Arc<dyn Store>,
    /// The name under which the history knows this instance.
    name: Arc<str>,
    allowance: Mutex<Allowance>,
}

impl Recall {
    pub fn new(store: Arc<dyn Store>, name: Arc<str>) -> Self {
        Self {
            store,
            name,
            allowance: Mutex::new(Allowance::new(EACH_SECOND)),
        }
    }

    /// Who applied this version; none if that is not known, was too long ago, or was asked for too often.
    pub async fn applier(&self, order: OrderId, version: Version) -> Option<Applier> {
        let allowance = || self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        if !allowance().take(Instant::now()) {
            return None;
        }
        let asked = timeout(PATIENCE, self.store.recent_apply(order, version)).await;
        let apply = asked.ok()?.ok()??.apply;
        let instance = &apply.provenance.instance;
        Some(Applier {
            instance: member(instance).to_owned(),
            own: *instance == self.name,
            place: apply.provenance.place.as_ref().map(place),
            discarded: apply.kind == ApplyKind::Discarded,
        })
    }
}
