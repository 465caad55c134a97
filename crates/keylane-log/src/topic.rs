//! Topics, as they are asked for and as a log shows them.

use std::collections::BTreeMap;

use crate::record::Partition;

/// A topic that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// The topic's name.
    pub name: String,
    /// How many partitions the topic gets; `None` for the log's default.
    pub partitions: Option<u32>,
    /// How many copies of each partition there are; `None` for the log's default.
    pub copies: Option<u16>,
    /// The nodes that keep each partition, the preferred leader first. If there are any, they decide the numbers of
    /// partitions and copies.
    pub placement: Vec<Vec<i32>>,
    /// Settings that differ from the log's defaults, by Kafka's names.
    pub settings: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with so many partitions, everything else being the log's default.
    pub fn new(name: impl Into<String>, partitions: u32) -> Self {
        Self {
            name: name.into(),
            partitions: Some(partitions),
            copies: None,
            placement: Vec::new(),
            settings: BTreeMap::new(),
        }
    }
}

/// A topic and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// The topic's name.
    pub name: String,
    /// Whether the log itself keeps its own data there.
    pub internal: bool,
    /// The topic's partitions in order.
    pub partitions: Vec<PartitionInfo>,
}

/// Which nodes keep a partition. On the embedded log it is always node 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// The partition's number.
    pub partition: Partition,
    /// The node that leads the partition; `None` if there is none at the moment.
    pub leader: Option<i32>,
    /// The nodes that hold a copy of the partition.
    pub replicas: Vec<i32>,
    /// The nodes whose copies are in sync.
    pub isr: Vec<i32>,
}
