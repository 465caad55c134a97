//! Sorts librdkafka's error codes by what the caller does next.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::port::LogError;
use crate::record::Partition;

/// Turns an error of librdkafka into one of the log. `what` says what failed, such as "topic orders can't be read".
pub(super) fn sort(what: &str, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => sort_code(what, code),
        None => LogError::Unavailable(format!("{what}: {error}")),
    }
}

/// Turns an error code into an error of the log, like [`sort`].
pub(super) fn sort_code(what: &str, code: RDKafkaErrorCode) -> LogError {
    let sentence = format!("{what}: {code}");
    if forbids(code) {
        LogError::Broken(sentence)
    } else if refuses(code) {
        LogError::Refused(sentence)
    } else {
        LogError::Unavailable(sentence)
    }
}

/// Turns a refusal into an error of the log, like [`sort`]. Where the brokers refuse for good, the error is their own
/// sentence alone, since it names what was asked for.
pub(super) fn sort_refusal(what: &str, code: RDKafkaErrorCode, sentence: &str) -> LogError {
    match sentence {
        "" => sort_code(what, code),
        _ if forbids(code) => LogError::Broken(format!("{what}: {sentence}")),
        _ if refuses(code) => LogError::Refused(sentence.to_owned()),
        _ => LogError::Unavailable(format!("{what}: {sentence}")),
    }
}

/// A right that the brokers require for a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right<'a> {
    /// The operation as `kafka-acls` names it: `Read`, `Write`, …
    pub(super) operation: &'static str,
    /// What kind of thing the right is for.
    pub(super) resource: Resource,
    /// Its name.
    pub(super) name: &'a str,
}

/// The kinds of things that rights are given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    Topic,
    Group,
}

impl<'a> Right<'a> {
    pub(super) fn topic(operation: &'static str, name: &'a str) -> Self {
        Self {
            operation,
            resource: Resource::Topic,
            name,
        }
    }

    pub(super) fn group(operation: &'static str, name: &'a str) -> Self {
        Self {
            operation,
            resource: Resource::Group,
            name,
        }
    }

    /// The error of a call that failed because this right is missing; `None` if it failed for another reason.
    pub(super) fn missing(self, what: &str, code: Option<RDKafkaErrorCode>) -> Option<LogError> {
        use RDKafkaErrorCode as E;
        let denied = match code? {
            E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed => self.resource == Resource::Topic,
            E::GroupAuthorizationFailed => self.resource == Resource::Group,
            _ => false,
        };
        denied.then(|| LogError::Broken(self.sentence(what)))
    }

    /// Tells a person that the right is missing and how to give it.
    fn sentence(self, what: &str) -> String {
        let Self {
            operation,
            resource,
            name,
        } = self;
        let kind = match resource {
            Resource::Topic => "topic",
            Resource::Group => "group",
        };
        format!(
            "{what}: the right {operation} on {kind} {name} is missing; give it with kafka-acls --add --operation {operation} \
             --{kind} {name} --allow-principal User:NAME"
        )
    }
}

/// Whether repeating the call can't help until a person has changed something.
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

/// Whether a member can't go on, whatever a person does.
pub(super) fn ends_membership(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::Fatal | E::Fenced | E::FencedInstanceId | E::InconsistentGroupProtocol | E::InvalidSessionTimeout
    )
}

/// Whether the broker has understood the request and refused it for good.
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
            | E::InvalidReplicaAssignment
            | E::TopicDeletionDisabled
            | E::InvalidConfig
            | E::InvalidRequest
            | E::PolicyViolation
            | E::OffsetMetadataTooLarge
            | E::InvalidSessionTimeout
            | E::InvalidGroupId
            | E::InvalidArgument
    )
}

/// Whether the batch that got this code, or the record if it was sent alone, will never be taken.
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

/// Whether the topic takes no records at all.
pub(super) fn refuses_topic(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed | E::InvalidTopic | E::UnknownTopic
    )
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

/// The error for a property that librdkafka does not accept.
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

/// The error for a topic that does not exist.
pub(super) fn no_topic(topic: &str) -> LogError {
    LogError::Refused(format!("there is no topic {topic}"))
}

/// The error for a partition that does not exist.
pub(super) fn no_partition(topic: &str, partition: Partition, count: u32) -> LogError {
    LogError::Refused(format!(
        "topic {topic} has {count} partitions, numbered from 0: there is no {partition}"
    ))
}

/// The error of a member that has joined. It tries again after every error: a broker that does not know the topic may
/// only be behind, and a person may restore a password, a certificate or a right.
pub(super) fn as_unavailable(error: LogError) -> LogError {
    match error {
        LogError::Refused(why) | LogError::Broken(why) => LogError::Unavailable(why),
        unavailable @ LogError::Unavailable(_) => unavailable,
    }
}

/// Whether the broker that answered is not the group's coordinator yet, or no longer. A broker that becomes it first
/// reads the group from the log, and so does every broker after its start.
pub(super) fn is_settling(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::CoordinatorLoadInProgress | E::CoordinatorNotAvailable | E::NotCoordinator
    )
}

/// Whether librdkafka itself made the code, so that it is not an answer of a broker.
pub(super) fn is_own(code: RDKafkaErrorCode) -> bool {
    (code as i32) < 0
}

/// Whether the code only says that no answer came, so that the reason must be learnt from what librdkafka reports.
pub(super) fn is_silence(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::OperationTimedOut
            | E::MessageTimedOut
            | E::RequestTimedOut
            | E::TimedOutQueue
            | E::BrokerTransportFailure
            | E::AllBrokersDown
            | E::Authentication
            | E::SSL
            | E::Resolve
            | E::WaitingForCoordinator
            | E::CoordinatorNotAvailable
            | E::PurgeQueue
            | E::PurgeInflight
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_missing_only_where_that_was_the_matter() {
        let write = Right::topic("Write", "orders");
        let said = write.missing("nothing is appended", Some(RDKafkaErrorCode::TopicAuthorizationFailed));
        assert!(
            matches!(&said, Some(LogError::Broken(why)) if why.contains("the right Write on topic orders is missing")),
            "{said:?}"
        );
        assert_eq!(
            write.missing("", Some(RDKafkaErrorCode::GroupAuthorizationFailed)),
            None
        );
        assert_eq!(write.missing("", Some(RDKafkaErrorCode::OperationTimedOut)), None);
    }
}
