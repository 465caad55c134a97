//! `mall reset --accept-loss`: goes on without what a data folder has lost, after a person has agreed.
//!
//! | lost file | what replaces it |
//! |---|---|
//! | `orders.db` | a new one that numbers orders from behind the highest number ever given out |
//! | `deliveries.db` | all groups read the log from the first record kept; the order service is asked for what is older |
//! | `log.db` | every event of the journals is published again; the delivery side recognises what it has applied |

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::Connection;
use shop::domain::Source;

use crate::adapters::create_sqlite_store;
use crate::adapters::log::create_embedded_log;
use crate::data_dir::{DataFile, FileState, Files, Folder, FolderError, Loss, OpenFile, highest, judge};

impl From<FolderError> for anyhow::Error {
    fn from(trouble: FolderError) -> Self {
        anyhow!("{trouble}")
    }
}

/// Replaces one lost file after the other; answers with a sentence about each. No role may run on the folder meanwhile.
pub fn accept(folder: &Folder) -> Result<Vec<String>> {
    let mut told = Vec::new();
    loop {
        let files = folder.look()?;
        let Some(loss) = judge(&files) else { break };
        if !loss.is_acceptable() {
            bail!("{loss}");
        }
        told.push(replace(folder, &files, &loss)?);
        forget(folder, &files, loss.file)?;
    }
    folder.introduce()?;
    Ok(told)
}

fn replace(folder: &Folder, files: &Files, loss: &Loss) -> Result<String> {
    let dir = folder.dir();
    if files.get(&loss.file) == Some(&FileState::Empty) {
        clear(dir, loss.file)?;
    }
    match loss.file {
        DataFile::Orders => {
            create_sqlite_store(dir, Source::Orders)?;
            let last = highest(files).max(known_to_deliveries(dir, files)?);
            let sql = format!("insert into sqlite_sequence (name, seq) values ('Order_table', {last})");
            run(dir, DataFile::Orders, &sql)?;
            Ok(format!("orders.db is new; the next order is number {}.", last + 1))
        }
        DataFile::Deliveries => {
            create_sqlite_store(dir, Source::Deliveries)?;
            if files.get(&DataFile::Log).is_none() {
                return Ok(
                    "deliveries.db is new; set the group's offsets to the beginning with kafka-consumer-groups \
                           --reset-offsets --to-earliest."
                        .into(),
                );
            }
            run(
                dir,
                DataFile::Log,
                "update group_partitions set committed = null, metadata = ''",
            )?;
            Ok("deliveries are created again: every group reads the log from the first record that it holds.".into())
        }
        DataFile::Log => {
            create_embedded_log(dir)?;
            if files.contains_key(&DataFile::Orders) {
                run(dir, DataFile::Orders, "update order_event set published = 0")?;
                run(
                    dir,
                    DataFile::Deliveries,
                    "update delivery_event set published = 0; update dead_letter set published = 0",
                )?;
            }
            Ok("every event of the journals will be published again.".into())
        }
    }
}

/// Removes an empty file, together with the write-ahead log beside it: SQLite would take that for the new file's.
fn clear(dir: &Path, file: DataFile) -> Result<()> {
    for end in ["", "-wal", "-shm"] {
        let path = dir.join(format!("{file}{end}"));
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The highest order number that a delivery names; 0 if there is none.
fn known_to_deliveries(dir: &Path, files: &Files) -> Result<i64> {
    if !matches!(files.get(&DataFile::Deliveries), Some(FileState::There(_))) {
        return Ok(0);
    }
    let last = "select max(coalesce((select max(order_id) from order_cursor), 0),
                       coalesce((select max(orderId) from Delivery_table), 0))";
    let ask = |connection: &Connection| connection.query_row(last, [], |row| row.get(0));
    Ok(OpenFile::new(dir, DataFile::Deliveries)?.write(ask)?)
}

/// Makes the other files forget how far the lost file had come.
fn forget(folder: &Folder, files: &Files, lost: DataFile) -> Result<()> {
    for file in files.keys().filter(|file| **file != lost) {
        if let FileState::There(facts) = &files[file]
            && facts.neighbours.contains_key(&lost)
        {
            let sql = format!("delete from neighbour where file = '{lost}'");
            run(folder.dir(), *file, &sql)?;
        }
    }
    Ok(())
}

/// Changes a file, unless it is missing.
fn run(dir: &Path, file: DataFile, sql: &str) -> Result<()> {
    if dir.join(file.name()).exists() {
        OpenFile::new(dir, file)?.write(|connection| connection.execute_batch(sql))?;
    }
    Ok(())
}
