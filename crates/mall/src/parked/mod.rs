//! `mall parked`: what waits before the fence, what went to the dead letters, and what a person decides about it.

mod shown;

use anyhow::Result;
use clap::{Args, Subcommand};
use shop::domain::{OrderId, Source, Version};
use shop::parked::{self, Decided};
use shop::store::Store;

use crate::config::Storage;
use crate::exit::{self, Exit};
use crate::roles::{now, open_store};
use crate::tools;

/// Orders, events of one order, and dead letters that are shown at most.
const SHOWN: usize = 1000;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// Lists the orders of which something is parked, and the dead letters
    List(Where),
    /// Shows what is parked of an order
    Show {
        /// The order's number
        order: i64,
        #[command(flatten)]
        at: Where,
    },
    /// Has an order's first parked event handled once more, and then what stands behind it, in order
    Retry {
        /// The order's number
        order: i64,
        #[command(flatten)]
        at: Where,
    },
    /// Has one version of an order passed over: it never takes effect
    Discard {
        /// The order's number
        order: i64,
        /// The version of the event
        version: i64,
        #[command(flatten)]
        at: Where,
    },
}

/// Where to look.
#[derive(Debug, Args)]
pub struct Where {
    #[command(flatten)]
    storage: Storage,
}

/// Does it.
pub fn run(command: ParkedCommand) -> Result<Exit> {
    let storage = match &command {
        ParkedCommand::List(at)
        | ParkedCommand::Show { at, .. }
        | ParkedCommand::Retry { at, .. }
        | ParkedCommand::Discard { at, .. } => &at.storage,
    };
    // Whoever only looks creates nothing.
    if storage.database_url.is_none() && !storage.data.join("deliveries.db").exists() {
        exit::say(&format!(
            "There is no deliveries.db in {}, so it can't be told what is parked: no delivery instance has run there; check \
             --data.",
            storage.data.display()
        ));
        return Ok(Exit::COULD_NOT);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = open_store(storage, Source::Deliveries).await?;
        act(&*store, &command).await
    })
}

async fn act(store: &dyn Store, command: &ParkedCommand) -> Result<Exit> {
    match command {
        ParkedCommand::List(_) => list(store).await,
        ParkedCommand::Show { order, .. } => show(store, OrderId(*order)).await,
        ParkedCommand::Retry { order, .. } => {
            let decided = parked::retry(store, OrderId(*order), now()).await?;
            Ok(told(*order, decided, "will be handled once more", "Nothing of order"))
        }
        ParkedCommand::Discard { order, version, .. } => {
            let decided = parked::discard(store, OrderId(*order), Version(*version), now()).await?;
            let what = format!("Version {version} of order");
            Ok(told(
                *order,
                decided,
                "will be passed over in its turn, and never take effect",
                &what,
            ))
        }
    }
}

async fn list(store: &dyn Store) -> Result<Exit> {
    let keys = store.parked_keys(OrderId(0), SHOWN).await?;
    let letters = store.dead_letters(false, 0, SHOWN).await?;
    let _ = tools::print(&shown::list(&keys, &letters, now()));
    Ok(Exit::DONE)
}

async fn show(store: &dyn Store, order: OrderId) -> Result<Exit> {
    let events = store.parked_events(order, SHOWN).await?;
    if events.is_empty() {
        exit::say(&format!(
            "Nothing of order {order} is parked; mall parked list shows what is."
        ));
        return Ok(Exit::NO);
    }
    let _ = tools::print(&shown::events(&events, now()));
    Ok(Exit::DONE)
}

fn told(order: i64, decided: Decided, then: &str, missing: &str) -> Exit {
    match decided {
        Decided::Marked(version) => {
            exit::say(&format!(
                "Order {order} v{version} is marked: a delivery instance that runs acts on it; it {then}."
            ));
            Exit::DONE
        }
        Decided::NotParked => {
            exit::say(&format!("{missing} {order} is parked; mall parked list shows what is."));
            Exit::NO
        }
    }
}
