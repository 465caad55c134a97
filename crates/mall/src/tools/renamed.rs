//! Options that Kafka has renamed: the older name still works, with a warning.

use super::ToolError;
use super::args::Given;
use crate::console;

/// Options of a tool that have a newer name.
#[derive(Debug)]
pub struct Renamed {
    /// Each older name with the newer one.
    pub pairs: &'static [(&'static str, &'static str)],
    /// How the tool's warning about an older name begins.
    pub warning: &'static str,
    /// Whether the newer name comes first where both were given.
    pub newer_first: bool,
}

impl Renamed {
    /// Refuses an option that was given under both names.
    pub fn refuse_both(&self, given: &Given) -> Result<(), ToolError> {
        let both = |(old, new): &&(&str, &str)| given.has(old) && given.has(new);
        let Some((old, new)) = self.pairs.iter().find(both) else {
            return Ok(());
        };
        let (first, second) = if self.newer_first { (new, old) } else { (old, new) };
        Err(ToolError::Usage(format!(
            "Options --{first} and --{second} cannot be specified together."
        )))
    }

    /// Warns of older names on standard output, as Kafka's tools do.
    pub fn warn(&self, given: &Given) {
        let used = self.pairs.iter().filter(|(old, _)| given.has(old));
        let warnings = used.map(|(old, new)| {
            let warning = self.warning;
            format!("{warning} --{old} is deprecated and will be removed in a future version. Use --{new} instead.\n")
        });
        let _ = console::print(&warnings.collect::<String>());
    }
}
