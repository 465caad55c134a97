//! Consumer groups as their observers list and change them.

use std::fmt;

/// A group as it stands in a list of all groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// The group's name.
    pub name: String,
    /// How the group shares out its partitions.
    pub kind: GroupKind,
    /// What the group is doing.
    pub state: GroupState,
}

/// Who shares out the partitions of a group, in Kafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// The members themselves.
    Classic,
    /// The broker that coordinates the group (KIP-848).
    Consumer,
    /// The log used a word that this adapter does not know.
    Unknown,
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Classic => "Classic",
            Self::Consumer => "Consumer",
            Self::Unknown => "Unknown",
        })
    }
}

/// What a group is doing, in Kafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// The group has no members.
    Empty,
    /// Every member has its share of the partitions.
    Stable,
    /// The members are being asked to give their partitions back.
    PreparingRebalance,
    /// The partitions are being shared out.
    CompletingRebalance,
    /// The log used a word that this adapter does not know.
    Unknown,
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Empty => "Empty",
            Self::Stable => "Stable",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Unknown => "Unknown",
        })
    }
}

/// Why the committed offset of a partition was not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsetKept {
    /// There is no such partition.
    NoPartition,
    /// A member of the group reads the topic.
    Subscribed,
    /// Another reason, as a sentence.
    Other(String),
}
