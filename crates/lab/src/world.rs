//! A world: a mall in which a scenario can happen.
//!
//! ```text
//!  Setup ─▶ World ◀─ act, advance, settle ─ the runner of scenarios
//!             └───── observations, history ─▶
//! ```
//! A world is made for one run, with a [`Setup`](crate::scenario::Setup), and is gone with its value. It begins with an empty
//! topic and empty databases, so that the first order has the number 1, and is handed over once every process of the setup
//! serves and every partition has its instance.
//!
//! # Invariants
//! * An action is done when [`World::act`] returns. What comes of it happens later, while the runner waits.
//! * A world refuses what it can't do honestly ([`Trouble::CannotBeShown`]); it leaves nothing out in silence.

use std::fmt;

use observe::Observation;
use shop::domain::OrderId;
use shop::text::Text;

use crate::checker::History;
use crate::scenario::Action;

/// A mall in which a scenario can happen.
pub trait World {
    /// Does one action, and returns once it has been done. A request has been answered then, a process serves or has ended.
    ///
    /// # Errors
    /// The world can't do that at all, or could not do it now.
    fn act(&mut self, action: &Action) -> Result<Answer, Trouble>;

    /// Lets the mall run until something more has been observed.
    ///
    /// # Errors
    /// The world has failed.
    fn advance(&mut self) -> Result<Progress, Trouble>;

    /// Lets the mall run until nothing moves any more: every journal has been published, every record handled, every offset
    /// committed, as far as anybody is there to do it.
    ///
    /// # Errors
    /// The mall doesn't come to rest, or the world has failed.
    fn settle(&mut self) -> Result<(), Trouble>;

    /// What happened since the last call, in its sequence.
    fn observations(&mut self) -> Vec<Observation>;

    /// Everything that the checker needs.
    ///
    /// # Errors
    /// It can't be read.
    fn history(&mut self) -> Result<History, Trouble>;
}

/// How an action was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was done, and the order has this number.
    Placed(OrderId),
    /// It was refused, in these words.
    Refused(String),
}

/// Whether the mall still moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Something was observed.
    Moved,
    /// Nothing moves any more, however long one waits.
    Still,
}

/// Why a world could not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// This world never can, for this reason.
    CannotBeShown(Text),
    /// It failed this time.
    Failed(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotBeShown(why) => f.write_str(&why.english),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Trouble {}
