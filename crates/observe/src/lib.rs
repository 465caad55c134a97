//! One vocabulary of what happens in a mall: plain data, which every role and every world of the lab speaks.
//!
//! ```text
//!   role ── emit ─▶ Observer: the last 4096 ─┬─▶ Reader ─▶ GET /observations
//!                     lossy, with a count    └─▶ Reader ─▶ the lab
//!   log lines, narration, pages: renderings of the same observations
//! ```
//!
//! An observation as JSON has `seq`, `at`, `who`, `what`, and what that one tells:
//! ```json
//! {"seq":9,"at":1749697512193,"who":"delivery-1","what":"finished","event":{"order":2,"version":2,"name":"OrderModified"},
//!  "place":{"partition":1,"offset":7},"epoch":1,"took":10010000,"ending":"applied","delivery":2,"status":"DELIVERY MODIFIED"}
//! ```
//!
//! # Invariants
//! * There is no clock, no input or output and no task in here: whoever observes something says when it happened, and
//!   readers ask when they want to know more.
//! * Numbers are those of the mall: an offset is a record's own; a position is the offset of the *next* record.
//! * Names are stable: words in kebab case, which files and pages may hold for years.

mod observer;
mod what;

pub use observer::{Batch, Observer, Reader};
pub use what::{Applier, Assignment, Before, Effect, Ending, Event, Place, Reason, Turn, What, Worker};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Something that has happened, when, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Counts the observations of one observer from 1. A gap says that some were missed.
    pub seq: u64,
    /// When it happened, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// The role or instance that saw it, such as `order` or `delivery-1`.
    pub who: Arc<str>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}
