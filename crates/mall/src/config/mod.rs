//! The options: what they are, and where their values come from.
//!
//! ```text
//!  command line  >  MALL_… in the environment  >  mall.toml  >  default
//! ```
//!
//! clap reads the command line and the environment, and gets the file's values as defaults. So one parser checks every value,
//! whichever way it came.
//!
//! # Invariants
//! * A wrong value is refused before anything starts, naming option, value, source and what is allowed.
//! * No secret is shown: not by `mall config`, not in a help text, not in an error.

mod command_token;
mod database_url;
mod file;
mod idle;
mod java_properties;
mod masked;
mod options;
mod origin;
mod refusal;
mod shown;
mod value;

pub use command_token::{COMMAND_TOKEN, command_token, raw_command_token};
pub use database_url::DatabaseUrl;
pub use file::{ConfigFile, wants_json};
pub use idle::{hide_idle_options, idle_options, refuse_idle_options, refuse_misspelt_variables};
pub use options::{
    COURSE, CourseValue, DeliveryOptions, Guard, KeyMode, Ports, RoleOptions, Settings, Storage, properties_of,
};
pub use origin::{PassedOn, listing, origin_of, passed_on};
pub use refusal::{usage_of, without_values};
pub use shown::shown;
pub use value::{BootstrapServers, Property, duration, lanes, name, port, topic};
