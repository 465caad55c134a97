//! `mall parked`: shows what is parked and what went to the dead letters, and marks parked events with what a person decides.
//! A delivery instance that runs acts on the marks.

mod shown;

use anyhow::Result;
use clap::{Args, Subcommand};
use shop::domain::{OrderId, Source, Version};
use shop::parked;
use shop::store::Store;

use crate::adapters::{open_store, open_store_to_read};
use crate::clock::now;
use crate::config::Storage;
use crate::data_dir::DataFile;
use crate::exit::Exit;
use crate::{console, runtime};

/// How many orders are read and printed at a time.
const PAGE: usize = 1000;
/// How many events or dead letters are read and printed at a time. Each may be as large as a record can be.
const LARGE_PAGE: usize = 100;

/// The commands of `mall parked`.
#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// Lists the orders of which something is parked, and the dead letters
    List(ParkedArgs),
    /// Shows what is parked of an order
    Show {
        /// The order's number
        order: i64,
        #[command(flatten)]
        at: ParkedArgs,
    },
    /// Has an order's first parked event handled once more, as the order service wrote it, and then what stands behind it
    Retry {
        /// The order's number
        order: i64,
        #[command(flatten)]
        at: ParkedArgs,
    },
    /// Has one version of an order passed over: it never takes effect
    Discard {
        /// The order's number
        order: i64,
        /// The version of the event
        version: i64,
        #[command(flatten)]
        at: ParkedArgs,
    },
}

/// The options that all of them have.
#[derive(Debug, Args)]
pub struct ParkedArgs {
    #[command(flatten)]
    storage: Storage,
}

/// Runs a command.
pub fn run(command: ParkedCommand) -> Result<Exit> {
    let storage = match &command {
        ParkedCommand::List(at)
        | ParkedCommand::Show { at, .. }
        | ParkedCommand::Retry { at, .. }
        | ParkedCommand::Discard { at, .. } => &at.storage,
    };
    // Opening the database would create it.
    if storage.database_url.is_none() && !storage.data.join(DataFile::Deliveries.name()).exists() {
        console::say(&format!(
            "There is no deliveries.db in {}, so it can't be told what is parked: no delivery instance has run there; check \
             --data.",
            storage.data.display()
        ));
        return Ok(Exit::COULD_NOT);
    }
    let runtime = runtime::on_this_thread()?;
    runtime.block_on(async {
        let store = match command {
            ParkedCommand::List(_) | ParkedCommand::Show { .. } => {
                open_store_to_read(storage, Source::Deliveries).await?
            }
            ParkedCommand::Retry { .. } | ParkedCommand::Discard { .. } => {
                open_store(storage, Source::Deliveries).await?
            }
        };
        act(&*store, &command).await
    })
}

async fn act(store: &dyn Store, command: &ParkedCommand) -> Result<Exit> {
    match command {
        ParkedCommand::List(_) => list(store).await,
        ParkedCommand::Show { order, .. } => show(store, OrderId(*order)).await,
        ParkedCommand::Retry { order, .. } => {
            let retried = parked::retry(store, OrderId(*order), now()).await?;
            Ok(told(shown::retried(OrderId(*order), retried.as_ref())))
        }
        ParkedCommand::Discard { order, version, .. } => {
            let (order, version) = (OrderId(*order), Version(*version));
            let marked = parked::discard(store, order, version, now()).await?;
            Ok(told(shown::discarded(order, version, marked)))
        }
    }
}

/// Prints orders and dead letters until all are printed, or nobody reads any more.
async fn list(store: &dyn Store) -> Result<Exit> {
    let (mut keys, mut after) = (shown::orders(), OrderId::BEFORE_ALL);
    loop {
        let page = store.parked_keys(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.order_id;
        if console::print(&keys.page(page.iter().map(|key| shown::order_row(key, now())))).is_err() {
            return Ok(Exit::DONE);
        }
    }
    let (mut letters, mut after) = (shown::letters(), 0);
    let total = keys.total(("Nothing is parked.", "order has", "orders have"), "something parked");
    let _ = console::print(&total);
    loop {
        let page = store.dead_letters(false, after, LARGE_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let first = if letters.is_empty() { "\n" } else { "" };
        let text = letters.page(page.iter().map(shown::letter_row));
        if console::print(&format!("{first}{text}")).is_err() {
            return Ok(Exit::DONE);
        }
    }
    if !letters.is_empty() {
        let _ = console::print(&letters.total(("", "dead letter", "dead letters"), "in all"));
    }
    Ok(Exit::DONE)
}

async fn show(store: &dyn Store, order: OrderId) -> Result<Exit> {
    let (mut total, mut after) = (0, Version(i64::MIN));
    loop {
        let events = store.parked_events(order, after, LARGE_PAGE).await?;
        let Some(last) = events.last() else { break };
        (total, after) = (total + events.len(), last.head.version);
        if console::print(&shown::events(&events, now())).is_err() {
            break;
        }
    }
    if total == 0 {
        console::say(&format!(
            "Nothing of order {order} is parked; mall parked list shows what is."
        ));
        return Ok(Exit::NO);
    }
    Ok(Exit::DONE)
}

/// Prints what was marked, or why nothing was, which ends with exit code 1.
fn told(said: Result<String, String>) -> Exit {
    let (Ok(text) | Err(text)) = &said;
    console::say(text);
    match said {
        Ok(_) => Exit::DONE,
        Err(_) => Exit::NO,
    }
}
