//! The wall clock. This function is the only place that reads it, apart from the adapters' own input and output; whatever
//! needs the time is given it.

use std::time::SystemTime;

use keylane_log::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
