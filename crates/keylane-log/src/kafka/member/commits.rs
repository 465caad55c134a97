//! The commits of a member.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::Member;
use crate::kafka::{convert, fault};
use crate::port::{LogError, Position, Result};
use crate::record::TopicPartition;

/// How often a commit is repeated that carried an old epoch of the member (KIP-848).
const EPOCH_RETRIES: usize = 20;

/// Pause before such a commit is repeated.
const EPOCH_PAUSE: Duration = Duration::from_millis(50);

/// The most characters of metadata that a broker keeps with an offset.
const MAX_METADATA: usize = 4096;

impl Member {
    /// Whether a commit was refused only because the group has moved on to its next generation. The member keeps its
    /// partitions, so that the same commit will be taken in the new generation.
    fn only_overtaken(&self, refusal: RDKafkaErrorCode) -> bool {
        use RDKafkaErrorCode as E;
        matches!(refusal, E::IllegalGeneration | E::StaleMemberEpoch) && !self.client.assignment_lost()
    }

    /// Commits, and waits first, at most for `overdue_wait`, for an earlier commit that was not answered in time.
    /// Returns `false` if the partitions are no longer this member's.
    fn try_commit(&mut self, list: &TopicPartitionList, overdue_wait: Duration) -> Result<bool> {
        let mut overtaken = 0;
        loop {
            let Err(error) = self.committer.commit(list.clone(), overdue_wait) else {
                self.client.context().watch.clear();
                if let Some(keeper) = &self.session_keeper {
                    keeper.note_answer();
                }
                return Ok(true);
            };
            match error.rdkafka_error_code() {
                // The member learns its new epoch with the next heartbeat, which librdkafka sends early after this
                // error.
                Some(RDKafkaErrorCode::StaleMemberEpoch) if overtaken < EPOCH_RETRIES => {
                    overtaken += 1;
                    std::thread::sleep(EPOCH_PAUSE);
                }
                Some(code) if fault::not_ours(code) && !self.only_overtaken(code) => return Ok(false),
                code => {
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
    pub(super) fn commit_positions(
        &mut self,
        positions: &[Position],
        overdue_wait: Duration,
    ) -> Result<Vec<TopicPartition>> {
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
        let kept = !self.client.assignment_lost() && self.try_commit(&convert::commit_list(&ours), overdue_wait)?;
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
