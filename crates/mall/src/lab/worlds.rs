//! The worlds in which this build can run scenarios.

use clap::Args;
use lab::scenario::{Setup, WorldName};
use lab::simulation::SimulatedWorld;
use lab::simulation::log::{Brokers, LogKind};
use lab::world::{Trouble, World};
use shop::text;

use super::processes::{Processes, Servers};
use crate::config::{BootstrapServers, DatabaseUrl};

/// The worlds of this build, in the sequence in which they are chosen if nobody names one.
pub const HERE: &[WorldName] = &[
    WorldName::Simulated,
    WorldName::SimulatedKafka,
    WorldName::Embedded,
    WorldName::Real,
];

/// The options that name the servers of the real world.
#[derive(Debug, Args)]
#[command(next_help_heading = "For --world real")]
pub struct ServerOptions {
    /// Kafka's brokers; a scenario gets a topic and a group of its own there
    #[arg(long, value_name = "HOST:PORT", requires = "database_url")]
    bootstrap_server: Option<BootstrapServers>,

    /// MySQL or MariaDB; a scenario gets a database of its own there
    #[arg(long, value_name = "URL", requires = "bootstrap_server")]
    database_url: Option<DatabaseUrl>,
}

impl ServerOptions {
    /// The servers, if they are given.
    pub fn servers(&self) -> Option<Servers> {
        Some(Servers {
            kafka: self.bootstrap_server.clone()?,
            database: self.database_url.clone()?,
        })
    }
}

/// A world that is set up so.
///
/// # Errors
/// This build has no such world, or it can't be made now.
pub fn world(name: WorldName, setup: &Setup, servers: Option<&Servers>) -> Result<Box<dyn World>, Trouble> {
    match (name, servers) {
        (WorldName::Simulated, _) => Ok(Box::new(SimulatedWorld::new(setup, LogKind::Embedded)?)),
        (WorldName::SimulatedKafka, _) => Ok(Box::new(SimulatedWorld::new(
            setup,
            LogKind::Kafka(Brokers::default()),
        )?)),
        (WorldName::Embedded, _) => Ok(Box::new(Processes::start(setup, None)?)),
        (WorldName::Real, Some(servers)) => Ok(Box::new(Processes::start(setup, Some(servers))?)),
        (other, _) => Err(Trouble::CannotBeShown(text!(
            "this build has no world {other}",
            "이 빌드에는 {other} 실행 환경이 없음"
        ))),
    }
}
