//! The values of options: parsed once, here, and typed from then on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::MASK;

/// Kafka's brokers: `host:port`, several separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap(String);

/// Where MySQL or MariaDB is, with user, password and database. Shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// A service's address, `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// A property handed to the Kafka client.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// The property's name (`security.protocol`).
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Bootstrap {
    /// `host:port,host:port`, as the client wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Bootstrap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |address: &str| {
            let (host, port) = address.trim().rsplit_once(':')?;
            let port: u16 = port.parse().ok()?;
            (!host.is_empty() && !host.contains('/') && port > 0).then_some(())
        };
        match text.split(',').all(|address| good(address).is_some()) {
            true => Ok(Self(text.to_owned())),
            false => Err("allowed: HOST:PORT, several separated by commas (localhost:9092)".into()),
        }
    }
}

impl DatabaseUrl {
    /// The database's name.
    pub fn database(&self) -> &str {
        let path = self.0.rsplit('/').next().unwrap_or_default();
        path.split('?').next().unwrap_or_default()
    }

    /// The address with its password, for the driver alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed =
            "allowed: mysql://USER:PASSWORD@HOST:PORT/DATABASE (mysql://root:1234@localhost:3306/my-database)";
        let text = text.replacen("mariadb://", "mysql://", 1);
        let rest = text.strip_prefix("mysql://").ok_or(allowed)?;
        let (authority, database) = rest.split_once('/').ok_or(allowed)?;
        let host = authority.rsplit('@').next().unwrap_or_default();
        let database = database.split('?').next().unwrap_or_default();
        if host.is_empty() || database.is_empty() || database.contains('/') {
            return Err(allowed.into());
        }
        sqlx::mysql::MySqlConnectOptions::from_str(&text).map_err(|_| allowed)?;
        Ok(Self(text))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked_url(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl BaseUrl {
    /// The service that listens on this port of this machine, as it does by default.
    pub fn local(port: u16) -> Self {
        Self::of_listener(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    /// The service of this machine that listens on this port of `listen`.
    pub fn of_listener(listen: IpAddr, port: u16) -> Self {
        let host = match listen {
            any if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            one => one,
        };
        Self(format!("http://{}", SocketAddr::new(host, port)))
    }

    /// `http://host:port`, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        self.0.trim_start_matches("http://")
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "allowed: http://HOST:PORT, without a path (http://localhost:8081)";
        let uri: axum::http::Uri = text.parse().map_err(|_| allowed)?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        match uri.authority() {
            Some(authority) if plain && !authority.as_str().contains('@') => Ok(Self(format!("http://{authority}"))),
            _ => Err(allowed.into()),
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

/// How many lanes.
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
        Some(total) if milliseconds > 0 && total <= YEARS => Ok(Duration::from_millis(total)),
        _ => Err("allowed: a whole number and its unit, ms, s, m, h or d (500ms, 10s, 7d), up to 3650d".into()),
    }
}

/// Ten years in milliseconds: more is a mistake, and would overflow sums with the clock.
const YEARS: u64 = 3650 * 86_400_000;

/// A length of time that is not nothing.
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

/// A name that is not blank and stays on its line.
pub fn name(text: &str) -> Result<String, String> {
    match !text.trim().is_empty() && text.len() <= 249 && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("allowed: up to 249 characters, not blank".into()),
    }
}

/// What the log shows.
pub fn level(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("allowed: error, warn, info, debug or trace, also per module (info,shop=debug)".into()),
    }
}

/// An address of this machine to listen on.
pub fn listen(text: &str) -> Result<std::net::IpAddr, String> {
    let text = if text == "localhost" { "127.0.0.1" } else { text };
    text.parse().map_err(|_| {
        "allowed: an IP address of this machine, 127.0.0.1 (only from here) or 0.0.0.0 (from everywhere)".into()
    })
}

/// A database address with its password masked, also one that makes no sense.
pub fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return MASK.to_owned();
    };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:{MASK}@{host}{query}")
        }
        None if is_host(rest) => format!("{scheme}://{rest}{query}"),
        // What stands here may well be the password, with its host forgotten.
        None => format!("{scheme}://{MASK}"),
    }
}

/// `host/database`, `host:port/database`.
fn is_host(rest: &str) -> bool {
    rest.split_once('/')
        .and_then(|(authority, _)| Some(authority.split_once(':')?.1))
        .map_or(rest.contains('/') && !rest.contains(':'), |port| {
            port.parse::<u16>().is_ok()
        })
}

/// A property of the Kafka client, masked if its name says that it is a secret.
pub fn masked_property(property: &str) -> String {
    let Some((name, _)) = property.split_once('=') else {
        return MASK.to_owned();
    };
    let lower = name.to_ascii_lowercase();
    let secret = [
        "password",
        "secret",
        "jaas",
        "token",
        "credential",
        "ssl.key",
        "sasl.oauthbearer",
        "pem",
    ];
    match secret.iter().any(|word| lower.contains(word)) {
        true => format!("{name}={MASK}"),
        false => property.to_owned(),
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
        assert!("localhost:9092,b:1".parse::<Bootstrap>().is_ok());
        for wrong in ["", "localhost", ":9092", "a:b", "a:0", "a:70000", "http://a:1/", "a:1,"] {
            assert!(wrong.parse::<Bootstrap>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_database_address_names_its_database_and_hides_its_password() {
        let url: DatabaseUrl = "mariadb://root:12@34@db:3306/my-database"
            .replace("@34", "34")
            .parse()
            .expect("good");
        assert_eq!(url.to_string(), "mysql://root:***@db:3306/my-database");
        for wrong in [
            "localhost",
            "jdbc:mysql://h/d",
            "mysql://h:3306",
            "mysql://h/",
            "postgres://h/d",
            "mysql:///d",
        ] {
            assert!(wrong.parse::<DatabaseUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_masked_even_where_nothing_parses() {
        assert_eq!(masked_url("mysql://root:p@ss@h/d"), "mysql://root:***@h/d");
        assert_eq!(masked_url("root:pass@h"), "***");
        assert_eq!(masked_url("root:pass"), "***");
        assert_eq!(masked_url("mysql://root:pass"), "mysql://***");
        assert_eq!(masked_url("mysql://root:1234"), "mysql://***");
        assert_eq!(masked_url("mysql://root:pass/d"), "mysql://***");
        assert_eq!(masked_url("mysql://h/d"), "mysql://h/d");
        assert_eq!(masked_url("mysql://h:3306/d"), "mysql://h:3306/d");
        assert_eq!(masked_property("sasl.password=x"), "sasl.password=***");
        assert_eq!(masked_property("group.protocol=consumer"), "group.protocol=consumer");
        assert_eq!(masked_property("no equals sign"), "***");
    }

    #[test]
    fn service_addresses_have_no_path() {
        assert_eq!("http://h:1/".parse::<BaseUrl>().expect("good").as_str(), "http://h:1");
        for wrong in ["h:1", "https://h:1", "http://h:1/x", "http://u:p@h:1", "http://"] {
            assert!(wrong.parse::<BaseUrl>().is_err(), "{wrong}");
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
