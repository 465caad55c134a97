//! What can be done to a mall.
//!
//! Customers place, modify and cancel orders; somebody else than the mall's own relay may write records; gates hold work where
//! it has to stop; roles are started, frozen and killed; the topic changes. An action is done at once, and never waits for
//! what comes of it.

use std::fmt;
use std::time::Duration;

use keylane_log::Partition;
use shop::domain::{EventType, OrderEventType};

use super::names::{EventName, Journal, Name, Role, Spot};
use super::setup::{Guard, KeyMode};
use super::words::{Quoted, Span, words};

/// Something that is done to the mall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A customer sends a request to the order service.
    Request(Request),
    /// Somebody other than the relay publishes an event of the journal: writes the record, and marks the row as published, so
    /// that the relay doesn't publish it, unless it has already.
    Publish {
        /// Which event.
        event: EventName,
        /// How the record is written.
        by: Producer,
    },
    /// An event of the journal is marked as published, and no record is written: what is left when somebody commits first and
    /// sends afterwards, and crashes in between.
    Lose(EventName),
    /// Somebody writes a record of an order event that stands in no journal.
    Forge {
        /// The order and the version that it claims.
        event: EventName,
        /// What it says.
        says: Forged,
        /// How the record is written.
        by: Producer,
    },
    /// From now on work stops at this gate.
    Hold(Gate),
    /// What stopped at this gate goes on, and nothing stops there any more.
    Release(Gate),
    /// Something happens to a process.
    Process(Role, Deed),
    /// The topic gets more partitions: so many in all. It is done once each relay that runs counts them too.
    Grow(u32),
    /// The records before this one are removed, as retention does.
    Truncate(Spot),
    /// The group's position is set, so that it reads this record next. No instance may be running.
    Seek(Spot),
    /// The topic takes no records above so many bytes; none: as many as by default.
    Limit(Option<u32>),
    /// A person has what is parked of an order tried again.
    Retry(Name),
    /// A person has a parked event passed over.
    Discard(EventName),
}

/// A customer's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The order's name. `place` gives it.
    pub order: Name,
    /// What is asked for.
    pub wish: Wish,
    /// The version that the order must have (`If-Match`); none if any will do.
    pub if_version: Option<i64>,
    /// The order service that is asked; none means the first one that runs.
    pub via: Option<Role>,
}

/// What a customer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// An order. What isn't named is customer 2000, product RADIO, qty 3, address PUSAN.
    Place(Fields),
    /// Other values of some fields.
    Modify(Fields),
    /// No delivery.
    Cancel,
}

/// Fields of an order that are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// The customer's number.
    pub customer: Option<i64>,
    /// The product's name. Its code is 100, whatever its name.
    pub product: Option<String>,
    /// How many pieces are ordered.
    pub qty: Option<i32>,
    /// The address to deliver to.
    pub address: Option<String>,
}

/// What a forged record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forged {
    /// An event. Fields that are not named are those that an order is placed with by default.
    Event(OrderEventType, Fields),
    /// An event that nobody can read: a modification whose quantity is a word.
    Unreadable,
}

/// How a record is written by somebody other than the relay: by default as the relay would, with the key of the setup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Producer {
    /// The record's key; none means as the setup has it.
    pub key: Option<Key>,
    /// What chooses the partition.
    pub choice: Choice,
}

/// A record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The order's number in digits.
    Plain,
    /// No key.
    None,
    /// A key of no bytes.
    Empty,
    /// The number in quotes: `"7"`.
    Quoted,
    /// The number with leading zeros, three digits long: `007`.
    Padded,
    /// The number as four bytes, the highest first.
    Binary,
}

/// What chooses the partition of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The hash of the key, as everywhere in the mall: murmur2. Without a key, the partitions take turns.
    #[default]
    Murmur2,
    /// Another hash of the key, librdkafka's default: CRC32.
    Crc32,
    /// Murmur2, by a producer that still counts so many partitions.
    Assuming(u32),
    /// The producer itself.
    To(Partition),
}

/// A place where work can be made to stop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// In the slow work for an event: behind the look whether it is its turn, and before its write. An instance without a
    /// fence, or of a naive consumer, stops before its write. An event that needs no slow work by itself stops there too.
    Work {
        /// Which event.
        event: EventName,
        /// The only instance that stops; none means each.
        within: Option<Role>,
    },
    /// In a relay: what it has read from its journal isn't sent yet.
    BeforeSend {
        /// Whose journal the relay publishes.
        of: Journal,
        /// The only process that stops; none means each.
        within: Option<Role>,
    },
    /// In a relay: what the log has acknowledged isn't marked as published yet.
    BeforeMark {
        /// Whose journal the relay publishes.
        of: Journal,
        /// The only process that stops; none means each.
        within: Option<Role>,
    },
    /// In a delivery instance: before offsets are committed.
    Commit {
        /// The only instance that stops; none means each.
        within: Option<Role>,
    },
}

/// What happens to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It stands still (SIGSTOP): no beat, no poll, no work.
    Freeze,
    /// It goes on where it stood (SIGCONT).
    Wake,
    /// It is gone at once (SIGKILL).
    Kill,
    /// It ends in good order (SIGTERM).
    Stop,
    /// It is started: again after it ended, or as a new one.
    Start(Differently),
}

/// What a process is started with, where it differs from the setup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Differently {
    /// The key of its events.
    pub key: Option<KeyMode>,
    /// The fence.
    pub guard: Option<Guard>,
    /// Orders that it handles at once.
    pub lanes: Option<usize>,
    /// How long the slow work of a modification takes.
    pub modify_delay: Option<Duration>,
    /// Whether it may join others that work in other modes.
    pub mixed: bool,
}

impl Fields {
    /// The names of the fields in files.
    pub const NAMES: &[&str] = &["customer", "product", "qty", "address"];
}

impl Gate {
    /// The only process that stops there; none if each does.
    pub fn within(&self) -> Option<Role> {
        match self {
            Self::Work { within, .. }
            | Self::BeforeSend { within, .. }
            | Self::BeforeMark { within, .. }
            | Self::Commit { within } => *within,
        }
    }
}

words!(Key {
    Key::Plain = "plain",
    Key::None = "none",
    Key::Empty = "empty",
    Key::Quoted = "quoted",
    Key::Padded = "padded",
    Key::Binary = "binary",
});

/// The line of the file.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(request) => request.fmt(f),
            Self::Publish { event, by } => write!(f, "publish {event}{by}"),
            Self::Lose(event) => write!(f, "lose {event}"),
            Self::Forge { event, says, by } => write!(f, "forge {event} {says}{by}"),
            Self::Hold(gate) => write!(f, "hold {gate}"),
            Self::Release(gate) => write!(f, "release {gate}"),
            Self::Process(role, deed) => match deed {
                Deed::Freeze => write!(f, "freeze {role}"),
                Deed::Wake => write!(f, "wake {role}"),
                Deed::Kill => write!(f, "kill {role}"),
                Deed::Stop => write!(f, "stop {role}"),
                Deed::Start(with) => write!(f, "start {role}{with}"),
            },
            Self::Grow(partitions) => write!(f, "grow {partitions}"),
            Self::Truncate(spot) => write!(f, "truncate {spot}"),
            Self::Seek(spot) => write!(f, "seek {spot}"),
            Self::Limit(Some(bytes)) => write!(f, "limit {bytes}"),
            Self::Limit(None) => f.write_str("limit none"),
            Self::Retry(order) => write!(f, "retry {order}"),
            Self::Discard(event) => write!(f, "discard {event}"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wish {
            Wish::Place(fields) => write!(f, "place {}{fields}", self.order)?,
            Wish::Modify(fields) => write!(f, "modify {}{fields}", self.order)?,
            Wish::Cancel => write!(f, "cancel {}", self.order)?,
        }
        if let Some(version) = self.if_version {
            write!(f, " if v{version}")?;
        }
        within(f, "via", self.via)
    }
}

/// With a blank before each.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(customer) = self.customer {
            write!(f, " customer={customer}")?;
        }
        if let Some(product) = &self.product {
            write!(f, " product={}", Quoted(product))?;
        }
        if let Some(qty) = self.qty {
            write!(f, " qty={qty}")?;
        }
        if let Some(address) = &self.address {
            write!(f, " address={}", Quoted(address))?;
        }
        Ok(())
    }
}

impl fmt::Display for Forged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(name, fields) => write!(f, "{}{fields}", EventType::Order(*name).name()),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}

/// With a blank before each part.
impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key {
            write!(f, " key {key}")?;
        }
        match self.choice {
            Choice::Murmur2 => Ok(()),
            Choice::Crc32 => f.write_str(" partitioner crc32"),
            Choice::Assuming(partitions) => write!(f, " assuming {partitions}"),
            Choice::To(partition) => write!(f, " to P{partition}"),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relay = |of: &Journal| match of {
            Journal::Orders => "relay",
            Journal::Deliveries => "delivery-relay",
        };
        match self {
            Self::Work { event, .. } => write!(f, "{event}")?,
            Self::BeforeSend { of, .. } => f.write_str(relay(of))?,
            Self::BeforeMark { of, .. } => write!(f, "{} before mark", relay(of))?,
            Self::Commit { .. } => f.write_str("commit")?,
        }
        within(f, "in", self.within())
    }
}

/// With a blank before each part.
impl fmt::Display for Differently {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key {
            write!(f, " key {key}")?;
        }
        if let Some(guard) = self.guard {
            write!(f, " guard {guard}")?;
        }
        if let Some(lanes) = self.lanes {
            write!(f, " lanes {lanes}")?;
        }
        if let Some(time) = self.modify_delay {
            write!(f, " modify-delay {}", Span(time))?;
        }
        f.write_str(if self.mixed { " mixed" } else { "" })
    }
}

fn within(f: &mut fmt::Formatter<'_>, how: &str, role: Option<Role>) -> fmt::Result {
    role.map_or(Ok(()), |role| write!(f, " {how} {role}"))
}
