//! The worlds in which this build can run scenarios.

use lab::scenario::{Setup, WorldName};
use lab::simulation::SimulatedWorld;
use lab::world::{Trouble, World};
use shop::text;

use super::processes::Processes;

/// The worlds of this build, in the sequence in which they are chosen if nobody names one.
pub const HERE: &[WorldName] = &[WorldName::Simulated, WorldName::Embedded];

/// A world that is set up so.
///
/// # Errors
/// This build has no such world, or it can't be made now.
pub fn world(name: WorldName, setup: &Setup) -> Result<Box<dyn World>, Trouble> {
    match name {
        WorldName::Simulated => Ok(Box::new(SimulatedWorld::new(setup)?)),
        WorldName::Embedded => Ok(Box::new(Processes::start(setup)?)),
        other => Err(Trouble::CannotBeShown(text!(
            "this build has no world {other}",
            "이 빌드에는 {other} 세계가 없음"
        ))),
    }
}
