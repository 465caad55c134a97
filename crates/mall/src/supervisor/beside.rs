//! Other malls beside this one: a second `mall up` on the same data folder is refused, unless it is meant.

use std::path::Path;

use anyhow::Result;
use shop::domain::Source;

use super::switch::Switch;
use crate::adapters::log::{OpenFor, open_log};
use crate::config::{RoleOptions, Storage};
use crate::data_dir::{MallUp, mall_up};
use crate::exit::Usage;
use crate::modes::Modes;
use crate::modes::objection::{self, Joining, Past};

/// Refuses to start beside another `mall up` of the folder.
pub fn refuse_second(options: &RoleOptions) -> Result<()> {
    let Some(dir) = shared_folder(options) else {
        return Ok(());
    };
    match mall_up::running(dir)? {
        Some(account) => Err(refusal(&options.storage, &account).into()),
        None => Ok(()),
    }
}

/// Refuses delivery instances that would not fit into their group, before anything starts. Only the embedded log can be asked
/// at once; on Kafka each instance looks by itself, and waits for whoever may have crashed.
pub fn refuse_misfits(options: &RoleOptions) -> Result<()> {
    if options.storage.bootstrap_server.is_some() {
        return Ok(());
    }
    let joining = Joining {
        group: options.group.clone(),
        name: None,
        past: Past::Other,
        modes: Modes::of(options),
        mixed: options.mixed,
    };
    // What is wrong with the log is told by the roles, which wait for it.
    let members = open_log(&options.storage, OpenFor::Reading).and_then(|log| {
        let members = log.map(|log| log.members(&options.group)).transpose()?;
        Ok(members.unwrap_or_default())
    });
    match objection::to_joining(&joining, &members.unwrap_or_default()) {
        Some(objection) => Err(Usage(objection.sentence()).into()),
        None => Ok(()),
    }
}

/// The place of the only `mall up` of a folder.
pub struct Place {
    held: MallUp,
    orders: String,
    modes: Modes,
}

/// Takes the place of the only `mall up` of the folder, if one is used. `orders` is where the order service listens.
pub fn claim(options: &RoleOptions, orders: &str) -> Result<Option<Place>> {
    let Some(dir) = shared_folder(options) else {
        return Ok(None);
    };
    let modes = Modes::of(options);
    match mall_up::claim(dir, &account(orders, modes))? {
        Some(held) => Ok(Some(Place {
            held,
            orders: orders.to_owned(),
            modes,
        })),
        None => Err(refusal(&options.storage, "it has only just been started").into()),
    }
}

impl Place {
    /// Has others read of the modes that were switched to.
    pub fn tell(&mut self, switched: Switch) {
        self.held.tell(&account(&self.orders, switched.on(self.modes)));
    }
}

fn account(orders: &str, modes: Modes) -> String {
    let flags = modes.flags(Source::Deliveries);
    format!("process {}, orders at {orders}, {flags}", std::process::id())
}

/// The folder of which there is to be one `mall up`; none if it is not used, or several are meant.
fn shared_folder(options: &RoleOptions) -> Option<&Path> {
    let storage = &options.storage;
    (storage.uses_folder() && !options.mixed).then_some(&storage.data)
}

fn refusal(storage: &Storage, account: &str) -> Usage {
    Usage(format!(
        "another mall up runs on {} already ({account}): end it with Ctrl-C in its terminal, start a delivery instance beside it with \
         mall delivery in the same modes, or give this one a folder of its own with --data; --mixed if two are meant",
        storage.data_place()
    ))
}
