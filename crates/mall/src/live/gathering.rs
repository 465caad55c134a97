//! What the threads that gather share: what is looked at, who was found, what is away, the log, and the session that is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use keylane_log::EventLog;
use observe::Observation;
use web::BaseUrl;
use web::live::{Acting, Away, Live, Mall, Session};

use super::finding::Finding;
use crate::adapters::log::open_existing_log;
use crate::clock;
use crate::config::{RoleOptions, Storage};
use crate::supervised::Link;

/// How long a pause is at most until it is looked whether the gathering goes on.
const PAUSE: Duration = Duration::from_millis(100);
/// How many such observations are told of each role, and in all.
const REMEMBERED: usize = 400;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Sight {
    pub storage: Storage,
    pub topic: String,
    pub group: String,
    pub order: BaseUrl,
    /// The address that the gateway listens on.
    listen: IpAddr,
}

/// Gathers for a while.
pub struct Gathering {
    pub sight: Sight,
    pub session: Session,
    /// Set when it is to end.
    pub stop: Arc<AtomicBool>,
    /// When it began, in milliseconds since 1970.
    pub begun: i64,
    pub finding: Mutex<Finding>,
    away: Mutex<BTreeMap<&'static str, String>>,
    log: Mutex<Option<Arc<dyn EventLog>>>,
    /// What each role had seen before; none once that was told.
    past: Mutex<Option<BTreeMap<String, VecDeque<Observation>>>>,
    /// The roles that are being heard.
    pub heard: Mutex<BTreeSet<(String, String)>>,
}

impl Sight {
    /// What a gateway with these options looks at.
    pub fn of(options: &RoleOptions) -> Self {
        Self {
            storage: options.storage.clone(),
            topic: options.topic.clone(),
            group: options.group.clone(),
            order: options.order_url(),
            listen: options.listen,
        }
    }

    /// The live picture of this, of which nothing is gathered yet.
    pub fn picture(&self, commands: Acting) -> Live {
        let (kafka, mysql) = (
            self.storage.bootstrap_server.is_some(),
            self.storage.database_url.is_some(),
        );
        let mall = Mall {
            topic: self.topic.clone(),
            group: self.group.clone(),
            log: if kafka { "kafka" } else { "embedded" },
            database: if mysql { "mysql" } else { "sqlite" },
            supervised: Link::of_this_process().is_some(),
            commands,
        };
        Live::of(mall, || clock::now().0)
    }
}

impl Gathering {
    /// Has gathered nothing yet.
    pub fn of(sight: &Sight, session: Session) -> Self {
        Self {
            sight: sight.clone(),
            session,
            stop: Arc::default(),
            begun: clock::now().0,
            finding: Mutex::new(Finding::new(sight.order.clone(), sight.listen)),
            away: Mutex::default(),
            log: Mutex::default(),
            past: Mutex::new(Some(BTreeMap::new())),
            heard: Mutex::default(),
        }
    }

    /// Tells which roles there are.
    pub fn tell_roles(&self) {
        let roles = lock(&self.finding).roles();
        self.session.tell(|picture| picture.roles(roles));
    }

    /// Tells what the roles had seen before, in the order in which it happened.
    pub fn tell_past(&self) {
        let Some(past) = lock(&self.past).take() else { return };
        let mut past: Vec<Observation> = past.into_values().flatten().collect();
        past.sort_by_key(|seen| seen.at);
        let surplus = past.len().saturating_sub(REMEMBERED);
        self.session
            .tell(|picture| past[surplus..].iter().for_each(|seen| picture.remembered(seen)));
    }

    /// Keeps what a role had seen before anybody listened, if there is still time for that.
    pub fn remember(&self, name: &str, seen: Observation) {
        if let Some(past) = &mut *lock(&self.past) {
            let of_role = past.entry(name.to_owned()).or_default();
            of_role.push_back(seen);
            if of_role.len() > REMEMBERED {
                of_role.pop_front();
            }
        }
    }

    /// Notes that something can't be read, and why; none if it can.
    pub fn note_away(&self, what: &'static str, why: Option<String>) {
        let mut away = lock(&self.away);
        let before = match &why {
            Some(why) => away.insert(what, why.clone()),
            None => away.remove(what),
        };
        if before == why {
            return;
        }
        let all = away.iter().map(|(what, why)| Away { what, why: why.clone() });
        let all = all.collect();
        self.session.tell(|picture| picture.away(all));
    }

    /// The log, opened when it is first asked for. After an error it is opened anew.
    pub fn log(&self) -> anyhow::Result<Arc<dyn EventLog>> {
        let mut log = lock(&self.log);
        if let Some(log) = &*log {
            return Ok(log.clone());
        }
        let opened = open_existing_log(&self.sight.storage)?;
        *log = Some(opened.clone());
        Ok(opened)
    }

    /// Closes the log if it is a file, which may have been replaced. A client of Kafka finds its brokers again by itself.
    pub fn give_up_log(&self) {
        if self.sight.storage.bootstrap_server.is_none() {
            *lock(&self.log) = None;
        }
    }

    /// Whether somebody still wants to know.
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Relaxed)
    }

    /// Waits so long, or until it is to end.
    pub fn pause(&self, time: Duration) {
        let begun = Instant::now();
        while self.goes_on() && begun.elapsed() < time {
            thread::sleep(PAUSE.min(time.saturating_sub(begun.elapsed())));
        }
    }
}

/// What a mutex guards, also if a thread has panicked meanwhile.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
