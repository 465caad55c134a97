//! The options themselves, as clap reads them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use shop::text;
use shop::text::Text;
use web::BaseUrl;
use web::Origin;

use super::database_url::DatabaseUrl;
use super::java_properties;
use super::shown::masked_text;
use super::value::{self, BootstrapServers, Property};
use crate::exit::Usage;
use crate::language::LanguageOption;
use crate::net::{FIRST_DELIVERY_PORT, GATEWAY_PORT, ORDER_PORT, Port};
use crate::telemetry::LogFormat;

/// Where log and databases are: in the data folder, or in Kafka and MySQL.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where things are kept")]
pub struct Storage {
    /// Folder of the embedded log and databases
    #[arg(long, env = "MALL_DATA", value_name = "DIR", required = false, value_parser = clap::builder::OsStringValueParser::new().try_map(value::path))]
    pub data: PathBuf,

    /// Kafka's brokers, instead of the embedded log
    #[arg(long, env = "MALL_BOOTSTRAP_SERVER", value_name = "HOST:PORT")]
    pub bootstrap_server: Option<BootstrapServers>,

    /// MySQL or MariaDB, instead of the embedded database; created when missing
    #[arg(long, env = "MALL_DATABASE_URL", value_name = "URL")]
    pub database_url: Option<DatabaseUrl>,

    /// A property of the Kafka client; repeatable (TLS, SASL, group.protocol=consumer, …)
    #[arg(long, env = "MALL_KAFKA_PROPERTY", value_name = "K=V", value_delimiter = '\n')]
    pub kafka_property: Vec<Property>,

    /// A file of such properties, one a line; --kafka-property wins
    #[arg(long, env = "MALL_KAFKA_CONFIG", value_name = "FILE", value_parser = clap::builder::OsStringValueParser::new().try_map(value::path))]
    pub kafka_config: Option<PathBuf>,

    /// Configuration file, instead of mall.toml in the working directory
    #[arg(long, env = "MALL_CONFIG", value_name = "FILE", value_parser = clap::builder::OsStringValueParser::new().try_map(value::path))]
    pub config: Option<PathBuf>,
}

/// The options that the roles have in common.
#[derive(Debug, Clone, Args)]
pub struct RoleOptions {
    #[command(flatten)]
    pub storage: Storage,

    /// Topic of order and delivery events; created when missing
    #[arg(long, env = "MALL_TOPIC", default_value = "kafka.scaling", value_parser = value::topic, help_heading = EVENTS)]
    pub topic: String,

    /// Consumer group of the delivery instances
    #[arg(long, env = "MALL_GROUP", default_value = "delivery", value_parser = value::name, help_heading = EVENTS)]
    pub group: String,

    /// Partitions of the topic when it is created
    #[arg(long, env = "MALL_PARTITIONS", default_value = "1", value_name = "N",
          value_parser = value::partitions, help_heading = EVENTS)]
    pub partitions: u32,

    /// Message key of the events
    #[arg(long, env = "MALL_KEY", default_value = "order-id", value_enum, help_heading = EVENTS)]
    pub key: KeyMode,

    /// The fence of the delivery service, which decides whether an event takes effect
    #[arg(long, env = "MALL_GUARD", default_value = "version", value_enum, help_heading = EVENTS)]
    pub guard: Guard,

    /// Orders that one delivery instance handles at once; 1: one record at a time, whatever its order
    #[arg(long, env = "MALL_LANES", default_value = "64", value_name = "N", value_parser = value::lanes, help_heading = EVENTS)]
    pub lanes: usize,

    /// How long a version that can't come any more is waited for before the order service is asked for it
    #[arg(long, env = "MALL_GAP_DEADLINE", default_value = "60s", value_parser = value::positive, value_name = "TIME", help_heading = EVENTS)]
    pub gap_deadline: Duration,

    /// The course's starting point: --key none --guard off --lanes 1; options given beside it win
    #[arg(long, env = "MALL_COURSE", value_parser = clap::builder::BoolishValueParser::new(), help_heading = EVENTS)]
    pub course: bool,

    /// Lets this role join others whose --key, --guard or --lanes differ from its own, which is refused otherwise
    #[arg(long, env = "MALL_MIXED", value_parser = clap::builder::BoolishValueParser::new(), help_heading = EVENTS)]
    pub mixed: bool,

    /// How long the slow work of a modification takes
    #[arg(long, env = "MALL_MODIFY_DELAY", default_value = "10s", value_parser = value::duration, value_name = "TIME", help_heading = EVENTS)]
    pub modify_delay: Duration,

    /// The only customer whose modifications are slow [default: everyone]
    #[arg(long, env = "MALL_MODIFY_DELAY_CUSTOMER", value_name = "ID", value_parser = value::customer, help_heading = EVENTS)]
    pub modify_delay_customer: Option<i64>,

    /// How long the log keeps records (embedded log)
    #[arg(long, env = "MALL_LOG_RETENTION", default_value = "7d", value_parser = value::positive, value_name = "TIME", help_heading = EVENTS)]
    pub log_retention: Duration,

    /// After how long of silence a delivery instance counts as dead
    #[arg(long, env = "MALL_SESSION_TIMEOUT", default_value = "10s", value_parser = value::positive, value_name = "TIME", help_heading = EVENTS)]
    pub session_timeout: Duration,

    /// How long a role that is to stop finishes the work in flight
    #[arg(long, env = "MALL_SHUTDOWN_TIMEOUT", default_value = "30s", value_parser = value::duration, value_name = "TIME", help_heading = NETWORK)]
    pub shutdown_timeout: Duration,

    /// Address to listen on; another than loopback needs --insecure
    #[arg(long, env = "MALL_LISTEN", default_value = "127.0.0.1", value_parser = value::listen, value_name = "IP", help_heading = NETWORK)]
    pub listen: IpAddr,

    /// Listens on an address that other machines can reach: whoever reaches it may place and change orders. The page's commands
    /// to the mall's processes need a token there, which is given in the variable MALL_COMMAND_TOKEN
    #[arg(long, env = "MALL_INSECURE", value_parser = clap::builder::BoolishValueParser::new(), help_heading = NETWORK)]
    pub insecure: bool,

    /// Has the gateway take no write, neither orders nor commands; with mall up the services then listen on the loopback alone
    #[arg(long, env = "MALL_READ_ONLY", value_parser = clap::builder::BoolishValueParser::new(), help_heading = NETWORK)]
    pub read_only: bool,

    /// Origin whose pages may call from a browser, besides this machine's; repeatable (https://shop.example)
    // The text is shown as help, where a link would have brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, env = "MALL_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', help_heading = NETWORK)]
    pub cors_origin: Vec<Origin>,

    /// Address of a reverse proxy whose Forwarded and X-Forwarded-… headers are believed, besides this machine's; it must set or
    /// clear each of them. Repeatable
    #[arg(long, env = "MALL_TRUSTED_PROXY", value_name = "IP", value_delimiter = ',', value_parser = value::address, help_heading = NETWORK)]
    pub trusted_proxy: Vec<IpAddr>,

    /// Where the order service is [default: http://127.0.0.1:8081]
    #[arg(long, env = "MALL_ORDER_URL", value_name = "URL", help_heading = NETWORK)]
    pub order_url: Option<BaseUrl>,

    /// Where a delivery instance is [default: http://127.0.0.1:8082]
    #[arg(long, env = "MALL_DELIVERY_URL", value_name = "URL", help_heading = NETWORK)]
    pub delivery_url: Option<BaseUrl>,

    /// How log lines look
    #[arg(long, env = "MALL_LOG", default_value = "text", value_enum, help_heading = LOGS)]
    pub log: LogFormat,

    /// What is logged: error, warn, info, debug or trace, also per module
    #[arg(long, env = "MALL_LOG_LEVEL", default_value = "info", value_parser = value::level, value_name = "LEVEL", help_heading = LOGS)]
    pub log_level: String,

    #[command(flatten)]
    pub language: LanguageOption,
}

const EVENTS: &str = "Events";
const NETWORK: &str = "Network";
const LOGS: &str = "Logs";

/// The options of `mall up` that it does not pass on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What to start")]
pub struct Ports {
    /// How many delivery instances to run
    #[arg(long, env = "MALL_DELIVERIES", default_value = "1", value_name = "N", value_parser = value::deliveries)]
    pub deliveries: u16,

    /// Port of the order service
    #[arg(long, env = "MALL_ORDER_PORT", default_value_t = ORDER_PORT, value_parser = value::port)]
    pub order_port: u16,

    /// Port of the first delivery instance; the others take the next free ones [default: the first free one from 8082 on]
    #[arg(long, env = "MALL_DELIVERY_PORT", value_parser = value::port)]
    pub delivery_port: Option<u16>,

    /// Port of the gateway
    #[arg(long, env = "MALL_GATEWAY_PORT", default_value_t = GATEWAY_PORT, value_parser = value::port)]
    pub gateway_port: u16,
}

/// The options that only a delivery instance has.
#[derive(Debug, Clone, Args)]
pub struct DeliveryOptions {
    /// Name of this instance in log lines and in the group [default: delivery-1 on port 8082, and so on]
    #[arg(long, env = "MALL_NAME", value_parser = value::name)]
    pub name: Option<String>,
}

/// Everything that a role is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The common options, checked.
    pub options: RoleOptions,
    /// The port to listen on.
    pub port: Port,
    /// The name of a delivery instance. Without one it is named after its port.
    pub name: Option<String>,
    /// A sentence about each option that was given and has no effect on this role.
    pub idle: Vec<String>,
}

impl Settings {
    pub fn new(options: RoleOptions, port: Port, idle: Vec<String>) -> Self {
        Self {
            options,
            port,
            name: None,
            idle,
        }
    }

    /// The same settings with a name, if there is one.
    #[must_use]
    pub fn named(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }

    /// Warns of the options that have no effect on this role. Called once the log can be written.
    pub fn warn_of_idle_options(&self) {
        self.idle.iter().for_each(|sentence| tracing::warn!("{sentence}"));
    }
}

/// The message key of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyMode {
    /// The order's number: all events of an order go to one partition, in order
    OrderId,
    /// None: each producer takes the partitions in turn
    None,
}

/// The rule by which an event takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Guard {
    /// By its version: each event takes effect once and in order, and an early one waits
    Version,
    /// Without a rule: events take effect as they come
    Off,
}

impl KeyMode {
    /// The mode as it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderId => "order-id",
            Self::None => "none",
        }
    }
}

impl Guard {
    /// The mode as it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Off => "off",
        }
    }
}

/// What `--course` decides about one option, if nobody gives that option beside it.
#[derive(Debug, Clone, Copy)]
pub struct CourseValue {
    pub option: &'static str,
    /// The value as it would be written on the command line.
    pub value: &'static str,
    set: fn(&mut RoleOptions),
}

/// Everything that `--course` decides.
pub const COURSE: [CourseValue; 3] = [
    CourseValue {
        option: "key",
        value: "none",
        set: |options| options.key = KeyMode::None,
    },
    CourseValue {
        option: "guard",
        value: "off",
        set: |options| options.guard = Guard::Off,
    },
    CourseValue {
        option: "lanes",
        value: "1",
        set: |options| options.lanes = 1,
    },
];

impl Storage {
    /// Where the log is, in words.
    pub fn log_place(&self) -> Text {
        match &self.bootstrap_server {
            Some(servers) => {
                let servers = servers.as_str();
                text!("Kafka at {servers}", "Kafka {servers}")
            }
            None => self.embedded(),
        }
    }

    /// Where the databases are, in words, without a password.
    pub fn database_place(&self) -> Text {
        match &self.database_url {
            Some(url) => url.to_string().into(),
            None => self.embedded(),
        }
    }

    fn embedded(&self) -> Text {
        let data = self.data_place();
        text!("embedded, in {data}", "내장({data})")
    }

    /// The whole path of the data folder, since the same relative one means another folder elsewhere.
    pub fn data_place(&self) -> String {
        let data = std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone());
        data.display().to_string()
    }

    /// Whether log or databases are in the data folder.
    pub fn uses_folder(&self) -> bool {
        self.bootstrap_server.is_none() || self.database_url.is_none()
    }

    /// The value of a property of the Kafka client, if it was given; the last one counts.
    pub fn kafka_property(&self, name: &str) -> Option<String> {
        // A file that can't be read was refused before.
        let properties = self.kafka_properties().unwrap_or_default();
        let given = properties.into_iter().rfind(|(given, _)| given == name);
        given.map(|(_, value)| value)
    }

    /// Whether the brokers share out the partitions (KIP-848).
    pub fn has_newer_protocol(&self) -> bool {
        let protocol = self.kafka_property("group.protocol");
        protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
    }

    /// The option that says where the databases are.
    pub fn place_option(&self) -> &'static str {
        match &self.database_url {
            Some(_) => "--database-url",
            None => "--data",
        }
    }

    /// The properties for the Kafka client, those of the file first so that later ones win.
    pub fn kafka_properties(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut properties = match &self.kafka_config {
            Some(path) => trimmed(properties_of(path)?),
            None => Vec::new(),
        };
        properties.extend(self.kafka_property.iter().map(|p| (p.name.clone(), p.value.clone())));
        Ok(properties)
    }
}

/// The properties as Kafka's clients take them: blanks around a value don't count.
fn trimmed(properties: Vec<(String, String)>) -> Vec<(String, String)> {
    let trimmed = |(name, value): (String, String)| (name, value.trim().to_owned());
    properties.into_iter().map(trimmed).collect()
}

/// Reads a file of properties in Java's form.
pub fn properties_of(path: &std::path::Path) -> anyhow::Result<Vec<(String, String)>> {
    let place = masked_text(&path.to_string_lossy());
    let bytes = std::fs::read(path).map_err(|error| Usage(format!("can't read the properties in {place}: {error}")))?;
    Ok(properties_in(&bytes, &place)?)
}

/// The properties in such a file. `place` names the file in messages, which repeat nothing of the text.
fn properties_in(bytes: &[u8], place: &str) -> Result<Vec<(String, String)>, Usage> {
    java_properties::parse(bytes).map_err(|line| {
        Usage(format!(
            "line {line} of {place} is not a property; allowed: NAME=VALUE (security.protocol=SSL), with \\u and four \
             hexadecimal digits for a character by its number"
        ))
    })
}

impl RoleOptions {
    /// The order service's address, given or the usual one.
    pub fn order_url(&self) -> BaseUrl {
        self.order_url.clone().unwrap_or_else(|| BaseUrl::local(ORDER_PORT))
    }

    /// The address of a delivery instance, given or the usual one of the first.
    pub fn delivery_url(&self) -> BaseUrl {
        let local = || BaseUrl::local(FIRST_DELIVERY_PORT);
        self.delivery_url.clone().unwrap_or_else(local)
    }

    /// The address on which a role of this kind listens that `mall up` starts. Beside a gateway that only reads, no other machine
    /// may write to the services.
    pub fn listen_of(&self, kind: &str) -> IpAddr {
        match self.read_only && !self.listen.is_loopback() && kind != "gateway" {
            true => Ipv4Addr::LOCALHOST.into(),
            false => self.listen,
        }
    }

    /// Takes these values of the course.
    pub fn follow_course(&mut self, decided: &[CourseValue]) {
        decided.iter().for_each(|course| (course.set)(self));
    }

    /// Checks the rules that concern several options.
    pub fn check(&self) -> anyhow::Result<()> {
        self.storage.kafka_properties()?;
        if !self.listen.is_loopback() && !self.insecure {
            let listen = self.listen;
            anyhow::bail!(Usage(format!(
                "--listen {listen} can be reached from other machines, whose users may then place and change orders: add \
                 --insecure if that is intended, or give a loopback address (127.0.0.1)"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_properties_file_never_panics_and_is_never_quoted(
            text in "([a-z.]{0,8}[ =:#!\\\\]{0,3}[QZЖ0-9=\\t ]{0,8}(\n|\r\n|\u{0}|)){0,6}",
        ) {
            match properties_in(text.as_bytes(), "the file") {
                Ok(properties) => prop_assert!(properties.iter().all(|(name, _)| !name.is_empty())),
                Err(Usage(error)) => prop_assert!(!error.contains(['Q', 'Z', 'Ж']), "{error}"),
            }
        }
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let Usage(error) = properties_in(b"a=b\nsasl.password=hunter2\\u12\n", "f").expect_err("no property");
        assert!(error.contains("line 2 of f") && !error.contains("hunter2"), "{error}");
    }
}
