//! What the options are, and where their values come from.
//!
//! ```text
//!  command line  >  MALL_… in the environment  >  mall.toml  >  default
//! ```
//!
//! clap reads the command line and the environment, and is given the file's values as defaults: so one parser checks
//! every value, whichever way it came.
//!
//! # Invariants
//! * A wrong value is refused before anything starts, naming option, value, source and what is allowed.
//! * No secret is shown: not by `mall config`, not in a help text, not in an error.

mod file;
mod options;
mod origin;
mod refusal;
mod value;

pub use file::File;
pub use options::{COURSE, DeliveryOptions, Guard, KeyMode, Ports, RoleOptions, Settings, Storage, properties_of};
pub use origin::{listing, origin_of, passed_on};
pub use refusal::usage_of;
pub use value::{BaseUrl, DatabaseUrl, Property, duration, name, port, topic};

/// Options whose values are never shown.
const SECRET: [&str; 3] = ["database-url", "kafka-property", "admin-token"];

/// What stands where a secret was.
const MASK: &str = "***";

/// The value of an option as it may be shown to people.
pub fn shown(option: &str, value: &str) -> String {
    match option {
        "admin-token" => MASK.to_owned(),
        "database-url" => value::masked_url(value),
        "kafka-property" => value::masked_property(value),
        _ => value.to_owned(),
    }
}
