//! Chooses the partition of a key exactly as Java's default partitioner does.
//!
//! Java producers hash the key's bytes with murmur2 and take the result, sign bit cleared, modulo the number of
//! partitions. librdkafka's own default hashes with CRC32 instead. If producers of both kinds wrote to one topic, the
//! records of one key would stand in two partitions.

use crate::record::Partition;

/// The seed of Kafka's murmur2.
const SEED: u32 = 0x9747_b28c;
/// The multiplier of murmur2.
const MIX: u32 = 0x5bd1_e995;

/// The partition of `key` in a topic of `partitions` partitions.
///
/// # Panics
/// If `partitions` is 0: a topic has at least one.
pub fn partition_of(key: &[u8], partitions: u32) -> Partition {
    assert!(partitions > 0, "a topic has at least one partition");
    Partition((murmur2(key) & 0x7fff_ffff) % partitions)
}

/// Computes the 32-bit MurmurHash2 with the seed that Kafka uses.
fn murmur2(data: &[u8]) -> u32 {
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    for (index, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors are those of Kafka's own test (`UtilsTest.testMurmur2`).
    #[test]
    fn hashes_as_java_does() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn places_keys_where_java_does() {
        assert_eq!(partition_of(b"order-1", 4), Partition(2));
        assert_eq!(partition_of(b"order-1", 8), Partition(6));
    }
}
