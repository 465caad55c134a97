//! Shares out the partitions of one topic.

use std::collections::BTreeSet;

use keylane_log::TopicPartition;

/// Gives each of `partitions` to one member. `held` are the partitions that each member has now, and which it keeps as
/// far as the shares allow; shares differ by one at most. Returns the shares in the order of `held`.
pub(super) fn share_out(
    partitions: &[TopicPartition],
    held: &[BTreeSet<TopicPartition>],
) -> Vec<BTreeSet<TopicPartition>> {
    let mut shares = vec![BTreeSet::new(); held.len()];
    if held.is_empty() {
        return shares;
    }
    for partition in partitions {
        if let Some(keeper) = held.iter().position(|held| held.contains(partition)) {
            shares[keeper].insert(partition.clone());
        }
    }
    for partition in partitions {
        if !shares.iter().any(|share| share.contains(partition)) {
            let receiver = smallest(&shares);
            shares[receiver].insert(partition.clone());
        }
    }
    loop {
        let (from, to) = (largest(&shares), smallest(&shares));
        if shares[from].len() <= shares[to].len() + 1 {
            return shares;
        }
        let moved = shares[from].pop_last().expect("the largest share has partitions");
        shares[to].insert(moved);
    }
}

fn smallest(shares: &[BTreeSet<TopicPartition>]) -> usize {
    let sizes = shares.iter().enumerate();
    sizes.min_by_key(|(_, share)| share.len()).map_or(0, |(index, _)| index)
}

fn largest(shares: &[BTreeSet<TopicPartition>]) -> usize {
    let sizes = shares.iter().enumerate();
    sizes.max_by_key(|(_, share)| share.len()).map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use keylane_log::Partition;

    use super::*;

    fn partitions(numbers: &[u32]) -> BTreeSet<TopicPartition> {
        numbers
            .iter()
            .map(|number| TopicPartition::new("orders", Partition(*number)))
            .collect()
    }

    #[test]
    fn as_little_moves_as_equal_shares_allow() {
        let all: Vec<TopicPartition> = partitions(&[0, 1, 2, 3]).into_iter().collect();
        let share = |held: &[&[u32]]| {
            let held: Vec<_> = held.iter().map(|numbers| partitions(numbers)).collect();
            share_out(&all, &held)
        };
        assert_eq!(share(&[]), []);
        assert_eq!(share(&[&[]]), [partitions(&[0, 1, 2, 3])]);
        assert_eq!(share(&[&[0, 1, 2, 3], &[]]), [partitions(&[0, 1]), partitions(&[2, 3])]);
        assert_eq!(share(&[&[1], &[0, 3]]), [partitions(&[1, 2]), partitions(&[0, 3])]);
        let five = share(&[&[3], &[], &[0, 1, 2], &[], &[]]);
        assert_eq!(five.iter().map(BTreeSet::len).sum::<usize>(), 4);
        assert!(five.iter().all(|share| share.len() <= 1) && five[0] == partitions(&[3]));
    }
}
