//! Where the processes of one world keep things: a folder of its own; and in the real world topics, a group and a database of
//! its own. All of it is gone with the world.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, Offset};
use lab::checker::{History, Selection};
use lab::scenario::{Assignor, Differently, Guard, Journal, KeyMode, Role, Setup};
use lab::world::Trouble;
use shop::delivery::DEAD_LETTERS;
use shop::domain::{OrderId, Source};
use shop::store::{Store, StoreError};
use shop::text;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::remains::Remains;
use crate::adapters::log::{OpenFor, kafka, open_log};
use crate::adapters::open_store;
use crate::config::{BootstrapServers, DatabaseUrl, Storage};
use crate::roles::gates;
use crate::verify::{HistoryOptions, Sources, gather};

/// The Kafka and the MySQL or MariaDB of the real world.
#[derive(Debug, Clone)]
pub struct Servers {
    /// Kafka's brokers.
    pub kafka: BootstrapServers,
    /// A server of databases; the database that it names is not touched.
    pub database: DatabaseUrl,
}

/// A folder with gates, and a log and databases in it or on servers.
pub struct Place {
    folder: TempDir,
    storage: Storage,
    /// The topic of the mall's events.
    pub topic: String,
    /// The group of the delivery instances.
    pub group: String,
    /// The topic of the dead letters.
    letters: String,
}

/// What the roles of a place share, opened by the world.
pub struct Shared {
    /// The log.
    pub log: Arc<dyn EventLog>,
    topic: String,
    group: String,
    orders: Arc<dyn Store>,
    deliveries: Arc<dyn Store>,
    /// The number of the last row of the apply history that was seen.
    last_apply: i64,
}

/// How far the mall has come. While two looks find the same, nothing has moved between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    ends: Vec<Offset>,
    committed: Vec<Option<Offset>>,
    unpublished: [Vec<i64>; 2],
    letters: usize,
    parked: Vec<(OrderId, i64)>,
    last_apply: i64,
}

impl Place {
    /// A place in which nothing has happened yet: on these servers, or without any.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn new(servers: Option<&Servers>) -> Result<Self, Trouble> {
        let cant = |error: std::io::Error| Trouble::Failed(format!("there is no folder for the scenario: {error}"));
        let folder = tempfile::Builder::new().prefix("mall-lab-").tempdir().map_err(cant)?;
        std::fs::create_dir(folder.path().join("gates")).map_err(cant)?;
        // Others may run scenarios on the same servers.
        let own = format!("{:08x}", fastrand::u32(..));
        let storage = Storage {
            data: folder.path().join("data"),
            bootstrap_server: servers.map(|servers| servers.kafka.clone()),
            database_url: servers.map(|servers| servers.database.of_database(&format!("mall_lab_{own}"))),
            kafka_property: Vec::new(),
            kafka_config: None,
            config: None,
        };
        let named = |name: &str| match servers {
            Some(_) => format!("{name}.lab-{own}"),
            None => name.to_owned(),
        };
        Ok(Self {
            folder,
            storage,
            topic: named("kafka.scaling"),
            group: named("delivery"),
            letters: named(DEAD_LETTERS),
        })
    }

    /// Whether the log is Kafka's.
    pub fn is_real(&self) -> bool {
        self.storage.bootstrap_server.is_some()
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.storage.data
    }

    /// The folder of the gates.
    pub fn gates(&self) -> PathBuf {
        self.folder.path().join("gates")
    }

    /// The command that starts a role on this port.
    ///
    /// # Errors
    /// It is not known where this program is.
    pub fn command(
        &self,
        (role, port): (Role, u16),
        setup: &Setup,
        with: &Differently,
        order_url: Option<String>,
    ) -> Result<Command, Trouble> {
        let program =
            std::env::current_exe().map_err(|error| Trouble::Failed(format!("this program is lost: {error}")))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MALL_")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.folder.path())
            .env(gates::FOLDER, self.gates())
            .env(gates::ROLE, role.to_string())
            .env(gates::LETTERS, &self.letters)
            .arg(match role {
                Role::Order(_) => "order",
                Role::Delivery(_) => "delivery",
            })
            .args([
                "--port",
                &port.to_string(),
                "--lang",
                "en",
                "--log",
                "text",
                "--log-level",
                "info",
            ])
            .args(["--topic", &self.topic, "--partitions", &setup.partitions.to_string()])
            .args(["--key", key(with.key.unwrap_or(setup.key))])
            .arg("--data")
            .arg(&self.storage.data);
        if let Some(servers) = &self.storage.bootstrap_server {
            command.args(["--bootstrap-server", servers.as_str()]);
        }
        if let Some(url) = &self.storage.database_url {
            // A password on a command line could be read by everybody on this machine.
            command.env("MALL_DATABASE_URL", url.expose());
        }
        if with.mixed {
            command.arg("--mixed");
        }
        if let Role::Delivery(_) = role {
            let guard = with.guard.unwrap_or(setup.guard);
            if guard == Guard::Version {
                command.args(["--gap-deadline", &time(setup.gap_deadline)]);
            }
            command
                .args(["--name", &role.to_string(), "--group", &self.group])
                .args(["--guard", guarded(guard)])
                .args(["--lanes", &with.lanes.unwrap_or(setup.lanes).to_string()])
                .args(["--modify-delay", &time(with.modify_delay.unwrap_or(setup.modify_delay))])
                .args(["--session-timeout", &time(setup.session_timeout)]);
            if self.is_real() {
                let (name, value) = assignor(setup.assignor);
                command.args(["--kafka-property", &format!("{name}={value}")]);
            }
            if let Some(url) = order_url {
                command.args(["--order-url", &url]);
            }
        }
        Ok(command)
    }

    /// Opens what the roles share, once they have made it.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(&self, runtime: &Runtime) -> Result<Shared, Trouble> {
        let log = open_log(&self.storage, OpenFor::Writing).map_err(|error| failed(&error))?;
        let store = |source| runtime.block_on(open_store(&self.storage, source));
        Ok(Shared {
            log: log.ok_or_else(|| Trouble::Failed("the log is gone".to_owned()))?,
            topic: self.topic.clone(),
            group: self.group.clone(),
            orders: store(Source::Orders).map_err(|error| Trouble::Failed(format!("{error:#}")))?,
            deliveries: store(Source::Deliveries).map_err(|error| Trouble::Failed(format!("{error:#}")))?,
            last_apply: 0,
        })
    }

    /// Everything that the checker needs.
    ///
    /// # Errors
    /// It can't be read.
    pub fn history(&self) -> Result<History, Trouble> {
        let options = HistoryOptions {
            topic: self.topic.clone(),
            group: self.group.clone(),
            storage: self.storage.clone(),
        };
        let mut everything = Selection::everything();
        let gathered = Sources::open(&options).and_then(|sources| gather(&sources, &mut everything));
        let gathered = gathered.map_err(|error| Trouble::Failed(format!("{error:#}")))?;
        Ok(History {
            partitions: gathered.partitions,
            ..everything.history
        })
    }

    /// Has the topic take no records above so many bytes; none: as many as by default.
    ///
    /// # Errors
    /// The embedded log has no such limit; or the brokers don't take it.
    pub fn limit(&self, bytes: Option<u32>) -> Result<(), Trouble> {
        let Some(kafka) = kafka(&self.storage) else {
            return Err(Trouble::CannotBeShown(text!(
                "the embedded log has no limit to the size of a record that could be set",
                "내장 로그에는 조정할 수 있는 레코드 크기 제한이 없음"
            )));
        };
        let bytes = bytes.map(|bytes| bytes.to_string());
        let limit: Vec<_> = bytes
            .iter()
            .map(|bytes| ("max.message.bytes", bytes.as_str()))
            .collect();
        let set = kafka.and_then(|kafka| kafka.set_topic_settings(&self.topic, &limit));
        set.map_err(|error| failed(&error))
    }

    /// What has to be removed in the end.
    pub fn remains(&self) -> Remains {
        Remains {
            folder: self.folder.path().to_owned(),
            storage: self.storage.clone(),
            topics: [self.topic.clone(), self.letters.clone()],
            group: self.group.clone(),
        }
    }
}

impl Shared {
    /// The database of a journal's service.
    pub fn store(&self, journal: Journal) -> &Arc<dyn Store> {
        match journal {
            Journal::Orders => &self.orders,
            Journal::Deliveries => &self.deliveries,
        }
    }

    /// How far the mall has come.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn standing(&mut self) -> Result<Standing, Trouble> {
        const MANY: usize = 1000;
        let unpublished = async |store: &Arc<dyn Store>, source| {
            let rows = store.unpublished(source, 0, MANY).await?;
            Ok::<Vec<i64>, StoreError>(rows.iter().map(|row| row.id).collect())
        };
        loop {
            let page = self
                .deliveries
                .applies(self.last_apply, MANY)
                .await
                .map_err(|error| of_store(&error))?;
            let Some(last) = page.last() else { break };
            self.last_apply = last.seq;
        }
        let read = async {
            let parked = self.deliveries.parked_keys(OrderId::BEFORE_ALL, MANY).await?;
            Ok::<_, StoreError>(Standing {
                ends: Vec::new(),
                committed: Vec::new(),
                unpublished: [
                    unpublished(&self.orders, Source::Orders).await?,
                    unpublished(&self.deliveries, Source::Deliveries).await?,
                ],
                letters: self.deliveries.dead_letters(true, 0, MANY).await?.len(),
                parked: parked.iter().map(|key| (key.order_id, key.parked)).collect(),
                last_apply: self.last_apply,
            })
        };
        let standing = read.await.map_err(|error| of_store(&error))?;
        let extents = self.log.extents(&self.topic).map_err(|error| failed(&error))?;
        Ok(Standing {
            ends: extents.iter().map(|extent| extent.end).collect(),
            committed: self
                .log
                .committed(&self.group, &self.topic)
                .map_err(|error| failed(&error))?,
            ..standing
        })
    }
}

impl Standing {
    /// Whether nothing is left to do: all is published, handled and committed, and nothing waits.
    pub fn is_done(&self) -> bool {
        let read = |(end, committed): (&Offset, &Option<Offset>)| {
            *end == Offset(0) || committed.is_some_and(|committed| committed >= *end)
        };
        self.unpublished.iter().all(Vec::is_empty)
            && self.letters == 0
            && self.parked.is_empty()
            && self.ends.iter().zip(&self.committed).all(read)
    }

    /// Whether something is parked, so that the gap deadline may have to be waited for.
    pub fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }
}

/// A failure of the log.
pub fn failed(error: &LogError) -> Trouble {
    Trouble::Failed(format!("the log: {error}"))
}

/// A failure of a database.
pub fn of_store(error: &StoreError) -> Trouble {
    Trouble::Failed(format!("the database: {error}"))
}

fn key(key: KeyMode) -> &'static str {
    match key {
        KeyMode::OrderId => "order-id",
        KeyMode::None => "none",
    }
}

fn guarded(guard: Guard) -> &'static str {
    match guard {
        Guard::Version => "version",
        Guard::Off => "off",
    }
}

/// A time as the options take it.
fn time(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// The client's property that chooses the assignor.
fn assignor(assignor: Assignor) -> (&'static str, &'static str) {
    const STRATEGY: &str = "partition.assignment.strategy";
    match assignor {
        Assignor::CooperativeSticky => (STRATEGY, "cooperative-sticky"),
        Assignor::Range => (STRATEGY, "range"),
        Assignor::RoundRobin => (STRATEGY, "roundrobin"),
        Assignor::Broker => ("group.protocol", "consumer"),
    }
}
