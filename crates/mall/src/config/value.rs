//! The values of options. They are parsed once, here, and have types from then on.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::masked::masked_property;

/// Kafka's brokers: `host:port`, several separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapServers(String);

/// A property handed to the Kafka client.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// The property's name (`security.protocol`).
    pub name: String,
    /// Its value.
    pub value: String,
}

impl BootstrapServers {
    /// `host:port,host:port`, as the client wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BootstrapServers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |address: &str| {
            let (host, port) = address.trim().rsplit_once(':')?;
            let port: u16 = port.parse().ok()?;
            // An @ would mean that a password was given, for which there is no place here.
            let plain = !host.contains(['/', '@']) && !host.contains(char::is_whitespace);
            (!host.is_empty() && plain && port > 0).then_some(())
        };
        match text.split(',').all(|address| good(address).is_some()) {
            true => Ok(Self(text.to_owned())),
            false => Err("allowed: HOST:PORT, several separated by commas (localhost:9092)".into()),
        }
    }
}

impl FromStr for Property {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Self {
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => Err("allowed: NAME=VALUE (security.protocol=SSL)".into()),
        }
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked_property(&format!("{}={}", self.name, self.value)))
    }
}

/// How many partitions a topic is created with.
pub fn partitions(text: &str) -> Result<u32, String> {
    within(text, 1, 10_000)
}

/// How many delivery instances are started.
pub fn deliveries(text: &str) -> Result<u16, String> {
    within(text, 1, 64)
}

/// A port to listen on.
pub fn port(text: &str) -> Result<u16, String> {
    within(text, 0, u16::MAX).map_err(|allowed| format!("{allowed} (0: any free one)"))
}

/// How many orders an instance handles at once.
pub fn lanes(text: &str) -> Result<usize, String> {
    within(text, 1, 10_000)
}

/// A customer's number.
pub fn customer(text: &str) -> Result<i64, String> {
    within(text, i64::MIN, i64::MAX).map_err(|_| "allowed: a customer's number (2000)".into())
}

fn within<N: FromStr + PartialOrd + fmt::Display>(text: &str, least: N, most: N) -> Result<N, String> {
    match text.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("allowed: a whole number from {least} to {most}")),
    }
}

/// A length of time: a whole number and its unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    let number: Option<u64> = number.parse().ok();
    match number.and_then(|number| number.checked_mul(milliseconds)) {
        Some(total) if milliseconds > 0 && total <= TEN_YEARS => Ok(Duration::from_millis(total)),
        _ => Err("allowed: a whole number and its unit, ms, s, m, h or d (500ms, 10s, 7d), up to 3650d".into()),
    }
}

/// The longest time that is allowed, ten years in milliseconds. Longer ones would overflow when added to the clock.
const TEN_YEARS: u64 = 3650 * 86_400_000;

/// A length of time that is longer than nothing.
pub fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("allowed: anything longer than nothing (500ms, 10s, 7d)".into()),
        time => Ok(time),
    }
}

/// A topic's name, by Kafka's rule.
pub fn topic(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match (1..=249).contains(&text.len()) && text.chars().all(legal) && !matches!(text, "." | "..") {
        true => Ok(text.to_owned()),
        false => Err("allowed: up to 249 letters, digits, '.', '_' and '-'".into()),
    }
}

/// A name that is not blank and holds no control characters.
pub fn name(text: &str) -> Result<String, String> {
    match !text.trim().is_empty() && text.len() <= 249 && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("allowed: up to 249 characters, not blank".into()),
    }
}

/// A filter of log lines.
pub fn level(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("allowed: error, warn, info, debug or trace, also per module (info,shop=debug)".into()),
    }
}

/// The address of a machine.
pub fn address(text: &str) -> Result<std::net::IpAddr, String> {
    let allowed = "allowed: an IP address, IPv4 or IPv6 (10.0.0.7)";
    text.parse().map_err(|_| allowed.to_owned())
}

/// An address to listen on.
pub fn listen(text: &str) -> Result<std::net::IpAddr, String> {
    let text = if text == "localhost" { "127.0.0.1" } else { text };
    text.parse().map_err(|_| {
        "allowed: an IP address of this machine, 127.0.0.1 (only from here) or 0.0.0.0 (from everywhere)".into()
    })
}

/// The path of a file or folder. Refuses an address or a property, which was meant for another option, and which messages
/// would show as a path.
pub fn path(path: OsString) -> Result<PathBuf, String> {
    let text = path.to_string_lossy();
    let secret = text.contains("://") || (text.contains('=') && masked_property(&text) != text);
    match text.is_empty() || secret || text.contains(char::is_control) {
        true => Err("allowed: the path of a file or folder".into()),
        false => Ok(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 s",
            "10sec",
            "99999999999999999999s",
            "4000d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(positive("0ms").is_err());
    }

    #[test]
    fn brokers_are_host_and_port() {
        assert!("localhost:9092,b:1".parse::<BootstrapServers>().is_ok());
        for wrong in [
            "",
            "localhost",
            ":9092",
            "a:b",
            "a:0",
            "a:70000",
            "a:99999",
            "b:1,a:99999",
            "http://a:1/",
            "a:1,",
            "user:pass@a:1",
        ] {
            assert!(wrong.parse::<BootstrapServers>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn topics_follow_kafkas_rule() {
        assert!(topic("kafka.scaling").is_ok());
        for wrong in ["", ".", "..", "a b", "ü", &"x".repeat(250)] {
            assert!(topic(wrong).is_err(), "{wrong}");
        }
    }
}
