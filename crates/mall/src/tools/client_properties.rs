//! Properties of Java's Kafka client for librdkafka, which has other names for some and no use for others.

use crate::config::{Property, Storage};
use crate::console;

use super::ToolError;
use super::properties::property;

/// What becomes of a property that Java's client has.
enum Fate {
    /// librdkafka has it under this name.
    Named(&'static str),
    /// Kafka's tool gives its client another value anyway.
    Dropped,
    /// It has no effect here, which is said with this reason.
    Ignored(&'static str),
    /// It can't be followed; this is what to do instead.
    Refused(&'static str),
    /// Its value has another form.
    Converted(fn(&str) -> Result<Converted, String>),
}

/// What a value was converted to: properties, and what is said about it.
#[derive(Default)]
struct Converted {
    properties: Vec<(&'static str, String)>,
    remark: Option<&'static str>,
}

impl Converted {
    fn to(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            properties: vec![(name, value.into())],
            remark: None,
        }
    }
}

const OPENSSL: &str = "OpenSSL's own choice is used";
const NO_CLASSES: &str = "classes of Java can't be used here";
const PEM: &str = "give the certificates as a PEM file by ssl.ca.location, or by ssl.truststore.location itself (keytool \
                   -exportcert -rfc writes one)";

const FATES: [(&str, Fate); 43] = [
    ("key.serializer", Fate::Dropped),
    ("value.serializer", Fate::Dropped),
    ("key.deserializer", Fate::Dropped),
    ("value.deserializer", Fate::Dropped),
    ("acks", Fate::Converted(acks)),
    ("request.required.acks", Fate::Converted(acks)),
    ("enable.idempotence", Fate::Converted(idempotence)),
    ("fetch.max.wait.ms", Fate::Named("fetch.wait.max.ms")),
    ("max.request.size", Fate::Named("message.max.bytes")),
    ("send.buffer.bytes", Fate::Named("socket.send.buffer.bytes")),
    ("receive.buffer.bytes", Fate::Named("socket.receive.buffer.bytes")),
    ("buffer.memory", Fate::Converted(buffer_memory)),
    ("max.block.ms", Fate::Refused("give --max-block-ms")),
    ("max.poll.records", Fate::Ignored("records are printed as they come")),
    (
        "delivery.timeout.ms",
        Fate::Ignored("--max-block-ms says how long a message may wait"),
    ),
    (
        "default.api.timeout.ms",
        Fate::Ignored("every request has a timeout of its own"),
    ),
    (
        "socket.connection.setup.timeout.max.ms",
        Fate::Ignored("socket.connection.setup.timeout.ms counts"),
    ),
    ("metric.reporters", Fate::Ignored("there are no such metrics here")),
    (
        "metrics.recording.level",
        Fate::Ignored("there are no such metrics here"),
    ),
    ("metrics.num.samples", Fate::Ignored("there are no such metrics here")),
    (
        "metrics.sample.window.ms",
        Fate::Ignored("there are no such metrics here"),
    ),
    (
        "auto.include.jmx.reporter",
        Fate::Ignored("there are no such metrics here"),
    ),
    ("partitioner.class", Fate::Refused(NO_CLASSES)),
    ("interceptor.classes", Fate::Refused(NO_CLASSES)),
    ("sasl.login.class", Fate::Refused(NO_CLASSES)),
    ("sasl.login.callback.handler.class", Fate::Refused(NO_CLASSES)),
    ("sasl.client.callback.handler.class", Fate::Refused(NO_CLASSES)),
    ("ssl.engine.factory.class", Fate::Refused(NO_CLASSES)),
    ("config.providers", Fate::Refused(NO_CLASSES)),
    ("transactional.id", Fate::Refused("there are no transactions here")),
    ("partition.assignment.strategy", Fate::Converted(assignors)),
    ("sasl.jaas.config", Fate::Converted(jaas)),
    ("ssl.truststore.location", Fate::Converted(truststore)),
    ("ssl.truststore.certificates", Fate::Named("ssl.ca.pem")),
    ("ssl.truststore.password", Fate::Ignored("a PEM file has none")),
    ("ssl.truststore.type", Fate::Converted(truststore_type)),
    ("ssl.keystore.type", Fate::Converted(keystore_type)),
    ("ssl.keystore.certificate.chain", Fate::Named("ssl.certificate.pem")),
    ("ssl.keystore.key", Fate::Named("ssl.key.pem")),
    ("ssl.endpoint.identification.algorithm", Fate::Converted(host_names)),
    ("ssl.protocol", Fate::Ignored(OPENSSL)),
    ("ssl.enabled.protocols", Fate::Ignored(OPENSSL)),
    ("ssl.provider", Fate::Ignored(OPENSSL)),
];

/// Properties that Kafka's consumer tool acts on itself, or that other tools' clients have no use for.
const CONSUMERS: [&str; 3] = ["group.id", "auto.offset.reset", "enable.auto.commit"];

/// Properties that need no warning on the embedded log, which has no transactions.
const EVERYWHERE: [&str; 1] = ["isolation.level"];

/// Adds the properties that a tool was given, in librdkafka's words, and says which have no effect.
///
/// # Errors
/// Names a property that can't be followed.
pub fn add(given: Vec<Property>, is_consumer: bool, storage: &mut Storage) -> Result<(), ToolError> {
    let mut added = Vec::new();
    for property in given {
        let consumers = CONSUMERS.contains(&property.name.as_str());
        match property.name.as_str() {
            "bootstrap.servers" if storage.bootstrap_server.is_none() => {
                return Err(ToolError::Refused(
                    "the property bootstrap.servers does not count: give --bootstrap-server, without which this is the \
                     embedded log"
                        .into(),
                ));
            }
            // As in Kafka's tools, the option counts.
            "bootstrap.servers" => {}
            _ if consumers && !is_consumer => {}
            _ => {
                let (properties, remark) = translated(property)?;
                remark.iter().for_each(|remark| console::say(remark));
                added.extend(properties);
            }
        }
    }
    if storage.bootstrap_server.is_none() {
        say_what_is_idle(&added);
    }
    storage.kafka_property.extend(added);
    Ok(())
}

fn say_what_is_idle(properties: &[Property]) {
    let names = properties.iter().map(|property| property.name.as_str());
    let idle: Vec<_> = names
        .filter(|name| !CONSUMERS.contains(name) && !EVERYWHERE.contains(name))
        .collect();
    if !idle.is_empty() {
        console::say(&format!("WARN the embedded log has no use for {}", idle.join(", ")));
    }
}

/// Translates a property. Returns the properties that librdkafka is given for it, and what is said about it.
fn translated(given: Property) -> Result<(Vec<Property>, Option<String>), ToolError> {
    let name = given.name.as_str();
    let Some((_, fate)) = FATES.iter().find(|(known, _)| *known == name) else {
        return Ok((vec![given], None));
    };
    let refused = |why: &str| ToolError::Refused(format!("the property {name} is not supported here: {why}"));
    let converted = match fate {
        Fate::Named(other) => Converted::to(other, given.value.as_str()),
        Fate::Dropped => Converted::default(),
        Fate::Ignored(why) => Converted {
            properties: Vec::new(),
            remark: Some(why),
        },
        Fate::Refused(instead) => return Err(refused(instead)),
        Fate::Converted(convert) => convert(&given.value).map_err(|why| refused(&why))?,
    };
    let remark = converted
        .remark
        .map(|why| format!("WARN the property {name} has no effect here: {why}"));
    let properties = converted.properties.iter();
    Ok((properties.map(|(name, value)| property(name, value)).collect(), remark))
}

fn acks(value: &str) -> Result<Converted, String> {
    match value {
        "all" | "-1" => Ok(Converted::default()),
        "0" | "1" => Ok(Converted {
            remark: Some("a message counts as appended once all replicas in sync have it"),
            ..Converted::default()
        }),
        _ => Err("allowed: all, -1, 0, 1".into()),
    }
}

fn idempotence(value: &str) -> Result<Converted, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(Converted::default()),
        "false" => Ok(Converted {
            remark: Some("what is tried again is never appended twice"),
            ..Converted::default()
        }),
        _ => Err("allowed: true, false".into()),
    }
}

fn buffer_memory(value: &str) -> Result<Converted, String> {
    let bytes: u64 = value.parse().map_err(|_| "allowed: a number of bytes")?;
    Ok(Converted::to(
        "queue.buffering.max.kbytes",
        bytes.div_ceil(1024).max(1).to_string(),
    ))
}

fn assignors(value: &str) -> Result<Converted, String> {
    let known = [
        ("RangeAssignor", "range"),
        ("RoundRobinAssignor", "roundrobin"),
        ("CooperativeStickyAssignor", "cooperative-sticky"),
    ];
    let assignor = |class: &str| {
        let class = class.trim();
        let name = class
            .strip_prefix("org.apache.kafka.clients.consumer.")
            .unwrap_or(class);
        let found = known.iter().find(|(java, ours)| name == *java || name == *ours);
        found
            .map(|(_, ours)| *ours)
            .ok_or_else(|| format!("allowed: {}", known.map(|(java, _)| java).join(", ")))
    };
    let names: Vec<_> = value.split(',').map(assignor).collect::<Result<_, _>>()?;
    Ok(Converted::to("partition.assignment.strategy", names.join(",")))
}

/// The user and the password of a line such as `…ScramLoginModule required username="mall" password="secret";`.
fn jaas(value: &str) -> Result<Converted, String> {
    let module = value.split_whitespace().next().unwrap_or_default();
    if !["PlainLoginModule", "ScramLoginModule"]
        .iter()
        .any(|known| module.ends_with(known))
    {
        return Err(
            "only PlainLoginModule and ScramLoginModule are known; Kerberos has sasl.kerberos.principal and \
             sasl.kerberos.keytab, OAuth has sasl.oauthbearer.…"
                .into(),
        );
    }
    let option = |name: &str| {
        let (_, rest) = value.split_once(&format!("{name}=\""))?;
        quoted(rest)
    };
    match (option("username"), option("password")) {
        (Some(user), Some(password)) => Ok(Converted {
            properties: vec![("sasl.username", user), ("sasl.password", password)],
            remark: None,
        }),
        _ => Err("it has to hold username=\"…\" and password=\"…\"".into()),
    }
}

/// The text up to the closing quote, in which a backslash stands before a quote or a backslash.
fn quoted(rest: &str) -> Option<String> {
    let (mut text, mut characters) = (String::new(), rest.chars());
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}

fn truststore(value: &str) -> Result<Converted, String> {
    let lower = value.to_ascii_lowercase();
    match [".jks", ".p12", ".pfx"].iter().any(|ending| lower.ends_with(ending)) {
        true => Err(PEM.into()),
        false => Ok(Converted::to("ssl.ca.location", value)),
    }
}

fn truststore_type(value: &str) -> Result<Converted, String> {
    match value.eq_ignore_ascii_case("pem") {
        true => Ok(Converted::default()),
        false => Err(PEM.into()),
    }
}

fn keystore_type(value: &str) -> Result<Converted, String> {
    match value.to_ascii_uppercase().as_str() {
        "PKCS12" => Ok(Converted::default()),
        "PEM" => Err("give ssl.certificate.location and ssl.key.location".into()),
        _ => Err("a PKCS#12 file is needed (keytool -importkeystore -deststoretype PKCS12 makes one)".into()),
    }
}

/// Java checks no host names if the algorithm is empty.
fn host_names(value: &str) -> Result<Converted, String> {
    let value = if value.is_empty() { "none" } else { value };
    Ok(Converted::to("ssl.endpoint.identification.algorithm", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What librdkafka is given, and what is said or why it is refused.
    fn fate(name: &str, value: &str) -> (Vec<(String, String)>, String) {
        match translated(property(name, value)) {
            Ok((properties, remark)) => {
                let pairs = properties.into_iter().map(|property| (property.name, property.value));
                (pairs.collect(), remark.unwrap_or_default())
            }
            Err(ToolError::Refused(why) | ToolError::Other(why) | ToolError::Usage(why)) => (Vec::new(), why),
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_librdkafka_calls_otherwise_is_renamed_or_converted() {
        for ((name, value), expected) in [
            (("security.protocol", "SSL"), &[("security.protocol", "SSL")][..]),
            (("fetch.max.wait.ms", "5"), &[("fetch.wait.max.ms", "5")]),
            (("buffer.memory", "2049"), &[("queue.buffering.max.kbytes", "3")]),
            (("key.serializer", "a.B"), &[]),
            (("acks", "all"), &[]),
            (
                (
                    "partition.assignment.strategy",
                    "org.apache.kafka.clients.consumer.RangeAssignor,roundrobin",
                ),
                &[("partition.assignment.strategy", "range,roundrobin")],
            ),
            (
                ("ssl.truststore.location", "/ca.pem"),
                &[("ssl.ca.location", "/ca.pem")],
            ),
            (
                ("ssl.endpoint.identification.algorithm", ""),
                &[("ssl.endpoint.identification.algorithm", "none")],
            ),
            (
                (
                    "sasl.jaas.config",
                    "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"p=;\";",
                ),
                &[("sasl.username", "u"), ("sasl.password", "p=;")],
            ),
        ] {
            assert_eq!(fate(name, value), (pairs(expected), String::new()), "{name}");
        }
    }

    #[test]
    fn a_quoted_option_may_hold_quotes_and_backslashes() {
        assert_eq!(quoted(r#"a\"b\\c" x="y""#).as_deref(), Some(r#"a"b\c"#));
        assert_eq!(quoted(r#"never closed\""#), None);
    }

    #[test]
    fn what_has_no_effect_is_said_and_what_cannot_be_followed_is_refused() {
        for (name, value, says) in [
            ("acks", "1", "has no effect"),
            ("max.poll.records", "1", "has no effect"),
            ("acks", "7", "allowed: all"),
            ("transactional.id", "x", "no transactions"),
            ("ssl.truststore.location", "a.JKS", "ssl.ca.location"),
            (
                "sasl.jaas.config",
                "com.sun.security.auth.module.Krb5LoginModule required;",
                "sasl.kerberos.keytab",
            ),
            (
                "sasl.jaas.config",
                "x.PlainLoginModule required password=\"hunter2\";",
                "username",
            ),
        ] {
            let (properties, said) = fate(name, value);
            assert!(
                properties.is_empty() && said.contains(name) && said.contains(says),
                "{said}"
            );
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
