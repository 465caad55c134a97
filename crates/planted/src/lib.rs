//! Defects that can be planted into the code, to prove that the simulation finds them.
//!
//! The code asks at the place of each defect whether it [`is_in`]. Without the feature `active`, which no program that
//! ships has, the answer is a constant, and the compiler removes the question with the defect.
//!
//! # Invariants
//! * At most one bug is planted at a time, and it shows only on the thread that has planted it.

use std::fmt;
#[cfg(feature = "active")]
use std::{cell::Cell, marker::PhantomData};

macro_rules! bugs {
    ($($(#[doc = $doc:literal])* $bug:ident $name:literal)*) => {
        /// A defect that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[doc = $doc])* $bug,)*
        }

        impl Bug {
            /// All bugs.
            pub const ALL: &[Self] = &[$(Self::$bug,)*];

            /// The bug's name, such as `no-fence`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)*
                }
            }
        }
    };
}

bugs! {
    /// The version of an event is not compared with the cursor at all.
    NoFence "no-fence"
    /// The version is compared before the slow work, and not again after it.
    NoSecondCompare "no-second-compare"
    /// No cursor row exists before the first event of an order is decided on, so there is nothing to lock.
    NoCursorRow "no-cursor-row"
    /// The highest offset that is done is committed, although records before it are not done yet.
    HighestOffsetCommit "highest-offset-commit"
    /// A partition is given back while records of it are in flight.
    NoDrain "no-drain"
    /// What was taken under an older assignment of a partition counts for the present one.
    EpochNotChecked "epoch-not-checked"
    /// The relay passes over a row that the log refuses, and goes on with the order's next one.
    RelayPassesOver "relay-passes-over"
    /// The relay marks rows as published before the log has acknowledged them.
    MarkBeforeAcknowledgement "mark-before-acknowledgement"
    /// The lease of a parked event never expires.
    LeaseNeverExpires "lease-never-expires"
    /// An event is parked, and applying its predecessor does not hand it over.
    ParkWithoutWakeUp "park-without-wake-up"
    /// The metadata of a commit is believed without a look at the log's end.
    MetadataTrusted "metadata-trusted"
    /// When the log goes back, all that is queued is dropped, with what stands before the record it went back to.
    RewindDropsQueue "rewind-drops-queue"
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(feature = "active")]
thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether `bug` is planted on this thread.
#[cfg(feature = "active")]
#[inline]
pub fn is_in(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether `bug` is planted on this thread: never, without the feature `active`.
#[cfg(not(feature = "active"))]
#[inline(always)]
pub const fn is_in(_bug: Bug) -> bool {
    false
}

/// Plants `bug` on this thread, for as long as the returned value lives.
#[cfg(feature = "active")]
pub fn plant(bug: Bug) -> Planted {
    PLANTED.set(Some(bug));
    Planted(PhantomData)
}

/// Stands for a planted bug, which is removed when this value is dropped.
#[cfg(feature = "active")]
#[derive(Debug)]
pub struct Planted(PhantomData<*const ()>);

#[cfg(feature = "active")]
impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}
