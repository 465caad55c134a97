//! Tells whether records stand where Java's partitioner puts their keys, and if not, why.

use keylane_log::Partition;
use keylane_log::partitioner::partition_of;

/// The highest number of partitions that a topic is suspected to have had before it grew.
const MOST_SUSPECTED: u32 = 256;

/// A single reason for which all misplaced records stand where they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explanation {
    /// They stand where the same partitioner puts them in a topic of this many partitions: the topic has grown since.
    Grown(u32),
    /// They stand where librdkafka's own partitioner (CRC32) puts them: the producers' partitioners differ.
    Crc32,
}

/// Counts misplaced records, and keeps the reasons that still explain all of them.
pub(super) struct Placement {
    partitions: u32,
    misplaced: u64,
    /// The numbers of partitions, fewer than now, that explain all of them so far.
    fewer: Vec<u32>,
    /// Whether librdkafka's own partitioner explains all of them so far.
    crc32: bool,
}

impl Placement {
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions,
            misplaced: 0,
            fewer: (1..partitions.min(MOST_SUSPECTED + 1)).collect(),
            crc32: true,
        }
    }

    /// The partition where the key belongs, if that is another one.
    pub fn misplaced(&mut self, key: &[u8], partition: Partition) -> Option<Partition> {
        let home = partition_of(key, self.partitions);
        if home == partition {
            return None;
        }
        self.misplaced += 1;
        self.fewer.retain(|fewer| partition_of(key, *fewer) == partition);
        self.crc32 &= crc32(key) % self.partitions == partition.0;
        Some(home)
    }

    /// The reason that explains all misplaced records. Among several numbers of partitions the largest is the likeliest.
    pub fn explanation(&self) -> Option<Explanation> {
        if self.misplaced == 0 {
            return None;
        }
        let grown = self.fewer.last().map(|fewer| Explanation::Grown(*fewer));
        grown.or(self.crc32.then_some(Explanation::Crc32))
    }
}

/// CRC-32 as zlib and librdkafka have it.
pub(crate) fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value that catalogues of CRC algorithms give for CRC-32.
    #[test]
    fn crc32_is_zlibs() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    fn explained(partitions: u32, home: impl Fn(&[u8]) -> Partition) -> Option<Explanation> {
        let mut placement = Placement::new(partitions);
        for key in 0..100 {
            let key = key.to_string();
            placement.misplaced(key.as_bytes(), home(key.as_bytes()));
        }
        placement.explanation()
    }

    #[test]
    fn what_misplaced_them_is_recognised() {
        assert_eq!(explained(4, |key| partition_of(key, 4)), None);
        assert_eq!(explained(5, |key| partition_of(key, 2)), Some(Explanation::Grown(2)));
        assert_eq!(explained(4, |key| Partition(crc32(key) % 4)), Some(Explanation::Crc32));
        assert_eq!(explained(4, |key| Partition(u32::from(key[0]) % 4)), None);
    }
}
