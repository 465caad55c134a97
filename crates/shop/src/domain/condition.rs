//! What a caller demands of a row's version (`If-Match` and `If-None-Match`, RFC 9110, 13.1).

use super::Version;

/// Versions that a caller names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Whichever there is (`*`).
    Any,
    /// One of these; none of them, if the list is empty.
    These(Vec<Version>),
}

/// A demand on the version of a row that exists. By default there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// It must be one of these (`If-Match`).
    pub one_of: Option<Versions>,
    /// It must be none of these (`If-None-Match`).
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
    /// Whether a row of this version meets the demand.
    pub fn admits(&self, version: Version) -> bool {
        self.allows(version) && !self.excludes(version)
    }

    /// Whether the version is one of those that it must be one of.
    pub fn allows(&self, version: Version) -> bool {
        self.one_of.as_ref().is_none_or(|versions| versions.contain(version))
    }

    /// Whether the version is one of those that it must not be.
    pub fn excludes(&self, version: Version) -> bool {
        self.none_of.as_ref().is_some_and(|versions| versions.contain(version))
    }
}
