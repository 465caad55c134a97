//! Checks a data folder before a role works in it, and then keeps its files knowing of each other.
//!
//! ```text
//!   check ─▶ adapters open or create their files ─▶ join: identity, marks ─▶ each second: marks that have moved
//! ```
//! A mark is read from committed data and noted in the neighbours afterwards, so a file is never behind what its
//! neighbours know of it unless it was lost, cut or replaced by an older copy.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use shop::domain::Source;

use super::judge::{Files, identity, judge};
use super::look::{File, Identity, Mark, Open, State, Trouble, look, turnstile};
use crate::config::Storage;

/// The lock of whoever compares the files: nobody joins meanwhile.
pub const LOCK: &str = ".folder";
const PATIENCE: Duration = Duration::from_secs(10);
/// How often marks are noted: what was written since is what an older copy can hide.
const INTERVAL: Duration = Duration::from_secs(1);

/// The files of a data folder that are in use with these options.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
    files: Vec<File>,
}

impl Folder {
    pub fn of(storage: &Storage) -> Self {
        let embedded = |file: &File| match file {
            File::Log => storage.bootstrap_server.is_none(),
            File::Orders | File::Deliveries => storage.database_url.is_none(),
        };
        Self {
            dir: storage.data.clone(),
            files: File::ALL.into_iter().filter(embedded).collect(),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Refuses a folder of which something is gone. Nothing in the files is changed.
    pub fn check(&self) -> Result<(), Trouble> {
        self.alone(|| match judge(&self.look()?) {
            None => Ok(()),
            Some(loss) => Err(Trouble::Wrong(format!("{}: {loss}", self.dir.display()))),
        })
    }

    /// What each file is.
    pub fn look(&self) -> Result<Files, Trouble> {
        let look = |file: &File| Ok((*file, look(&self.dir, *file)?));
        self.files.iter().map(look).collect()
    }

    /// Makes the files that are there know each other, those just created too, and keeps them so.
    pub fn join(&self, source: Source) -> Result<Keeper, Trouble> {
        let own = match source {
            Source::Orders => File::Orders,
            Source::Deliveries => File::Deliveries,
        };
        let open = self.alone(|| self.introduce())?;
        Keeper::start(Watch {
            folder: self.clone(),
            own,
            open,
            noted: BTreeMap::new(),
        })
    }

    /// Gives every file the folder's identity first and what it knows of the others after that: if this is cut short, a
    /// file without an identity is one that nobody knows yet.
    pub fn introduce(&self) -> Result<Vec<Open>, Trouble> {
        let files = self.look()?;
        let identity = identity(&files).unwrap_or_else(new_identity);
        let there = files.iter().filter(|(_, state)| matches!(state, State::There(_)));
        let mut open = Vec::new();
        for (file, _) in there {
            open.push(Open::new(&self.dir, *file)?);
        }
        for one in &mut open {
            one.enter(&identity)?;
        }
        let marks = open.iter_mut().map(|one| Ok((one.file, one.mark()?)));
        let marks: Vec<(File, Mark)> = marks.collect::<Result<_, Trouble>>()?;
        for one in &mut open {
            let others: Vec<_> = marks.iter().copied().filter(|(file, _)| *file != one.file).collect();
            one.note(&others)?;
        }
        Ok(open)
    }

    fn alone<T>(&self, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut turnstile = turnstile(&self.dir.join(LOCK))?;
        let _turn = turnstile.enter(PATIENCE)?;
        work()
    }
}

fn new_identity() -> Identity {
    let created = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // Each state has random keys of its own, from the system.
    let random = || RandomState::new().hash_one(std::process::id());
    Identity {
        id: format!("{:016x}{:016x}", random(), random()),
        created: i64::try_from(created.as_millis()).unwrap_or(i64::MAX),
    }
}

/// The thread that notes marks; dropping it notes the last ones.
#[derive(Debug)]
pub struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    fn start(mut watch: Watch) -> Result<Self, Trouble> {
        let (stop, stopped) = channel();
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
                watch.step();
            }
            watch.step();
        };
        let thread = std::thread::Builder::new().name("data-folder".into()).spawn(run);
        let thread = thread.map_err(|error| Trouble::Wrong(format!("no thread for the data folder: {error}")))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic has been reported on its own thread.
            let _ = thread.join();
        }
    }
}

struct Watch {
    folder: Folder,
    /// The file that this process writes; the log is written by all.
    own: File,
    open: Vec<Open>,
    /// What was last noted in the first file of the second.
    noted: BTreeMap<(File, File), Mark>,
}

impl Watch {
    /// Notes what has moved. What can't be noted now is noted the next time; whoever works with the file says why.
    fn step(&mut self) {
        self.meet();
        let marks = self
            .open
            .iter_mut()
            .filter_map(|one| Some((one.file, one.mark().ok()?)));
        let marks: Vec<(File, Mark)> = marks.collect();
        for one in &mut self.open {
            let file = one.file;
            let concerns = |other: File| other != file && (other == self.own || file == self.own);
            let moved =
                |(other, mark): &(File, Mark)| concerns(*other) && self.noted.get(&(file, *other)) != Some(mark);
            let news: Vec<_> = marks.iter().copied().filter(moved).collect();
            if !news.is_empty() && one.note(&news).is_ok() {
                self.noted
                    .extend(news.into_iter().map(|(other, mark)| ((file, other), mark)));
            }
        }
    }

    /// Opens files that have joined since.
    fn meet(&mut self) {
        let absent = |file: &&File| self.open.iter().all(|one| one.file != **file);
        let absent: Vec<File> = self.folder.files.iter().filter(absent).copied().collect();
        for file in absent {
            let joined = matches!(look(&self.folder.dir, file), Ok(State::There(facts)) if facts.identity.is_some());
            self.open
                .extend(joined.then(|| Open::new(&self.folder.dir, file).ok()).flatten());
        }
    }
}
