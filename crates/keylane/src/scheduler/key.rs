//! The names of lanes.

use bytes::Bytes;
use keylane_log::TopicPartition;

/// Names a lane: records with equal lane keys must not overtake each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey(Name);

/// What the lane is of. Records with one key share the lane even if they come from several partitions, as they do after
/// a topic has grown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    /// A key of at most [`SHORT`] bytes, and zeros behind it.
    Short(u8, [u8; SHORT]),
    /// A longer key, in memory of its own.
    Long(Bytes),
    Partition(TopicPartition),
    Instance,
}

/// How long a key may be that needs no memory beside its name.
const SHORT: usize = 30;

impl LaneKey {
    /// All records that this instance reads.
    pub(crate) const INSTANCE: Self = Self(Name::Instance);

    /// The records with the key that the handler named.
    pub(crate) fn key(key: &[u8]) -> Self {
        Self(if key.len() <= SHORT {
            let mut short = [0; SHORT];
            short[..key.len()].copy_from_slice(key);
            Name::Short(key.len() as u8, short)
        } else {
            Name::Long(Bytes::copy_from_slice(key))
        })
    }

    /// Whether the name may have memory of its own, or keep a topic's name in memory.
    pub(super) fn is_long(&self) -> bool {
        !matches!(self.0, Name::Short(..) | Name::Instance)
    }

    /// The records of a partition for which the handler named no key, or all of its records in that mode.
    pub(crate) fn partition(partition: TopicPartition) -> Self {
        Self(Name::Partition(partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_equal_exactly_if_what_they_name_is() {
        let long = [1; SHORT + 1];
        let keys = [&long[..0], &[0], &[0, 0], &[1], &long[..SHORT], &long, &[1; SHORT + 2]];
        let of_partition = LaneKey::partition(TopicPartition::new("orders", keylane_log::Partition(0)));
        let names = || {
            keys.iter()
                .map(|key| LaneKey::key(key))
                .chain([of_partition.clone(), LaneKey::INSTANCE])
        };
        for (at, one) in names().enumerate() {
            assert_eq!(names().position(|other| other == one), Some(at));
        }
    }
}
