//! Judges whether the files of a data folder belong together, and whether one of them is gone or has gone back. Pure: it
//! works on what [`super::look`] found.

use std::collections::BTreeMap;
use std::fmt;

use super::files::DataFile;
use super::look::{FileContents, FileState, Identity, Mark};

/// The state of each file that is in use.
pub type Files = BTreeMap<DataFile, FileState>;

/// Something that a data folder has lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The file that it is about.
    pub file: DataFile,
    pub kind: LossKind,
    /// The other file from which the loss can be told.
    pub witness: DataFile,
    /// The highest order number that is known to have been given out; 0 if none is.
    pub highest: i64,
}

/// In which way a file is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    Missing,
    Empty,
    /// The file is there and has no identity: another one was put in its place.
    Replaced,
    /// The file is a copy from before, which lacks what was written since.
    Older,
    /// The file belongs to another data folder.
    Stranger,
}

/// The first loss that is found.
pub fn judge(files: &Files) -> Option<Loss> {
    strangers(files).or_else(|| match identity(files) {
        Some(_) => DataFile::ALL.into_iter().find_map(|file| known_loss(files, file)),
        None => DataFile::ALL
            .into_iter()
            .find_map(|file| loss_before_identities(files, file)),
    })
}

/// The folder's identity, if one of its files holds one.
pub fn identity(files: &Files) -> Option<Identity> {
    facts(files).find_map(|(_, facts)| facts.identity.clone())
}

fn facts(files: &Files) -> impl Iterator<Item = (DataFile, &FileContents)> {
    files.iter().filter_map(|(file, state)| match state {
        FileState::There(facts) => Some((*file, facts)),
        FileState::Missing | FileState::Empty | FileState::Unknown => None,
    })
}

fn strangers(files: &Files) -> Option<Loss> {
    let mut known = facts(files).filter_map(|(file, facts)| Some((file, facts.identity.as_ref()?)));
    let (witness, first) = known.next()?;
    let (file, _) = known.find(|(_, identity)| *identity != first)?;
    Some(Loss {
        file,
        kind: LossKind::Stranger,
        witness,
        highest: highest(files),
    })
}

/// The highest order number that any file knows to have been given out; 0 if none is.
pub fn highest(files: &Files) -> i64 {
    let known = facts(files).flat_map(|(_, facts)| facts.neighbours.values().chain([&facts.mark]));
    known.map(|mark| mark.highest).max().unwrap_or_default()
}

/// Compares the file's state with what the other files have noted about it.
fn known_loss(files: &Files, file: DataFile) -> Option<Loss> {
    let state = files.get(&file)?;
    facts(files).find_map(|(witness, facts)| {
        let seen = facts.neighbours.get(&file)?;
        let kind = match state {
            FileState::Missing => LossKind::Missing,
            FileState::Empty => LossKind::Empty,
            FileState::There(FileContents { identity: None, .. }) => LossKind::Replaced,
            FileState::There(FileContents { mark, .. }) if is_behind(*mark, *seen) => LossKind::Older,
            FileState::There(_) | FileState::Unknown => return None,
        };
        Some(Loss {
            file,
            kind,
            witness,
            highest: highest(files),
        })
    })
}

fn is_behind(mark: Mark, seen: Mark) -> bool {
    mark.count < seen.count || mark.highest < seen.highest
}

/// Judges a folder from before its files had identities: where other files hold traces of orders, the orders themselves must
/// be there.
fn loss_before_identities(files: &Files, file: DataFile) -> Option<Loss> {
    let kind = match (file, files.get(&file)?) {
        (DataFile::Orders, FileState::Missing) => LossKind::Missing,
        // No program of the mall leaves a file empty beside others that are in use.
        (_, FileState::Empty) => LossKind::Empty,
        _ => return None,
    };
    let (witness, _) = facts(files).find(|(_, facts)| facts.orders)?;
    Some(Loss {
        file,
        kind,
        witness,
        highest: highest(files),
    })
}

impl Loss {
    /// Whether the mall can go on without what is lost, if a person chooses so.
    pub fn is_acceptable(&self) -> bool {
        match (self.kind, self.file) {
            (LossKind::Missing | LossKind::Empty, _) => true,
            // The journals publish again what the log lacks, and the log holds what the deliveries lack.
            (LossKind::Older | LossKind::Replaced, DataFile::Log | DataFile::Deliveries) => true,
            // Orders would go on from versions that the deliveries have already seen, and their events be taken for
            // repetitions.
            (LossKind::Older | LossKind::Replaced, DataFile::Orders) => false,
            (LossKind::Stranger, _) => false,
        }
    }

    fn consequence(&self) -> String {
        match self.file {
            DataFile::Orders => {
                let numbers = match self.highest {
                    0 => "order numbers".to_owned(),
                    highest => format!("order numbers up to {highest}"),
                };
                format!("orders are gone, and {numbers} would be given out a second time")
            }
            DataFile::Deliveries => {
                "deliveries are gone, and would not come back, since their events count as read".to_owned()
            }
            DataFile::Log => "events are gone, and with them how far each group has read".to_owned(),
        }
    }

    fn remedy(&self) -> String {
        let put_back = "put all three files of one copy of the folder back, or start over with mall reset";
        if self.is_acceptable() {
            format!("{put_back}, or go on without what is gone: mall reset --accept-loss")
        } else {
            put_back.to_owned()
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, witness, .. } = self;
        match self.kind {
            LossKind::Missing => write!(f, "{file} is missing, and {witness} knows that it was there"),
            LossKind::Empty => write!(f, "{file} is empty, and {witness} knows that it was not"),
            LossKind::Replaced => write!(f, "{file} is not the file that {witness} knows"),
            LossKind::Older => write!(f, "{file} is older than {witness} knows it to be"),
            LossKind::Stranger => write!(f, "{file} and {witness} belong to different data folders"),
        }?;
        write!(f, ": {}; {}", self.consequence(), self.remedy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(count: i64) -> Mark {
        Mark { count, highest: 0 }
    }

    fn there(id: &str, count: i64, seen: &[(DataFile, i64)]) -> FileState {
        let identity = (!id.is_empty()).then(|| Identity {
            id: id.to_owned(),
            created: 1,
        });
        FileState::There(FileContents {
            identity,
            mark: mark(count),
            neighbours: seen.iter().map(|(file, count)| (*file, mark(*count))).collect(),
            orders: false,
        })
    }

    /// A whole folder: orders with 5 events and numbers up to 3, a log of 9 records, and 4 applied events.
    fn whole() -> Files {
        let mut orders = there("a", 5, &[(DataFile::Log, 9), (DataFile::Deliveries, 4)]);
        let mut log = there("a", 9, &[(DataFile::Orders, 5), (DataFile::Deliveries, 4)]);
        let deliveries = there("a", 4, &[(DataFile::Log, 9), (DataFile::Orders, 4)]);
        if let (FileState::There(orders), FileState::There(log)) = (&mut orders, &mut log) {
            orders.mark.highest = 3;
            log.neighbours.insert(DataFile::Orders, Mark { count: 5, highest: 3 });
        }
        [
            (DataFile::Log, log),
            (DataFile::Orders, orders),
            (DataFile::Deliveries, deliveries),
        ]
        .into()
    }

    fn with(change: impl FnOnce(&mut Files)) -> Option<(DataFile, LossKind)> {
        let mut files = whole();
        change(&mut files);
        judge(&files).map(|loss| (loss.file, loss.kind))
    }

    fn facts_of(files: &mut Files, file: DataFile) -> &mut FileContents {
        match files.get_mut(&file) {
            Some(FileState::There(facts)) => facts,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_that_is_whole_or_not_begun_has_lost_nothing() {
        assert_eq!(with(|_| ()), None);
        assert_eq!(
            with(|files| facts_of(files, DataFile::Orders).mark.count = 50),
            None,
            "it went on"
        );
        let none = DataFile::ALL.map(|file| (file, FileState::Missing)).into();
        assert_eq!(judge(&none), None);
        // The delivery service has never run in this folder, or keeps its rows on a server.
        assert_eq!(
            with(|files| {
                files.insert(DataFile::Deliveries, FileState::Missing);
                facts_of(files, DataFile::Log).neighbours.remove(&DataFile::Deliveries);
                facts_of(files, DataFile::Orders)
                    .neighbours
                    .remove(&DataFile::Deliveries);
            }),
            None
        );
        assert_eq!(
            with(|files| drop(files.remove(&DataFile::Log))),
            None,
            "the log is elsewhere now"
        );
    }

    #[test]
    fn each_file_that_is_gone_empty_replaced_or_older_is_noticed() {
        for file in DataFile::ALL {
            for (state, kind) in [
                (FileState::Missing, LossKind::Missing),
                (FileState::Empty, LossKind::Empty),
            ] {
                assert_eq!(with(|files| drop(files.insert(file, state))), Some((file, kind)));
            }
            let replaced = with(|files| facts_of(files, file).identity = None);
            assert_eq!(replaced, Some((file, LossKind::Replaced)));
            let older = with(|files| facts_of(files, file).mark.count -= 1);
            assert_eq!(older, Some((file, LossKind::Older)));
            let other = with(|files| {
                facts_of(files, file).identity = Some(Identity {
                    id: "b".into(),
                    created: 1,
                })
            });
            assert_eq!(other.map(|(_, kind)| kind), Some(LossKind::Stranger));
        }
        let numbers = with(|files| facts_of(files, DataFile::Orders).mark.highest = 2);
        assert_eq!(
            numbers,
            Some((DataFile::Orders, LossKind::Older)),
            "3 would be given out again"
        );
    }

    #[test]
    fn a_folder_without_identities_is_taken_over_unless_orders_left_traces_of_what_is_gone() {
        let old = |orders: FileState, traces: bool| {
            let mut files: Files = DataFile::ALL.map(|file| (file, there("", 4, &[]))).into();
            files.insert(DataFile::Orders, orders);
            facts_of(&mut files, DataFile::Deliveries).orders = traces;
            judge(&files).map(|loss| (loss.file, loss.kind))
        };
        assert_eq!(old(there("", 5, &[]), true), None);
        assert_eq!(old(FileState::Missing, false), None);
        assert_eq!(
            old(FileState::Missing, true),
            Some((DataFile::Orders, LossKind::Missing))
        );
        assert_eq!(old(FileState::Empty, true), Some((DataFile::Orders, LossKind::Empty)));
    }

    #[test]
    fn a_loss_says_what_it_means_and_what_to_do() {
        let mut files = whole();
        files.insert(DataFile::Orders, FileState::Empty);
        let loss = judge(&files).expect("it is empty");
        assert_eq!(
            loss.to_string(),
            "orders.db is empty, and log.db knows that it was not: orders are gone, and order numbers up to 3 would be \
             given out a second time; put all three files of one copy of the folder back, or start over with mall reset, \
             or go on without what is gone: mall reset --accept-loss"
        );
        let older = Loss {
            kind: LossKind::Older,
            ..loss
        };
        assert!(
            !older.is_acceptable() && !older.to_string().contains("--accept-loss"),
            "{older}"
        );
    }
}
