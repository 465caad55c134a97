//! The worlds in which this build can run scenarios.

use lab::scenario::{Setup, WorldName};
use lab::world::{Trouble, World};
use shop::text;

/// The worlds of this build, in the sequence in which they are chosen if nobody names one.
pub const HERE: &[WorldName] = &[];

/// A world that is set up so.
///
/// # Errors
/// This build has no such world, or it can't be made now.
pub fn world(name: WorldName, _setup: &Setup) -> Result<Box<dyn World>, Trouble> {
    Err(Trouble::CannotBeShown(text!(
        "this build has no world {name}",
        "이 빌드에는 {name} 세계가 없음"
    )))
}
