//! What scenarios call the things of a mall: orders, events, processes, places.

use std::fmt;

use keylane_log::{Offset, Partition};

/// The name of an order in a scenario: a capital letter, and then capital letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub String);

/// A process of the mall, named as in its observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// An order service with its relay, counted from 1: `order`, `order-2`.
    Order(u32),
    /// A delivery instance, counted from 1: `delivery-1`.
    Delivery(u32),
}

/// An event, by its order's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventName {
    /// The order.
    pub order: Name,
    /// Whose journal it stands in.
    pub of: Journal,
    /// Its number among the events of its order, or of its delivery.
    pub version: i64,
}

/// One of the two journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Journal {
    /// The order service's: events of orders.
    Orders,
    /// The delivery service's: events of deliveries.
    Deliveries,
}

/// A place in the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The partition.
    pub partition: Partition,
    /// The offset in it.
    pub offset: Offset,
}

impl Role {
    /// Reads `order`, `order-2` or `delivery-1`.
    pub fn named(word: &str) -> Option<Self> {
        if word == "order" {
            return Some(Self::Order(1));
        }
        let (kind, number) = word.rsplit_once('-')?;
        let number = number.parse().ok().filter(|n| (1..=99).contains(n))?;
        let role = match kind {
            "order" => Self::Order(number),
            "delivery" => Self::Delivery(number),
            _ => return None,
        };
        (role.to_string() == word).then_some(role)
    }
}

impl Name {
    /// Reads a name.
    pub fn named(word: &str) -> Option<Self> {
        let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
        (word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(good) && !is_version(word))
            .then(|| Self(word.to_owned()))
    }
}

/// A word like `P0` would read as a partition.
fn is_version(word: &str) -> bool {
    word.strip_prefix('P')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(1) => f.pad("order"),
            Self::Order(number) => f.pad(&format!("order-{number}")),
            Self::Delivery(number) => f.pad(&format!("delivery-{number}")),
        }
    }
}

/// `KIM v2`, `KIM delivery v2`
impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            Journal::Orders => "",
            Journal::Deliveries => "delivery ",
        };
        write!(f, "{} {of}v{}", self.order, self.version)
    }
}

/// `P0@3`
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}@{}", self.partition, self.offset)
    }
}
