//! How far a group is behind, partition by partition.

use keylane_log::{EventLog, LogError, Offset, Partition, Timestamp, TopicPartition};

/// How far a group is behind in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: Partition,
    /// How many records are kept there that the group has not committed.
    pub records: u64,
    /// The timestamp of the first of these records; none if there is none.
    pub oldest: Option<Timestamp>,
}

/// Asks the log how far a group is behind. The call blocks; of each partition that is behind, one record is read.
///
/// # Errors
/// The error that the log answered with.
pub fn of(log: &dyn EventLog, group: &str, topic: &str) -> Result<Vec<Lag>, LogError> {
    // Committed offsets are asked for first, so that commits made meanwhile only make the lag look larger than it is.
    let committed = log.committed(group, topic)?;
    let extents = log.extents(topic)?;
    let lag = |(number, extent): (u32, &keylane_log::Extent)| {
        let partition = Partition(number);
        let committed = committed.get(number as usize).copied().flatten();
        let from = committed.unwrap_or(extent.start).max(extent.start);
        let records = extent.end.0.saturating_sub(from.0);
        let oldest = match records {
            0 => None,
            _ => oldest(log, &TopicPartition::new(topic, partition), from)?,
        };
        Ok(Lag {
            partition,
            records,
            oldest,
        })
    };
    (0..).zip(&extents).map(lag).collect()
}

fn oldest(log: &dyn EventLog, partition: &TopicPartition, from: Offset) -> Result<Option<Timestamp>, LogError> {
    let first = log.read(partition, from, 1)?;
    Ok(first.first().map(|record| record.timestamp))
}
