//! The parts of the picture as they are sent: each is a delta of its own, and stands in the snapshot in the same shape.

use serde::Serialize;
use serde_json::Value;

/// What is looked at. It doesn't change while a gateway runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mall {
    /// The topic of order and delivery events.
    pub topic: String,
    /// The consumer group of the delivery instances.
    pub group: String,
    /// Which log it is: `embedded` or `kafka`.
    pub log: &'static str,
    /// Which database it is: `sqlite` or `mysql`.
    pub database: &'static str,
    /// Whether `mall up` runs this gateway.
    pub supervised: bool,
    /// Whether this gateway takes commands, or why not.
    pub commands: Acting,
}

/// What can be done through a gateway, beside reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acting {
    /// Everything.
    Open,
    /// Commands need the token; orders need none.
    Token,
    /// Only orders are taken: other machines reach the gateway, and no token was set for commands.
    NoToken,
    /// Only orders are taken: nobody runs this gateway who could do what commands say.
    Unsupervised,
    /// Nothing.
    ReadOnly,
}

/// A role that is known to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Role {
    /// The role's name, such as `delivery-1`.
    pub name: String,
    /// `order`, `delivery` or `gateway`.
    pub kind: &'static str,
    /// Where the role is; none if nobody tells.
    pub url: Option<String>,
    /// Whether the same `mall up` runs it that runs this gateway.
    pub supervised: bool,
    /// What it does.
    pub state: RoleState,
    /// The modes in which it works; none if it doesn't tell.
    pub modes: Option<Modes>,
    /// The name of its process in the apply history; none of a role that applies nothing.
    pub instance: Option<String>,
    /// The number of its process; none if it isn't known.
    pub pid: Option<u32>,
}

/// What a role does, as far as it is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleState {
    /// It serves.
    Serving,
    /// It has not been heard yet.
    Starting,
    /// It takes connections and answers nothing.
    Frozen,
    /// It finishes its work.
    Stopping,
    /// It has ended in good order.
    Stopped,
    /// It can't be reached any more.
    Away,
    /// The group or the journal's lease says that it is there, and its observations can't be reached.
    Unheard,
}

/// The modes of a role. The order service has a key alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Modes {
    /// The value of `--key`.
    pub key: &'static str,
    /// The value of `--guard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<&'static str>,
    /// The value of `--lanes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<usize>,
}

/// A partition of the topic, and how far the group has come in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// The partition's number.
    pub partition: u32,
    /// The first offset that is kept.
    pub start: u64,
    /// The next offset to be written.
    pub end: u64,
    /// The offset that the group has committed; none if it has committed none.
    pub committed: Option<u64>,
    /// How many records the group has not committed.
    pub lag: u64,
}

impl Partition {
    /// A partition with this extent, of which the group has committed so much.
    pub fn new(partition: u32, start: u64, end: u64, committed: Option<u64>) -> Self {
        Self {
            partition,
            start,
            end,
            committed,
            lag: end.saturating_sub(committed.unwrap_or(start).max(start)),
        }
    }
}

/// A record of the topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The record's partition.
    pub partition: u32,
    /// The record's offset.
    pub offset: u64,
    /// The record's time, in milliseconds since 1970.
    pub at: i64,
    /// The record's key; none if it has none.
    pub key: Option<String>,
    /// The order that it is about; none if it is no event of the mall.
    pub order: Option<i64>,
    /// The event's version; none if its producer doesn't number events.
    pub version: Option<i64>,
    /// The event's name, such as `OrderModified`.
    pub name: Option<String>,
    /// The delivery that it is about; none if it is an order's event.
    pub delivery: Option<i64>,
}

/// The topic got more partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// When that was seen, in milliseconds since 1970.
    pub at: i64,
    /// How many partitions there were.
    pub from: usize,
    /// How many there are since.
    pub to: usize,
    /// The ends of the old partitions then.
    pub ends: Vec<u64>,
}

/// The consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What the group is doing, in Kafka's words.
    pub state: String,
    /// The group's generation; none where the log doesn't tell.
    pub generation: Option<i64>,
    /// Its members.
    pub members: Vec<Member>,
}

/// A member of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The instance's name; of a foreign member its client id.
    pub name: String,
    /// The modes in which it works; none if it doesn't tell.
    pub modes: Option<Modes>,
    /// The partitions that it has.
    pub partitions: Vec<u32>,
    /// Why it has none; none if it has some, or they are being shared out.
    pub idle: Option<&'static str>,
}

/// What the order service wants of an order's delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// The status that the order's last event leads to.
    pub status: String,
    /// That event's version.
    pub version: i64,
}

/// The row of an order's delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actual {
    /// Its status.
    pub status: Option<String>,
    /// The highest version of the order that was applied to it.
    pub version: i64,
    /// The delivery's number.
    pub delivery: i64,
}

/// What was written about an order, beside what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The order.
    pub order: i64,
    /// What the order service wants; none of an order that it has never written.
    pub expected: Option<Expected>,
    /// The delivery's row; none if there is none.
    pub actual: Option<Actual>,
    /// Whether some event of the order is under way, so that the two may differ.
    pub in_flight: bool,
}

/// Whether order holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// What it comes to.
    pub state: Holds,
    /// How many orders were judged.
    pub orders: usize,
    /// How many of them were harmed.
    pub harm: usize,
    /// Of how many only hazards are known.
    pub hazards: usize,
    /// Whether events are under way, so that it may change by itself.
    pub under_way: bool,
    /// The newest verdicts, each as `mall verify --json` has it, in both languages.
    pub found: Vec<Value>,
    /// What can't be told.
    pub doubts: Vec<Value>,
}

/// What a verdict comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// Everything took effect once and in order.
    Ordered,
    /// Something did harm.
    Harm,
    /// It can't be told.
    Unknown,
    /// Everything is being looked at for the first time.
    Starting,
    /// What is judged can't be read.
    Away,
}

impl Verdict {
    /// Before anything was looked at.
    pub const STARTING: Self = Self {
        state: Holds::Starting,
        orders: 0,
        harm: 0,
        hazards: 0,
        under_way: false,
        found: Vec::new(),
        doubts: Vec::new(),
    };
}

/// How much happens in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Order events that were committed.
    pub committed: u64,
    /// Order events that were published.
    pub published: u64,
    /// Order events that took effect.
    pub applied: u64,
    /// How many records the group has not committed, in all partitions.
    pub lag: u64,
    /// Whether only what is seen of orders in trouble, or selected, is passed on.
    pub thinned: bool,
}

/// Something that can't be read at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Away {
    /// What: `log`, `database` or `verdict`.
    pub what: &'static str,
    /// Why.
    pub why: String,
}
