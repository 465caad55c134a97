//! Where a mall runs: on the embedded default in a folder of its own, or on real Kafka and MariaDB with a topic, a group
//! and a database of its own.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::required;
use super::role::Role;

pub struct Stack {
    pub folder: TempDir,
    pub real: Option<Real>,
}

/// Names and addresses on the real services.
#[derive(Debug, Clone)]
pub struct Real {
    pub kafka: String,
    pub mysql: String,
    /// Where the mall goes to the database, where that isn't `mysql`: through a gate, with an account of its own.
    pub database_door: Option<String>,
    pub database: String,
    pub topic: String,
    pub group: String,
}

impl Real {
    /// The database as the mall is given it.
    pub fn database_url(&self) -> String {
        let server = self.database_door.as_ref().unwrap_or(&self.mysql);
        format!("{server}/{}", self.database)
    }
}

impl Stack {
    pub fn embedded() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            real: None,
        }
    }

    /// A stack of its own on the services that `./test` started.
    #[track_caller]
    pub fn real() -> Self {
        Self::on(&required("MALL_TEST_KAFKA"))
    }

    /// The same with these brokers.
    #[track_caller]
    pub fn on(brokers: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let real = Real {
            kafka: brokers.to_owned(),
            mysql: required("MALL_TEST_MYSQL"),
            database_door: None,
            database: format!("mall-{name}"),
            topic: format!("kafka.scaling.{name}"),
            group: format!("delivery-{name}"),
        };
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            real: Some(real),
        }
    }

    /// `mall` with these arguments and the options that make it run on this stack.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(args);
        match &self.real {
            None => command.arg("--data").arg(self.folder.path().join("mall-data")),
            Some(real) => command
                .args([
                    "--bootstrap-server",
                    &real.kafka,
                    "--topic",
                    &real.topic,
                    "--group",
                    &real.group,
                ])
                .arg("--database-url")
                .arg(real.database_url()),
        };
        command
    }

    /// `mall` with these arguments alone, away from the environment and files of whoever runs the tests.
    pub fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mall"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MALL_") {
                command.env_remove(name);
            }
        }
        // Messages are in the language of the locale.
        command.env("LC_ALL", "C.UTF-8");
        command.args(args).current_dir(self.folder.path());
        command
    }

    /// Starts a role on a free port, and waits until it listens.
    #[track_caller]
    pub fn role(&self, role: &str, args: &[&str]) -> Role {
        let mut command = self.command(&[role, "--port", "0"]);
        let started = Role::start(role, command.args(args));
        started.address();
        started
    }

    /// Runs `mall` to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args)
            .output()
            .unwrap_or_else(|error| panic!("mall {args:?}: {error}"))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(real) = &self.real {
            let _ = super::tools::mariadb(real, &format!("drop database if exists `{}`", real.database));
        }
    }
}
