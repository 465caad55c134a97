//! `mall doctor`: looks at everything that the mall depends on, and says what is wrong there and what helps. It changes
//! nothing.
//!
//! ```text
//!   machine: data folder, turnstiles, ports ┐
//!   log: broker, topic, records, members ───┼─▶ Report ─▶ lines and an exit code
//!   database: reachable, its clock, writes ─┤
//!   orders: harm, if the history is short ──┤
//!   roles that run: their own account ──────┘
//! ```

mod database;
mod harm;
mod log;
mod machine;
mod members;
mod records;
mod report;
mod roles;
mod services;
mod skew;
mod topic;
mod unread;
mod waiting;

use anyhow::Result;

use crate::config::{Ports, RoleOptions};
use crate::exit::Exit;
use report::Report;

use crate::console;

/// Looks at everything that the mall would use with these options, and prints what was found.
pub fn run(ports: &Ports, options: &RoleOptions) -> Result<Exit> {
    let mut report = Report::default();
    machine::look(ports, options, &mut report);
    log::look(options, &mut report);
    if let Some(url) = &options.storage.database_url {
        database::look(url, options, &mut report)?;
    } else {
        waiting::look_at_files(options, &mut report)?;
    }
    harm::look(options, &mut report);
    let _ = console::print(&options.language.read(report.lines()));
    Ok(report.exit())
}
