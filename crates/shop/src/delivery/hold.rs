//! A place in the handling of an event where a scenario can make an instance stop: behind its slow work and before its write.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::domain::IncomingEvent;

/// Ends once the held event may go on.
pub type Held = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who may hold events before their writes: nobody by default.
#[derive(Clone, Default)]
pub struct Hold(Option<Arc<HoldEvent>>);

type HoldEvent = dyn Fn(&IncomingEvent) -> Held + Send + Sync;

impl Hold {
    /// Has `hold` called with each event before its write; the write waits for the future that it returns.
    pub fn by(hold: impl Fn(&IncomingEvent) -> Held + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hold)))
    }

    /// Waits for as long as somebody holds the event.
    pub(super) async fn pass(&self, event: &IncomingEvent) {
        if let Some(hold) = &self.0 {
            hold(event).await;
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Hold(somebody)"
        } else {
            "Hold(nobody)"
        })
    }
}
