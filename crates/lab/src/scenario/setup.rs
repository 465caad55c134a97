//! How the mall of a scenario is set up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::names::Role;
use super::words::{Span, words};

/// One matter of how the mall is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Partitions of the topic at the start.
    Partitions(u32),
    /// Delivery instances at the start.
    Deliveries(u32),
    /// Order services at the start, each with a relay, on one database.
    Relays(u32),
    /// Key of the events.
    Key(KeyMode),
    /// The delivery service's fence.
    Guard(Guard),
    /// Orders that an instance handles at once.
    Lanes(usize),
    /// How long the slow work of a modification takes.
    ModifyDelay(Duration),
    /// After how long of silence an instance counts as dead.
    SessionTimeout(Duration),
    /// How long a version that can't come any more is waited for.
    GapDeadline(Duration),
    /// Who handles the order events.
    Consumer(Consumer),
    /// How the group shares its partitions.
    Assignor(Assignor),
    /// How far a role's clock is ahead of the true time, in milliseconds; negative if it is behind.
    Clock(Role, i64),
}

/// How the mall of one run is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Partitions of the topic at the start: at least 1.
    pub partitions: u32,
    /// Delivery instances at the start: `delivery-1` and so on.
    pub deliveries: u32,
    /// Order services at the start, each with a relay, on one database: `order`, `order-2` and so on.
    pub relays: u32,
    /// Key of the events.
    pub key: KeyMode,
    /// The delivery service's fence.
    pub guard: Guard,
    /// Orders that an instance handles at once: at least 1.
    pub lanes: usize,
    /// How long the slow work of a modification takes.
    pub modify_delay: Duration,
    /// After how long of silence an instance counts as dead.
    pub session_timeout: Duration,
    /// How long a version that can't come any more is waited for before the order service is asked for it.
    pub gap_deadline: Duration,
    /// Who handles the order events.
    pub consumer: Consumer,
    /// How the group shares its partitions.
    pub assignor: Assignor,
    /// Roles whose clocks go wrong, and how far they are ahead in milliseconds.
    pub clocks: BTreeMap<Role, i64>,
}

/// Key of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// The order's number.
    OrderId,
    /// None: the partitions take turns.
    None,
}

/// The delivery service's fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// An event takes effect once and in its order.
    Version,
    /// Events take effect as they come.
    Off,
}

/// Who handles the order events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// The delivery instances that ship.
    Keylane,
    /// A naive one instead: it commits a record's offset before it does the work.
    CommitFirst,
    /// A naive one instead: it starts a task for each record and commits the highest offset that is done.
    TaskPerRecord,
    /// A naive one instead: it reads a partition without a committed offset from its end.
    LatestReset,
    /// A naive one instead: when a partition is taken away, it goes on with what it has of it in work or in its memory.
    NoDrain,
    /// A naive one instead: of two events, that with the later timestamp wins.
    NewestTimestamp,
}

/// How the group shares its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Each join moves only what has to move.
    CooperativeSticky,
    /// Each join takes everything from everybody.
    Range,
    /// The same, with partitions dealt in turn.
    RoundRobin,
    /// The brokers assign (KIP-848).
    Broker,
}

impl Setup {
    /// The settings that are not as in another setup, each with the other's.
    pub fn differences(&self, other: &Self) -> Vec<(Setting, Setting)> {
        let pairs = self.settings().into_iter().zip(other.settings());
        let clocks = self.clocks.keys().chain(other.clocks.keys()).copied();
        let roles: BTreeSet<Role> = clocks.collect();
        let ahead =
            |setup: &Self, role: Role| Setting::Clock(role, setup.clocks.get(&role).copied().unwrap_or_default());
        let clocks = roles.into_iter().map(|role| (ahead(self, role), ahead(other, role)));
        pairs.chain(clocks).filter(|(one, other)| one != other).collect()
    }

    /// Every matter but the clocks.
    fn settings(&self) -> [Setting; 11] {
        [
            Setting::Partitions(self.partitions),
            Setting::Deliveries(self.deliveries),
            Setting::Relays(self.relays),
            Setting::Key(self.key),
            Setting::Guard(self.guard),
            Setting::Lanes(self.lanes),
            Setting::ModifyDelay(self.modify_delay),
            Setting::SessionTimeout(self.session_timeout),
            Setting::GapDeadline(self.gap_deadline),
            Setting::Consumer(self.consumer),
            Setting::Assignor(self.assignor),
        ]
    }

    /// Sets one matter.
    pub(super) fn apply(&mut self, setting: &Setting) {
        match setting {
            Setting::Partitions(count) => self.partitions = *count,
            Setting::Deliveries(count) => self.deliveries = *count,
            Setting::Relays(count) => self.relays = *count,
            Setting::Key(key) => self.key = *key,
            Setting::Guard(guard) => self.guard = *guard,
            Setting::Lanes(lanes) => self.lanes = *lanes,
            Setting::ModifyDelay(time) => self.modify_delay = *time,
            Setting::SessionTimeout(time) => self.session_timeout = *time,
            Setting::GapDeadline(time) => self.gap_deadline = *time,
            Setting::Consumer(consumer) => self.consumer = *consumer,
            Setting::Assignor(assignor) => self.assignor = *assignor,
            Setting::Clock(role, ahead) => {
                self.clocks.insert(*role, *ahead);
            }
        }
    }
}

/// As the mall starts by itself, but for the slow work, which lasts a second: `hold` makes it last as long as a scenario needs.
impl Default for Setup {
    fn default() -> Self {
        Self {
            partitions: 1,
            deliveries: 1,
            relays: 1,
            key: KeyMode::OrderId,
            guard: Guard::Version,
            lanes: 64,
            modify_delay: Duration::from_secs(1),
            session_timeout: Duration::from_secs(10),
            gap_deadline: Duration::from_secs(60),
            consumer: Consumer::Keylane,
            assignor: Assignor::CooperativeSticky,
            clocks: BTreeMap::new(),
        }
    }
}

words!(KeyMode { KeyMode::OrderId = "order-id", KeyMode::None = "none" });
words!(Guard { Guard::Version = "version", Guard::Off = "off" });
words!(Consumer {
    Consumer::Keylane = "keylane",
    Consumer::CommitFirst = "commit-first",
    Consumer::TaskPerRecord = "task-per-record",
    Consumer::LatestReset = "latest-reset",
    Consumer::NoDrain = "no-drain",
    Consumer::NewestTimestamp = "newest-timestamp",
});
words!(Assignor {
    Assignor::CooperativeSticky = "cooperative-sticky",
    Assignor::Range = "range",
    Assignor::RoundRobin = "roundrobin",
    Assignor::Broker = "broker",
});

/// The line of the file, such as `clock delivery-1 +1h`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions(count) => write!(f, "partitions {count}"),
            Self::Deliveries(count) => write!(f, "deliveries {count}"),
            Self::Relays(count) => write!(f, "relays {count}"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Guard(guard) => write!(f, "guard {guard}"),
            Self::Lanes(lanes) => write!(f, "lanes {lanes}"),
            Self::ModifyDelay(time) => write!(f, "modify-delay {}", Span(*time)),
            Self::SessionTimeout(time) => write!(f, "session-timeout {}", Span(*time)),
            Self::GapDeadline(time) => write!(f, "gap-deadline {}", Span(*time)),
            Self::Consumer(consumer) => write!(f, "consumer {consumer}"),
            Self::Assignor(assignor) => write!(f, "assignor {assignor}"),
            Self::Clock(role, ahead) => {
                let sign = if *ahead < 0 { '-' } else { '+' };
                write!(
                    f,
                    "clock {role} {sign}{}",
                    Span(Duration::from_millis(ahead.unsigned_abs()))
                )
            }
        }
    }
}
