//! Recognises in librdkafka's words why the brokers don't answer.
//!
//! A call that gets no answer says "timed out", whatever the reason. librdkafka reports the reason separately, in an
//! error event or a log line (`SASL authentication error: …`), and only as text.

use std::fmt;

/// Why the brokers don't answer this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No program listens at the address.
    Refused,
    /// No answer comes from the address, or the network says that it can't be reached.
    Silent,
    /// The connection is closed without an answer, as by a broker that stops.
    Closed,
    /// The connection is closed as by a listener of another security protocol, but it may also be a broker that stops.
    PerhapsListener,
    /// The host's name can't be resolved.
    Unresolved,
    /// The brokers refuse this user and password.
    Login,
    /// The brokers don't offer this SASL mechanism.
    Mechanism,
    /// The brokers' certificate is not signed by an authority that this client trusts.
    Certificate,
    /// The brokers' certificate is for another host than the one that was connected to.
    HostName,
    /// The brokers want a certificate of the client.
    ClientCertificate,
    /// Client and listener use different security protocols.
    Listener,
    /// The program that answers is not Kafka.
    NotKafka,
}

impl Cause {
    /// Recognises the cause in a text of librdkafka, if it names one.
    pub(super) fn recognise(text: &str) -> Option<Self> {
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
            Self::of_disconnect(text)
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

    /// The cause of a connection that was closed. If that came soon after its start, the listener may want TLS or SASL
    /// and have closed the connection because it did not understand the first bytes.
    fn of_disconnect(text: &str) -> Self {
        let age = text.split("(after ").nth(1).and_then(|rest| rest.split("ms ").next());
        match age.map(str::parse::<u64>) {
            Some(Ok(age)) if age < 1000 => Self::PerhapsListener,
            _ => Self::Closed,
        }
    }

    /// The cause of a failed SASL authentication.
    fn of_login(text: &str) -> Self {
        if text.contains("Local: ") {
            // librdkafka's own errors begin like this: the connection broke, and the password was not judged.
            Self::Closed
        } else if text.contains("Unsupported SASL mechanism") {
            Self::Mechanism
        } else if text.contains("current SASL state") {
            // A listener without SASL says so when it gets a SASL request.
            Self::Listener
        } else {
            Self::Login
        }
    }

    /// The cause of a failed TLS handshake.
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

    /// The cause of an answer that is too large. librdkafka takes the first four bytes of an answer for its size, and a
    /// TLS alert begins with the bytes 21 and 3.
    fn of_size(text: &str) -> Self {
        let size = text.split("Invalid response size ").nth(1);
        let size = size.and_then(|rest| rest.split(' ').next()?.parse::<i32>().ok());
        match size.map(i32::to_be_bytes) {
            Some([0x15, 3, ..]) => Self::Listener,
            _ => Self::NotKafka,
        }
    }

    /// Whether waiting can't help, because the cause lasts until a person changes something.
    pub fn lasts(self) -> bool {
        !matches!(
            self,
            Self::Refused | Self::Silent | Self::Closed | Self::PerhapsListener | Self::Unresolved
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_recognised_in_librdkafkas_words() {
        let texts = [
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
        for (text, cause) in texts {
            assert_eq!(Cause::recognise(text), Some(cause), "{text}");
        }
        assert_eq!(Cause::recognise("1/1 brokers are down"), None);
    }
}
