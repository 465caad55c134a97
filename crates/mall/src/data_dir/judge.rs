//! Judges whether the files of a data folder belong together and none has gone, or gone back. Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::look::{Facts, File, Identity, Mark, State};

/// The files that are in use, and what each is.
pub type Files = BTreeMap<File, State>;

/// Something of the data folder is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Of which file.
    pub file: File,
    pub kind: Kind,
    /// The neighbour that gives it away.
    pub witness: File,
    /// The highest order number that is known to have been given out.
    pub highest: i64,
}

/// In which way it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Missing,
    Empty,
    /// There is another file in its place.
    Replaced,
    /// It is a copy from before.
    Older,
    /// It belongs to another folder.
    Stranger,
}

/// Finds the first loss.
pub fn judge(files: &Files) -> Option<Loss> {
    strangers(files).or_else(|| match identity(files) {
        Some(_) => File::ALL.into_iter().find_map(|file| known_loss(files, file)),
        None => File::ALL
            .into_iter()
            .find_map(|file| loss_before_identities(files, file)),
    })
}

/// The folder's identity, where one of its files has one.
pub fn identity(files: &Files) -> Option<Identity> {
    facts(files).find_map(|(_, facts)| facts.identity.clone())
}

fn facts(files: &Files) -> impl Iterator<Item = (File, &Facts)> {
    files.iter().filter_map(|(file, state)| match state {
        State::There(facts) => Some((*file, facts)),
        State::Missing | State::Empty | State::Unknown => None,
    })
}

fn strangers(files: &Files) -> Option<Loss> {
    let mut known = facts(files).filter_map(|(file, facts)| Some((file, facts.identity.as_ref()?)));
    let (witness, first) = known.next()?;
    let (file, _) = known.find(|(_, identity)| *identity != first)?;
    Some(Loss {
        file,
        kind: Kind::Stranger,
        witness,
        highest: highest(files),
    })
}

/// The highest order number given out, as far as any file knows.
pub fn highest(files: &Files) -> i64 {
    let known = facts(files).flat_map(|(_, facts)| facts.neighbours.values().chain([&facts.mark]));
    known.map(|mark| mark.highest).max().unwrap_or_default()
}

/// What the neighbours of a file know of it that isn't so any more.
fn known_loss(files: &Files, file: File) -> Option<Loss> {
    let state = files.get(&file)?;
    facts(files).find_map(|(witness, facts)| {
        let seen = facts.neighbours.get(&file)?;
        let kind = match state {
            State::Missing => Kind::Missing,
            State::Empty => Kind::Empty,
            State::There(Facts { identity: None, .. }) => Kind::Replaced,
            State::There(Facts { mark, .. }) if is_behind(*mark, *seen) => Kind::Older,
            State::There(_) | State::Unknown => return None,
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

/// A folder from before its files knew each other: orders that left traces in the others must be there themselves.
fn loss_before_identities(files: &Files, file: File) -> Option<Loss> {
    let kind = match (file, files.get(&file)?) {
        (File::Orders, State::Missing) => Kind::Missing,
        // Nobody has a reason to make an empty file beside others that are in use.
        (_, State::Empty) => Kind::Empty,
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
    /// Whether the mall can make good what is gone, so that a person may choose to go on without it.
    pub fn is_acceptable(&self) -> bool {
        match (self.kind, self.file) {
            (Kind::Missing | Kind::Empty, _) => true,
            // What they lack comes again.
            (Kind::Older | Kind::Replaced, File::Log | File::Deliveries) => true,
            // Its orders would go on from versions that the deliveries have already seen.
            (Kind::Older | Kind::Replaced, File::Orders) => false,
            (Kind::Stranger, _) => false,
        }
    }

    fn means(&self) -> String {
        match self.file {
            File::Orders => {
                let numbers = match self.highest {
                    0 => "order numbers".to_owned(),
                    highest => format!("order numbers up to {highest}"),
                };
                format!("orders are gone, and {numbers} would be given out a second time")
            }
            File::Deliveries => {
                "deliveries are gone, and would not come back, since their events count as read".to_owned()
            }
            File::Log => "events are gone, and with them how far each group has read".to_owned(),
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
            Kind::Missing => write!(f, "{file} is missing, beside which {witness} was written"),
            Kind::Empty => write!(f, "{file} is empty, beside which {witness} was written"),
            Kind::Replaced => write!(f, "{file} is not the file beside which {witness} was written"),
            Kind::Older => write!(f, "{file} is older than what {witness} has seen of it"),
            Kind::Stranger => write!(f, "{file} and {witness} are of different data folders"),
        }?;
        write!(f, ": {}; {}", self.means(), self.remedy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(count: i64) -> Mark {
        Mark { count, highest: 0 }
    }

    fn there(id: &str, count: i64, seen: &[(File, i64)]) -> State {
        let identity = (!id.is_empty()).then(|| Identity {
            id: id.to_owned(),
            created: 1,
        });
        State::There(Facts {
            identity,
            mark: mark(count),
            neighbours: seen.iter().map(|(file, count)| (*file, mark(*count))).collect(),
            orders: false,
        })
    }

    /// Orders with 5 events and the number 3, all of them in a log of 9 records, of which 4 have become deliveries.
    fn whole() -> Files {
        let mut orders = there("a", 5, &[(File::Log, 9), (File::Deliveries, 4)]);
        let mut log = there("a", 9, &[(File::Orders, 5), (File::Deliveries, 4)]);
        let deliveries = there("a", 4, &[(File::Log, 9), (File::Orders, 4)]);
        if let (State::There(orders), State::There(log)) = (&mut orders, &mut log) {
            orders.mark.highest = 3;
            log.neighbours.insert(File::Orders, Mark { count: 5, highest: 3 });
        }
        [(File::Log, log), (File::Orders, orders), (File::Deliveries, deliveries)].into()
    }

    fn with(change: impl FnOnce(&mut Files)) -> Option<(File, Kind)> {
        let mut files = whole();
        change(&mut files);
        judge(&files).map(|loss| (loss.file, loss.kind))
    }

    fn facts_of(files: &mut Files, file: File) -> &mut Facts {
        match files.get_mut(&file) {
            Some(State::There(facts)) => facts,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_that_is_whole_or_not_begun_has_lost_nothing() {
        assert_eq!(with(|_| ()), None);
        assert_eq!(
            with(|files| facts_of(files, File::Orders).mark.count = 50),
            None,
            "it went on"
        );
        let none = File::ALL.map(|file| (file, State::Missing)).into();
        assert_eq!(judge(&none), None);
        // The delivery service has never run here, or keeps its rows elsewhere.
        assert_eq!(
            with(|files| {
                files.insert(File::Deliveries, State::Missing);
                facts_of(files, File::Log).neighbours.remove(&File::Deliveries);
                facts_of(files, File::Orders).neighbours.remove(&File::Deliveries);
            }),
            None
        );
        assert_eq!(
            with(|files| drop(files.remove(&File::Log))),
            None,
            "the log is elsewhere now"
        );
    }

    #[test]
    fn each_file_that_is_gone_empty_replaced_or_older_is_noticed() {
        for file in File::ALL {
            for (state, kind) in [(State::Missing, Kind::Missing), (State::Empty, Kind::Empty)] {
                assert_eq!(with(|files| drop(files.insert(file, state))), Some((file, kind)));
            }
            let replaced = with(|files| facts_of(files, file).identity = None);
            assert_eq!(replaced, Some((file, Kind::Replaced)));
            let older = with(|files| facts_of(files, file).mark.count -= 1);
            assert_eq!(older, Some((file, Kind::Older)));
            let other = with(|files| {
                facts_of(files, file).identity = Some(Identity {
                    id: "b".into(),
                    created: 1,
                })
            });
            assert_eq!(other.map(|(_, kind)| kind), Some(Kind::Stranger));
        }
        let numbers = with(|files| facts_of(files, File::Orders).mark.highest = 2);
        assert_eq!(numbers, Some((File::Orders, Kind::Older)), "3 would be given out again");
    }

    #[test]
    fn a_folder_without_identities_is_taken_over_unless_orders_left_traces_of_what_is_gone() {
        let old = |orders: State, traces: bool| {
            let mut files: Files = File::ALL.map(|file| (file, there("", 4, &[]))).into();
            files.insert(File::Orders, orders);
            facts_of(&mut files, File::Deliveries).orders = traces;
            judge(&files).map(|loss| (loss.file, loss.kind))
        };
        assert_eq!(old(there("", 5, &[]), true), None);
        assert_eq!(old(State::Missing, false), None);
        assert_eq!(old(State::Missing, true), Some((File::Orders, Kind::Missing)));
        assert_eq!(old(State::Empty, true), Some((File::Orders, Kind::Empty)));
    }

    #[test]
    fn a_loss_says_what_it_means_and_what_to_do() {
        let mut files = whole();
        files.insert(File::Orders, State::Empty);
        let loss = judge(&files).expect("it is empty");
        assert_eq!(
            loss.to_string(),
            "orders.db is empty, beside which log.db was written: orders are gone, and order numbers up to 3 would be \
             given out a second time; put all three files of one copy of the folder back, or start over with mall reset, \
             or go on without what is gone: mall reset --accept-loss"
        );
        let older = Loss {
            kind: Kind::Older,
            ..loss
        };
        assert!(
            !older.is_acceptable() && !older.to_string().contains("--accept-loss"),
            "{older}"
        );
    }
}
