//! How an event that took effect stands to those that took effect before it. Without a fence it may stand anywhere.

use crate::domain::{DeliveryBefore, Version};

/// The place of an event's effect among the effects on a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// It is the next one, or nothing can be told, because the event has no version.
    Next,
    /// Versions before it have not taken effect.
    Early,
    /// It has taken effect before.
    Again,
    /// A later version has taken effect before it, and what that one did is overwritten.
    Late,
}

impl Sequence {
    /// The place of an event of this version that met the delivery in this state.
    pub fn of(version: Option<Version>, before: &DeliveryBefore) -> Self {
        let Some(version) = version else { return Self::Next };
        match version {
            version if version < before.version => Self::Late,
            version if version == before.version => Self::Again,
            version if version == before.version.next() => Self::Next,
            _ => Self::Early,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_late_early_or_next() {
        let before = DeliveryBefore {
            version: Version(3),
            status: None,
        };
        let of = |version| Sequence::of(Some(Version(version)), &before);
        assert_eq!(
            [1, 2, 3, 4, 5].map(of),
            [
                Sequence::Late,
                Sequence::Late,
                Sequence::Again,
                Sequence::Next,
                Sequence::Early
            ]
        );
        assert_eq!(Sequence::of(None, &before), Sequence::Next, "nothing can be told");
    }
}
