//! Who applied a version of an order: what the apply history says, for the lines that tell why an event came too late or in
//! vain.
//!
//! # Invariants
//! * Nothing depends on the answer: if the database is slow, or is asked too often, the line simply doesn't say who it was.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::domain::decide::ApplyKind;
use crate::domain::{OrderId, Place, Version};
use crate::lines::Allowance;
use crate::store::Store;
use crate::text;
use crate::text::Text;

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

/// What the apply history says of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applier {
    /// The instance, as people know it.
    pub instance: Text,
    /// Where the record stands that it applied, if that record was read from the log.
    pub place: Option<Place>,
    /// Whether the version took effect or was passed over.
    pub kind: ApplyKind,
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
            instance: match *instance == self.name {
                true => text!("this instance", "이 인스턴스"),
                false => member(instance).into(),
            },
            place: apply.provenance.place,
            kind: apply.kind,
        })
    }
}

/// The name that people know an instance by: the history's without the number of the process behind it.
pub(super) fn member(instance: &str) -> &str {
    match instance.rsplit_once('/') {
        Some((name, process)) if !name.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => instance,
    }
}

impl Applier {
    /// `delivery-2 from P0@5`
    pub fn named(&self) -> Text {
        let instance = self.instance.clone();
        match &self.place {
            Some(Place { partition, offset, .. }) => {
                instance + text!(" from P{partition}@{offset}", ", P{partition}@{offset}")
            }
            None => instance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::member;

    #[test]
    fn people_know_instances_by_name() {
        assert_eq!(member("delivery-1/4711"), "delivery-1");
        assert_eq!(member("shop/east/12"), "shop/east");
        for whole in ["delivery-1", "a/b", "/12", ""] {
            assert_eq!(member(whole), whole);
        }
    }
}
