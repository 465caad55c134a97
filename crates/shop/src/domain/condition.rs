//! The condition that a caller sets on a row's version (`If-Match` and `If-None-Match`, RFC 9110, 13.1).

use super::Version;

/// The versions that a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Every version of an existing row (`*`).
    Any,
    /// The versions of this list; an empty list names none.
    These(Vec<Version>),
}

/// A condition on the version of an existing row. The default admits every version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// The row's version must be one of these (`If-Match`).
    pub one_of: Option<Versions>,
    /// The row's version must be none of these (`If-None-Match`).
    pub none_of: Option<Versions>,
}

impl Versions {
    fn contain(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.contains(&version),
        }
    }
}

impl Condition {
    /// Whether a row of this version meets the condition.
    pub fn admits(&self, version: Version) -> bool {
        self.allows(version) && !self.excludes(version)
    }

    /// Whether a row of this version meets the condition's `If-Match` half.
    pub fn allows(&self, version: Version) -> bool {
        self.one_of.as_ref().is_none_or(|versions| versions.contain(version))
    }

    /// Whether a row of this version violates the condition's `If-None-Match` half.
    pub fn excludes(&self, version: Version) -> bool {
        self.none_of.as_ref().is_some_and(|versions| versions.contain(version))
    }
}
