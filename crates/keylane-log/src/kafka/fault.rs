//! librdkafka's error codes, sorted by what the caller does next; and what stands behind a mere timeout.
//!
//! A call that gets no answer says "timed out", whatever the reason. librdkafka tells the reason beside it, in an error
//! event or in a log line (`SASL authentication error: …`), and there in words alone: [`Cause`] recognises them.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::port::LogError;
use crate::record::Partition;

/// Sorts an error of librdkafka. `what` says what was tried ("topic orders can't be read").
pub(super) fn sort(what: &str, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => sort_code(what, code),
        None => LogError::Unavailable(format!("{what}: {error}")),
    }
}

/// [`sort`] for a bare code.
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

/// Why the brokers don't talk to this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody listens at the address.
    Refused,
    /// Nobody answers, or only the network's silence does.
    Silent,
    /// The connection is closed without an answer, as by a broker that stops.
    Closed,
    /// The connection is closed in a way that fits a listener of another kind, and as well a broker that stops.
    PerhapsListener,
    /// The host's name leads nowhere.
    Unresolved,
    /// The brokers don't take this user and password.
    Login,
    /// The brokers don't have this SASL mechanism.
    Mechanism,
    /// No authority that this client knows has signed the brokers' certificate.
    Certificate,
    /// The certificate is for another host than the one that was asked for.
    HostName,
    /// The brokers want a certificate of the client.
    ClientCertificate,
    /// One side speaks TLS or SASL, and the other doesn't.
    Listener,
    /// Whatever answers, it isn't Kafka.
    NotKafka,
}

impl Cause {
    /// The cause that a text of librdkafka's tells of, if it tells of one.
    pub(super) fn told(text: &str) -> Option<Self> {
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let cause = if says(&["Failed to resolve"]) {
            Self::Unresolved
        } else if says(&["SASL"]) && says(&["authentication error", "handshake failed", "authentication failure"]) {
            return Some(Self::of_login(text));
        } else if says(&["SSL"]) && says(&["handshake failed", "certificate"]) {
            return Some(Self::of_handshake(text));
        } else if says(&["Invalid response size"]) {
            Self::of_size(text)
        } else if says(&["Disconnected"]) && says(&["in state APIVERSION_QUERY", "ms in state UP"]) {
            Self::of_end(text)
        } else if says(&["Connection refused"]) {
            Self::Refused
        } else if says(&["timed out", "setup timed", "No route to host", "Network is unreachable"]) {
            Self::Silent
        } else if says(&[
            "Disconnected",
            "Connection reset",
            "Broken pipe",
            "Receive failed",
            "Send failed",
        ]) {
            Self::Closed
        } else {
            return None;
        };
        Some(cause)
    }

    /// A listener that wants TLS or SASL closes the connection once it does not understand what comes.
    fn of_end(text: &str) -> Self {
        let age = text.split("(after ").nth(1).and_then(|rest| rest.split("ms ").next());
        match age.map(str::parse::<u64>) {
            Some(Ok(age)) if age < 1000 => Self::PerhapsListener,
            _ => Self::Closed,
        }
    }

    fn of_login(text: &str) -> Self {
        if text.contains("Local: ") {
            // The connection broke off in between: nothing is known of the password.
            Self::Closed
        } else if text.contains("Unsupported SASL mechanism") {
            Self::Mechanism
        } else if text.contains("current SASL state") {
            // A listener without SASL does not know what to do with the question.
            Self::Listener
        } else {
            Self::Login
        }
    }

    fn of_handshake(text: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["hostname mismatch", "IP address mismatch"]) {
            Self::HostName
        } else if says(&[
            "certificate required",
            "alert bad certificate",
            "alert unknown ca",
            "client SSL",
        ]) {
            Self::ClientCertificate
        } else if says(&["certificate verify failed", "Failed to verify"]) {
            Self::Certificate
        } else if says(&[
            "wrong version number",
            "unknown protocol",
            "packet length too long",
            "http request",
        ]) {
            Self::Listener
        } else {
            Self::PerhapsListener
        }
    }

    /// The first four bytes of an answer are taken for its size; a TLS alert begins with 21, 3, and a version.
    fn of_size(text: &str) -> Self {
        let size = text.split("Invalid response size ").nth(1);
        let size = size.and_then(|rest| rest.split(' ').next()?.parse::<i32>().ok());
        match size.map(i32::to_be_bytes) {
            Some([0x15, 3, ..]) => Self::Listener,
            _ => Self::NotKafka,
        }
    }

    /// Whether it stays so until a person has changed something.
    pub fn lasts(self) -> bool {
        !matches!(
            self,
            Self::Refused | Self::Silent | Self::Closed | Self::PerhapsListener | Self::Unresolved
        )
    }

    /// What a person can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Refused => "start Kafka, or correct --bootstrap-server",
            Self::Silent => {
                "see whether Kafka runs there and a firewall lets you through, or correct --bootstrap-server"
            }
            Self::Closed => "look into the broker's log, or correct --bootstrap-server",
            Self::PerhapsListener | Self::Listener => {
                "set security.protocol to what the listener speaks, or give the port of another listener with \
                 --bootstrap-server"
            }
            Self::Unresolved => "correct the host's name in --bootstrap-server",
            Self::Login => "correct sasl.username and sasl.password",
            Self::Mechanism => "set sasl.mechanism to one that the broker has",
            Self::Certificate => "name the authority that signed it with ssl.ca.location=FILE",
            Self::HostName => {
                "name the host in --bootstrap-server (and the broker in advertised.listeners) as in its certificate"
            }
            Self::ClientCertificate => "give one with ssl.certificate.location and ssl.key.location",
            Self::NotKafka => "correct --bootstrap-server",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Silent => "no answer",
            Self::Closed => "the connection was closed",
            Self::PerhapsListener => {
                "the connection was closed, as by a listener that speaks another security.protocol"
            }
            Self::Unresolved => "the host's name can't be resolved",
            Self::Login => "authentication failed: the broker does not take this user and password",
            Self::Mechanism => "the broker does not have this SASL mechanism",
            Self::Certificate => "the broker's certificate is not trusted",
            Self::HostName => "the broker's certificate is for another host name",
            Self::ClientCertificate => "the broker wants a certificate of this client",
            Self::Listener => "this listener speaks another security.protocol",
            Self::NotKafka => "what answers there is not Kafka",
        })
    }
}

/// A right that the brokers asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right<'a> {
    /// As `kafka-acls` names it: `Read`, `Write`, …
    pub(super) operation: &'static str,
    /// On what: `topic`, `group` or `cluster`.
    pub(super) kind: &'static str,
    /// Which one.
    pub(super) name: &'a str,
}

impl<'a> Right<'a> {
    pub(super) fn topic(operation: &'static str, name: &'a str) -> Self {
        Self {
            operation,
            kind: "topic",
            name,
        }
    }

    pub(super) fn group(operation: &'static str, name: &'a str) -> Self {
        Self {
            operation,
            kind: "group",
            name,
        }
    }

    /// The error of a call that this right was missing for; `None` if something else was the matter.
    pub(super) fn missing(self, what: &str, code: Option<RDKafkaErrorCode>) -> Option<LogError> {
        use RDKafkaErrorCode as E;
        let denied = match code? {
            E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed => self.kind == "topic",
            E::GroupAuthorizationFailed => self.kind == "group",
            _ => false,
        };
        denied.then(|| LogError::Broken(self.wanted(what)))
    }

    fn wanted(self, what: &str) -> String {
        let Self { operation, kind, name } = self;
        format!(
            "{what}: the right {operation} on {kind} {name} is missing; give it with kafka-acls --add --operation {operation} \
             --{kind} {name} --allow-principal User:NAME"
        )
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

/// Whether a member can't go on as what it is, whoever gives it which rights.
pub(super) fn ends_membership(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::Fatal | E::Fenced | E::FencedInstanceId | E::InconsistentGroupProtocol | E::InvalidSessionTimeout
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

/// Whoever has joined goes on trying: a topic was there, so a broker that does not know it may only be behind; and
/// passwords, certificates and rights are given back by the same people who took them away.
pub(super) fn passing(error: LogError) -> LogError {
    match error {
        LogError::Refused(why) | LogError::Broken(why) => LogError::Unavailable(why),
        unavailable @ LogError::Unavailable(_) => unavailable,
    }
}

/// Whether the broker that answered is not a group's coordinator yet, or no longer. One that becomes it, as every broker
/// does for a while after its start, reads the group from the log before it answers.
pub(super) fn is_settling(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::CoordinatorLoadInProgress | E::CoordinatorNotAvailable | E::NotCoordinator
    )
}

/// Whether the code is one of librdkafka's own, which no broker has said.
pub(super) fn is_own(code: RDKafkaErrorCode) -> bool {
    (code as i32) < 0
}

/// Whether the code says no more than that no answer came, so that its cause has to be looked for elsewhere.
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
    fn causes_are_recognised_in_librdkafka_s_words() {
        let told = [
            (
                "Failed to resolve 'nowhere:9092': Name or service not known",
                Cause::Unresolved,
            ),
            ("Connect to ipv4#127.0.0.1:1 failed: Connection refused", Cause::Refused),
            ("Connection setup timed out in state CONNECT", Cause::Silent),
            (
                "Disconnected: receive 0 after POLLIN (after 90000ms in state UP)",
                Cause::Closed,
            ),
            (
                "Disconnected: receive 0 after POLLIN (after 1ms in state UP)",
                Cause::PerhapsListener,
            ),
            (
                "Disconnected (after 2ms in state APIVERSION_QUERY)",
                Cause::PerhapsListener,
            ),
            (
                "SASL authentication error: Authentication failed: Invalid username or password",
                Cause::Login,
            ),
            (
                "SASL authentication error: SaslAuthenticateRequest failed: Local: Broker transport failure",
                Cause::Closed,
            ),
            (
                "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported \
                 mechanisms: PLAIN,SCRAM-SHA-256",
                Cause::Mechanism,
            ),
            (
                "SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: broker's \
                 supported mechanisms: ",
                Cause::Listener,
            ),
            (
                "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could \
                 not be verified",
                Cause::Certificate,
            ),
            (
                "SSL handshake failed: error:0A00010B:SSL routines::wrong version number",
                Cause::Listener,
            ),
            (
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
                Cause::PerhapsListener,
            ),
            (
                "Receive failed: Invalid response size 352518912 (0..100000000): increase",
                Cause::Listener,
            ),
            (
                "Receive failed: Invalid response size 1213486160 (0..100000000): increase",
                Cause::NotKafka,
            ),
        ];
        for (text, cause) in told {
            assert_eq!(Cause::told(text), Some(cause), "{text}");
        }
        assert_eq!(Cause::told("1/1 brokers are down"), None);
    }

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
