//! librdkafka's error codes, sorted by what the caller does next.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::port::LogError;
use crate::record::Partition;

/// Sorts an error of librdkafka. `what` says what was tried ("topic orders can't be read"), `hint` what the client heard
/// last from the brokers.
pub(super) fn sort(what: &str, error: &KafkaError, hint: Option<&str>) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => sort_code(what, code, hint),
        None => LogError::Unavailable(format!("{what}: {error}")),
    }
}

/// [`sort`] for a bare code.
pub(super) fn sort_code(what: &str, code: RDKafkaErrorCode, hint: Option<&str>) -> LogError {
    let sentence = match hint {
        Some(hint) => format!("{what}: {code} ({hint})"),
        None => format!("{what}: {code}"),
    };
    if forbids(code) {
        LogError::Broken(sentence)
    } else if refuses(code) {
        LogError::Refused(sentence)
    } else {
        LogError::Unavailable(sentence)
    }
}

/// Whether asking again can't help until a person has changed something.
pub(super) fn forbids(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::Authentication
            | E::SaslAuthenticationFailed
            | E::UnsupportedSASLMechanism
            | E::TopicAuthorizationFailed
            | E::GroupAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::Fatal
            | E::Fenced
            | E::FencedInstanceId
            | E::InconsistentGroupProtocol
    )
}

/// Whether the broker has understood the request and said no for good.
fn refuses(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::UnknownTopic
            | E::UnknownPartition
            | E::UnknownTopicOrPartition
            | E::InvalidTopic
            | E::InvalidPartitions
            | E::InvalidReplicationFactor
            | E::InvalidConfig
            | E::InvalidRequest
            | E::PolicyViolation
            | E::OffsetMetadataTooLarge
            | E::InvalidSessionTimeout
            | E::InvalidGroupId
            | E::InvalidArgument
    )
}

/// Whether a batch, or a record that travelled alone, will never be taken.
pub(super) fn refuses_record(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    let record = matches!(
        code,
        E::MessageSizeTooLarge
            | E::MessageBatchTooLarge
            | E::InvalidMessage
            | E::InvalidMessageSize
            | E::InvalidTimestamp
            | E::InvalidRecord
            | E::InvalidDifferentRecord
            | E::UnsupportedForMessageFormat
            | E::PolicyViolation
            | E::UnknownPartition
            | E::InvalidArgument
    );
    record || refuses_topic(code)
}

/// Whether no record at all will be taken for the topic.
pub(super) fn refuses_topic(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(code, E::TopicAuthorizationFailed | E::InvalidTopic | E::UnknownTopic)
}

/// Whether a commit failed because the partitions are no longer this member's.
pub(super) fn not_ours(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::UnknownMemberId
            | E::IllegalGeneration
            | E::FencedInstanceId
            | E::StaleMemberEpoch
            | E::FencedMemberEpoch
            | E::AssignmentLost
    )
}

/// A property that librdkafka does not take.
pub(super) fn misconfigured(error: &KafkaError) -> LogError {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => {
            LogError::Refused(format!("property {name} is not accepted: {}", reason.trim()))
        }
        KafkaError::ClientCreation(reason) => {
            LogError::Refused(format!("the Kafka client refuses its properties: {reason}"))
        }
        other => LogError::Refused(format!("the Kafka client refuses its properties: {other}")),
    }
}

/// A topic that is not there.
pub(super) fn no_topic(topic: &str) -> LogError {
    LogError::Refused(format!("there is no topic {topic}"))
}

/// A partition that is not there.
pub(super) fn no_partition(topic: &str, partition: Partition, count: u32) -> LogError {
    LogError::Refused(format!(
        "topic {topic} has {count} partitions, numbered from 0: there is no {partition}"
    ))
}

/// A topic was there when the member joined, so a broker that does not know it, or part of it, may only be behind.
pub(super) fn passing(error: LogError) -> LogError {
    match error {
        LogError::Refused(why) => LogError::Unavailable(why),
        other => other,
    }
}
