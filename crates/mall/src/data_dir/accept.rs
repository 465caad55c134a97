//! Goes on without what a data folder has lost, after a person agreed: `mall reset --accept-loss`.
//!
//! | gone | made good by |
//! |---|---|
//! | `orders.db` | a new one that numbers orders from behind the highest number ever given out |
//! | `deliveries.db` | all groups read the log from the first record kept; the order service is asked for what is older |
//! | `log.db` | every event of the journals is published anew; what was applied is recognised and passed over |

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use rusqlite::Connection;
use shop::domain::Source;
use stores::sqlite::SqliteStore;

use super::judge::{Files, Loss, highest, judge};
use super::keep::Folder;
use super::look::{File, Open, State, Trouble};

impl From<Trouble> for anyhow::Error {
    fn from(trouble: Trouble) -> Self {
        anyhow!("{trouble}")
    }
}

/// What is gone, if anything is.
pub fn loss(folder: &Folder) -> Result<Option<Loss>> {
    Ok(judge(&folder.look()?))
}

/// Makes good one loss after the other; a sentence about each. To be called while no role runs on the folder.
pub fn accept(folder: &Folder) -> Result<Vec<String>> {
    let mut told = Vec::new();
    loop {
        let files = folder.look()?;
        let Some(loss) = judge(&files) else { break };
        if !loss.is_acceptable() {
            bail!("{loss}");
        }
        told.push(mend(folder, &files, &loss)?);
        forget(folder, &files, loss.file)?;
    }
    folder.introduce()?;
    Ok(told)
}

fn mend(folder: &Folder, files: &Files, loss: &Loss) -> Result<String> {
    let dir = folder.dir();
    if files.get(&loss.file) == Some(&State::Empty) {
        clear(dir, loss.file)?;
    }
    match loss.file {
        File::Orders => {
            create_store(dir, loss.file, Source::Orders)?;
            let last = highest(files).max(known_to_deliveries(dir, files)?);
            let sql = format!("insert into sqlite_sequence (name, seq) values ('Order_table', {last})");
            run(dir, File::Orders, &sql)?;
            Ok(format!("orders.db is new; the next order is number {}.", last + 1))
        }
        File::Deliveries => {
            create_store(dir, loss.file, Source::Deliveries)?;
            if files.get(&File::Log).is_none() {
                return Ok(
                    "deliveries.db is new; set the group's offsets to the beginning with kafka-consumer-groups \
                           --reset-offsets --to-earliest."
                        .into(),
                );
            }
            run(
                dir,
                File::Log,
                "update group_partitions set committed = null, metadata = ''",
            )?;
            Ok("deliveries are made anew: every group reads the log from the first record that it holds.".into())
        }
        File::Log => {
            let keep = EmbeddedOptions {
                retention_age: None,
                retention_bytes: None,
            };
            drop(EmbeddedLog::open(dir, keep)?);
            if files.contains_key(&File::Orders) {
                run(dir, File::Orders, "update order_event set published = 0")?;
                run(
                    dir,
                    File::Deliveries,
                    "update delivery_event set published = 0; update dead_letter set published = 0",
                )?;
            }
            Ok("every event of the journals will be published anew.".into())
        }
    }
}

/// Takes away what SQLite would not know what to do with: a write-ahead log of another file.
fn clear(dir: &Path, file: File) -> Result<()> {
    for end in ["", "-wal", "-shm"] {
        let path = dir.join(format!("{file}{end}"));
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn create_store(dir: &Path, file: File, source: Source) -> Result<()> {
    drop(SqliteStore::open(&dir.join(file.name()), source)?);
    Ok(())
}

/// Deliveries name the orders that they are for.
fn known_to_deliveries(dir: &Path, files: &Files) -> Result<i64> {
    if !matches!(files.get(&File::Deliveries), Some(State::There(_))) {
        return Ok(0);
    }
    let last = "select max(coalesce((select max(order_id) from order_cursor), 0),
                       coalesce((select max(orderId) from Delivery_table), 0))";
    let ask = |connection: &Connection| connection.query_row(last, [], |row| row.get(0));
    Ok(Open::new(dir, File::Deliveries)?.write(ask)?)
}

/// Nobody knows any more how far this file had come.
fn forget(folder: &Folder, files: &Files, lost: File) -> Result<()> {
    for file in files.keys().filter(|file| **file != lost) {
        if let State::There(facts) = &files[file]
            && facts.neighbours.contains_key(&lost)
        {
            let sql = format!("delete from neighbour where file = '{lost}'");
            run(folder.dir(), *file, &sql)?;
        }
    }
    Ok(())
}

/// A file that isn't there has nothing to be changed.
fn run(dir: &Path, file: File, sql: &str) -> Result<()> {
    if dir.join(file.name()).exists() {
        Open::new(dir, file)?.write(|connection| connection.execute_batch(sql))?;
    }
    Ok(())
}
