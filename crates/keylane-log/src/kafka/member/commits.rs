//! The commits of a member.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::Member;
use crate::kafka::{convert, fault};
use crate::port::{LogError, Position, Result};
use crate::record::TopicPartition;

/// For how long a commit that carried an old epoch of the member (KIP-848) is repeated at least. The member learns its
/// new epoch with the next heartbeat, which librdkafka sends early after this refusal.
const EPOCH_WAIT: Duration = Duration::from_secs(1);

/// Pause before a commit is repeated that the group refused between two generations.
const REPEAT_PAUSE: Duration = Duration::from_millis(50);

/// The most characters of metadata that a broker keeps with an offset.
const MAX_METADATA: usize = 4096;

impl Member {
    /// For how long a commit is repeated at least that was refused only because the group is between two generations;
    /// `None` if it was refused for another reason. The member keeps its partitions, so that the new generation takes
    /// the same commit. librdkafka joins it without being polled.
    fn overtaken(&self, refusal: RDKafkaErrorCode) -> Option<Duration> {
        use RDKafkaErrorCode as E;
        let repeat = match refusal {
            E::StaleMemberEpoch => EPOCH_WAIT,
            E::IllegalGeneration | E::RebalanceInProgress => Duration::ZERO,
            _ => return None,
        };
        (!self.client.assignment_lost()).then_some(repeat)
    }

    /// Commits. Waits at most for `wait` for an earlier commit that was not answered in time, and for the end of a
    /// rebalance. Returns `false` if the partitions are no longer this member's.
    fn try_commit(&mut self, list: &TopicPartitionList, wait: Duration) -> Result<bool> {
        let started = Instant::now();
        loop {
            let Err(error) = self.committer.commit(list.clone(), wait) else {
                self.client.context().watch.clear();
                if let Some(keeper) = &self.session_keeper {
                    keeper.note_answer();
                }
                return Ok(true);
            };
            let code = error.rdkafka_error_code();
            match code.and_then(|code| self.overtaken(code)) {
                Some(repeat) if started.elapsed() < repeat.max(wait) => std::thread::sleep(REPEAT_PAUSE),
                None if code.is_some_and(fault::not_ours) => return Ok(false),
                _ => {
                    let what = format!("offsets of group {} can't be committed", self.subscription.group);
                    let denied = code.and_then(|code| self.denied(&what, code));
                    let error = denied.unwrap_or_else(|| self.client.context().watch.explain(&what, &error));
                    return Err(fault::as_unavailable(error));
                }
            }
        }
    }

    /// Commits the positions of partitions that are this member's, as [`try_commit`](Self::try_commit) does. Returns
    /// the other partitions.
    pub(super) fn commit_positions(&mut self, positions: &[Position], wait: Duration) -> Result<Vec<TopicPartition>> {
        let (ours, mut refused) = sort_out(positions, &self.assigned);
        if let Some(position) = ours.iter().find(|position| !storable(&position.metadata)) {
            return Err(LogError::Refused(format!(
                "the metadata of {} is not up to {MAX_METADATA} characters of ASCII",
                position.partition
            )));
        }
        if ours.is_empty() {
            return Ok(refused);
        }
        let kept = !self.client.assignment_lost() && self.try_commit(&convert::commit_list(&ours), wait)?;
        if !kept {
            refused.extend(ours.iter().map(|position| position.partition.clone()));
        }
        Ok(refused)
    }
}

/// The positions whose partitions are among `assigned`, and the other partitions.
fn sort_out<'a>(
    positions: &'a [Position],
    assigned: &BTreeSet<TopicPartition>,
) -> (Vec<&'a Position>, Vec<TopicPartition>) {
    let (ours, others): (Vec<_>, Vec<_>) = positions
        .iter()
        .partition(|position| assigned.contains(&position.partition));
    let others = others.into_iter().map(|position| position.partition.clone()).collect();
    (ours, others)
}

/// Whether brokers keep this metadata as it is. They silently replace what is not UTF-8, and count characters of
/// UTF-16, so only ASCII is allowed.
fn storable(metadata: &str) -> bool {
    metadata.is_ascii() && metadata.len() <= MAX_METADATA
}
