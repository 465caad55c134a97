//! Gathers what the live page shows, while somebody looks at it.
//!
//! ```text
//!   keeper: waits until somebody listens ─▶ starts the others ─▶ nobody for 30 s? ─▶ stops them, and waits again
//!
//!   hearing  one for each role   /observations ──────────────┐
//!   topic    tail, extents, committed positions ─────────────┤
//!   members  the group ──────────────────────────────────────┼─▶ Session of web::live
//!   rows     expected and actual, of orders that are shown ──┤
//!   verdict  as mall verify --watch ─────────────────────────┘
//! ```
//! Which roles there are, [`finding`] says: the crew of this `mall up`, the members of the group, and the order service.
//!
//! # Invariants
//! * Nothing is read while nobody listens, and all of it on threads of its own, as reading blocks.
//! * What is away is told, and looked for again until it is back. It keeps nobody from what is there.
//! * Only the order service's own address, the crew's, the loopback and the address that the gateway listens on are connected to,
//!   whatever a member of the group says.

mod finding;
mod gathering;
mod hearing;
mod members;
mod rows;
mod topic;
mod verdict;

pub use gathering::Sight;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use web::live::Live;

use crate::supervised::Link;

use gathering::{Gathering, lock};

/// The pause between two looks at what was told.
const PAUSE: Duration = Duration::from_millis(100);
/// For how long what the roles had seen before anybody listened is collected, to be told in the order in which it happened.
const COLLECTING: Duration = Duration::from_millis(600);
/// What follows a part of the mall until the gathering ends.
type Follow = fn(&Gathering);
/// All of these, each with the name of its thread.
const PARTS: [(&str, Follow); 4] = [
    ("live-topic", topic::follow),
    ("live-members", members::follow),
    ("live-rows", rows::follow),
    ("live-verdict", verdict::follow),
];

/// Gathers whenever somebody listens, for as long as the process lives.
///
/// # Errors
/// There is no thread for it.
pub fn keep(live: Live, sight: Sight) -> std::io::Result<()> {
    start("live", move || {
        loop {
            live.wait_for_listener();
            let gathering = Arc::new(Gathering::of(&sight, live.session()));
            gathering.run(&live);
            live.end();
        }
    })
}

/// Starts a thread.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map(drop)
}

impl Gathering {
    /// Gathers until nobody listens any more.
    fn run(self: &Arc<Self>, live: &Live) {
        for (name, follow) in PARTS {
            let gathering = self.clone();
            if let Err(error) = start(name, move || follow(&gathering)) {
                self.note_away(name, Some(format!("there is no thread for it: {error}")));
            }
        }
        let begun = Instant::now();
        while live.is_wanted() {
            self.find();
            if begun.elapsed() >= COLLECTING {
                self.tell_past();
            }
            self.session.pass_on();
            thread::sleep(PAUSE);
        }
        self.stop.store(true, Relaxed);
    }

    /// Looks who is there, and listens to everybody who is not listened to.
    fn find(self: &Arc<Self>) {
        let crew = Link::of_this_process().map(|link| link.crew().borrow().clone());
        let places = {
            let mut finding = lock(&self.finding);
            finding.crew(crew.unwrap_or_default());
            finding.places()
        };
        self.tell_roles();
        for place in places {
            if !lock(&self.heard).insert(place.clone()) {
                continue;
            }
            let gathering = self.clone();
            let (name, at) = place.clone();
            if start("live-hearing", move || hearing::follow(&gathering, &name, &at)).is_err() {
                lock(&self.heard).remove(&place);
            }
        }
    }
}
