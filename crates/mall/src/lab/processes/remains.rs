//! What a world of real processes leaves behind unless it is removed: a folder, and on servers topics, a group and a database.
//!
//! A group whose members were killed keeps them until their sessions are over, and can't be deleted before. So groups are deleted
//! in the background, and whoever ends the program waits for that ([`wait_for_groups`]).

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use keylane_log::{EventLog, GroupError, LogError};

use crate::adapters::log::{KafkaLog, kafka};
use crate::adapters::mysql;
use crate::config::Storage;
use crate::{console, runtime};

/// How long a group is waited for: longer than any scenario's session.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two tries to delete a group.
const PAUSE: Duration = Duration::from_millis(500);

/// The groups that are being deleted.
static GROUPS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// What a place leaves behind unless it is removed.
#[derive(Debug, Clone)]
pub struct Remains {
    pub folder: PathBuf,
    pub storage: Storage,
    /// The topics of events and of dead letters.
    pub topics: [String; 2],
    /// The group of the delivery instances.
    pub group: String,
}

impl Remains {
    /// Removes the files, the topics and the database, and begins to remove the group. What stays is told.
    pub fn clear(&self) {
        match kafka(&self.storage) {
            Some(Ok(kafka)) => {
                for topic in &self.topics {
                    if let Err(error) = delete_topic(&kafka, topic) {
                        stays("topic", topic, &error.to_string());
                    }
                }
                self.delete_group(kafka);
            }
            Some(Err(error)) => stays("topic", &self.topics[0], &error.to_string()),
            None => {}
        }
        if let Some(url) = &self.storage.database_url
            && let Err(error) =
                runtime::on_this_thread().and_then(|runtime| Ok(runtime.block_on(mysql::drop_database(url))?))
        {
            stays("database", url.database(), &format!("{error:#}"));
        }
        // What can't be removed stays in the system's folder for such files, which the system clears.
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn delete_group(&self, kafka: KafkaLog) {
        let group = self.group.clone();
        let begun = Instant::now();
        let delete = move || loop {
            match kafka.delete_group(&group) {
                Ok(()) | Err(GroupError::NotFound) => return,
                Err(_) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(GroupError::NotEmpty) => return stays("group", &group, "it has members"),
                Err(GroupError::Log(error)) => return stays("group", &group, &error.to_string()),
            }
        };
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        groups.push(thread::spawn(delete));
    }
}

/// Waits until no group is being deleted any more.
pub fn wait_for_groups() {
    loop {
        let group = GROUPS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(group) = group else { return };
        // What went wrong was told.
        let _ = group.join();
    }
}

fn delete_topic(kafka: &KafkaLog, topic: &str) -> Result<(), LogError> {
    match kafka.partitions(topic) {
        // No process has come to create it.
        Err(LogError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => kafka.delete_topic(topic),
    }
}

fn stays(what: &str, name: &str, why: &str) {
    console::say(&format!("mall: the {what} {name} of the scenario stays: {why}"));
}
