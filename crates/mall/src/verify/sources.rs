//! The log and the databases that `mall verify` reads. It creates nothing in them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use keylane_log::{EventLog, Extent, LogError, Offset, Record};
use shop::domain::Source;
use shop::store::{self, Store};
use tokio::runtime::Runtime;

use crate::adapters::log::{explained, open_existing_log};
use crate::adapters::{look_into_store, open_store_to_read};
use crate::config::{self, Storage};
use crate::data_dir::{self, DataFile, InUse};
use crate::scan;

/// How many records of each partition are read at a time where reading may be stopped.
const PIECE: u64 = 20_000;

/// The options that say where the history of orders is.
#[derive(Debug, Args)]
pub struct HistoryOptions {
    /// Topic of order and delivery events
    #[arg(long, env = "MALL_TOPIC", default_value = "kafka.scaling", value_parser = config::topic)]
    pub topic: String,

    /// Consumer group of the delivery instances
    #[arg(long, env = "MALL_GROUP", default_value = "delivery", value_parser = config::name)]
    pub group: String,

    #[command(flatten)]
    pub storage: Storage,
}

/// The log and both services' databases.
pub struct Sources {
    pub log: Arc<dyn EventLog>,
    pub topic: String,
    pub group: String,
    orders: Arc<dyn Store>,
    deliveries: Arc<dyn Store>,
    storage: Storage,
    runtime: Runtime,
    stop: Option<Arc<AtomicBool>>,
    _in_use: Option<InUse>,
}

impl Sources {
    /// Opens the log and both databases.
    pub fn open(options: &HistoryOptions) -> Result<Self> {
        let HistoryOptions { topic, group, storage } = options;
        let log = existing_log(storage)?;
        let in_use = storage.uses_folder().then(|| data_dir::hold(&storage.data));
        let in_use = in_use.transpose()?;
        let open = async |source| open_store_to_read(storage, source).await;
        let mut sources = Self::with_stores(log, (storage, topic, group), open)?;
        sources._in_use = in_use;
        Ok(sources)
    }

    /// Opens the log and both databases as they are: nothing is waited for or brought up to date.
    ///
    /// # Errors
    /// Says what is not there, or can't be read.
    pub fn look_into(storage: &Storage, topic: &str, group: &str) -> Result<Self> {
        let log = existing_log(storage)?;
        Self::with_stores(log, (storage, topic, group), async |source| {
            Ok(look_into_store(storage, source).await?)
        })
    }

    fn with_stores(
        log: Arc<dyn EventLog>,
        (storage, topic, group): (&Storage, &str, &str),
        open: impl AsyncFn(Source) -> Result<Arc<dyn Store>>,
    ) -> Result<Self> {
        let runtime = runtime()?;
        let opened = async { Ok::<_, anyhow::Error>((open(Source::Orders).await?, open(Source::Deliveries).await?)) };
        let (orders, deliveries) = runtime.block_on(opened)?;
        Ok(Self {
            log,
            topic: topic.to_owned(),
            group: group.to_owned(),
            orders,
            deliveries,
            storage: storage.clone(),
            runtime,
            stop: None,
            _in_use: None,
        })
    }

    /// The same sources, from which nothing can be read any more once `stop` says so: whoever reads a long history ends then.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// Reads from the order service's database.
    pub fn of_orders<'a, T, F>(&'a self, ask: impl FnOnce(&'a dyn Store) -> F) -> Result<T>
    where
        F: Future<Output = store::Result<T>>,
    {
        self.go_on()?;
        let answer = self.runtime.block_on(ask(self.orders.as_ref()));
        answer.map_err(|error| anyhow!("the orders can't be read: {error}"))
    }

    /// Reads from the delivery service's database.
    pub fn of_deliveries<'a, T, F>(&'a self, ask: impl FnOnce(&'a dyn Store) -> F) -> Result<T>
    where
        F: Future<Output = store::Result<T>>,
    {
        self.go_on()?;
        let answer = self.runtime.block_on(ask(self.deliveries.as_ref()));
        answer.map_err(|error| anyhow!("the deliveries can't be read: {error}"))
    }

    /// Gives every record within these extents to `see`, those of each partition in their order. Answers with the next offset
    /// of each partition. Where reading may be stopped, it is done in pieces.
    pub fn each_record(&self, extents: &[Extent], mut see: impl FnMut(&Record)) -> Result<Vec<Offset>> {
        let piece = self.stop.as_ref().map_or(u64::MAX, |_| PIECE);
        let mut read: Vec<Offset> = extents.iter().map(|extent| extent.start).collect();
        let mut from = read.clone();
        loop {
            self.go_on()?;
            let piece = pieces(extents, &from, piece);
            let scanned = scan::each_record(self.log.as_ref(), &self.topic, &piece, &mut see);
            for ((read, end), piece) in read.iter_mut().zip(self.of_log(scanned)?).zip(&piece) {
                *read = if piece.start < piece.end { end } else { *read };
            }
            from = piece.iter().map(|piece| piece.end).collect();
            if from.iter().zip(extents).all(|(from, extent)| *from >= extent.end) {
                return Ok(read);
            }
        }
    }

    /// Fails once reading is to be stopped.
    fn go_on(&self) -> Result<()> {
        match &self.stop {
            Some(stop) if stop.load(Relaxed) => bail!("nobody wants to know any more"),
            _ => Ok(()),
        }
    }

    /// The log's answer, with the error that a person is told.
    pub fn of_log<T>(&self, answer: Result<T, LogError>) -> Result<T> {
        answer.map_err(|error| anyhow!(explained(&error, &self.storage)))
    }
}

/// The next piece of each extent from these offsets on, of so many records at most.
fn pieces(extents: &[Extent], from: &[Offset], most: u64) -> Vec<Extent> {
    let piece = |(extent, from): (&Extent, &Offset)| Extent {
        start: *from,
        end: extent.end.min(Offset(from.0.saturating_add(most))).max(*from),
    };
    extents.iter().zip(from).map(piece).collect()
}

fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    runtime.context("can't start the asynchronous runtime")
}

/// The log of a mall whose databases exist as well, because opening an embedded database would create it.
fn existing_log(storage: &Storage) -> Result<Arc<dyn EventLog>> {
    let log = open_existing_log(storage)?;
    if storage.database_url.is_some() {
        return Ok(log);
    }
    for database in [DataFile::Orders, DataFile::Deliveries] {
        if !storage.data.join(database.name()).exists() {
            bail!(
                "there is no {database} in {}: both services must have run there",
                storage.data.display()
            );
        }
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_each_extent_once() {
        let extent = |start, end| Extent {
            start: Offset(start),
            end: Offset(end),
        };
        let extents = [extent(3, 10), extent(0, 0), extent(5, 6), extent(0, 4)];
        let mut from: Vec<Offset> = extents.iter().map(|extent| extent.start).collect();
        let mut covered = vec![Vec::new(); extents.len()];
        for _ in 0..3 {
            let piece = pieces(&extents, &from, 3);
            for (covered, piece) in covered.iter_mut().zip(&piece) {
                covered.extend(piece.start.0..piece.end.0);
            }
            from = piece.iter().map(|piece| piece.end).collect();
        }
        for (extent, covered) in extents.iter().zip(covered) {
            assert_eq!(covered, (extent.start.0..extent.end.0).collect::<Vec<_>>());
        }
        assert_eq!(pieces(&extents, &from, u64::MAX)[0], extent(10, 10));
    }
}
