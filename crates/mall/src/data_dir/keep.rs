//! Checks a data folder before a role works in it, and then keeps its files knowing of each other.
//!
//! ```text
//!   check ─▶ adapters open or create their files ─▶ join: identity, marks ─▶ each second: the marks that have changed
//! ```
//! A [`Mark`] says how far a file has come. It is read from committed data and noted in the other files afterwards. So a file
//! is never behind what the others know of it, unless it was lost, cut or replaced by an older copy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use shop::domain::Source;

use super::files::{COMPARING, DataFile};
use super::judge::{Files, Loss, identity, judge};
use super::look::{FileState, FolderError, Identity, Mark, OpenFile, look, turnstile};
use crate::clock;
use crate::config::Storage;

/// How long a process that compares the files is waited for.
const COMPARING_TIMEOUT: Duration = Duration::from_secs(10);
/// How often marks are noted. An older copy of a file can hide what was written since marks were last noted.
const MARK_INTERVAL: Duration = Duration::from_secs(1);

/// A data folder, and those of its files that are in use with the given options.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
    files: Vec<DataFile>,
}

impl Folder {
    /// The folder that the options name. Without the files that Kafka or a database server stands in for.
    pub fn of(storage: &Storage) -> Self {
        let is_used = |file: &DataFile| match file {
            DataFile::Log => storage.bootstrap_server.is_none(),
            DataFile::Orders | DataFile::Deliveries => storage.database_url.is_none(),
        };
        Self {
            dir: storage.data.clone(),
            files: DataFile::ALL.into_iter().filter(is_used).collect(),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Refuses a folder that has lost something. Nothing in the files is changed.
    pub fn check(&self) -> Result<(), FolderError> {
        self.in_turn(|| match self.loss()? {
            None => Ok(()),
            Some(loss) => Err(FolderError::Wrong(format!("{}: {loss}", self.dir.display()))),
        })
    }

    /// What the folder has lost, if anything.
    pub fn loss(&self) -> Result<Option<Loss>, FolderError> {
        Ok(judge(&self.look()?))
    }

    /// The state of each file.
    pub fn look(&self) -> Result<Files, FolderError> {
        let look = |file: &DataFile| Ok((*file, look(&self.dir, *file)?));
        self.files.iter().map(look).collect()
    }

    /// Makes the files that are there know each other, those just created too, and keeps them so until the keeper is dropped.
    pub fn join(&self, source: Source) -> Result<FolderKeeper, FolderError> {
        let open = self.in_turn(|| self.introduce())?;
        FolderKeeper::start(MarkWriter {
            folder: self.clone(),
            own: DataFile::of(source),
            open,
            noted: BTreeMap::new(),
        })
    }

    /// Writes the folder's identity into every file, and after that what each file knows of the others. If this is cut short,
    /// a file without an identity is therefore one that no other file knows yet.
    pub fn introduce(&self) -> Result<Vec<OpenFile>, FolderError> {
        let files = self.look()?;
        let identity = identity(&files).unwrap_or_else(new_identity);
        let there = files.iter().filter(|(_, state)| matches!(state, FileState::There(_)));
        let mut open = Vec::new();
        for (file, _) in there {
            open.push(OpenFile::new(&self.dir, *file)?);
        }
        for one in &mut open {
            one.enter(&identity)?;
        }
        let marks = open.iter_mut().map(|one| Ok((one.file, one.mark()?)));
        let marks: Vec<(DataFile, Mark)> = marks.collect::<Result<_, FolderError>>()?;
        for one in &mut open {
            let others: Vec<_> = marks.iter().copied().filter(|(file, _)| *file != one.file).collect();
            one.note(&others)?;
        }
        Ok(open)
    }

    /// Does the work while no other process compares or joins the files.
    fn in_turn<T>(&self, work: impl FnOnce() -> Result<T, FolderError>) -> Result<T, FolderError> {
        let mut turnstile = turnstile(&self.dir.join(COMPARING))?;
        let _turn = turnstile.enter(COMPARING_TIMEOUT)?;
        work()
    }
}

fn new_identity() -> Identity {
    Identity {
        id: format!("{:032x}", fastrand::u128(..)),
        created: clock::now().0,
    }
}

/// The thread that notes marks as long as a role runs. Dropping this notes the last ones.
#[derive(Debug)]
pub struct FolderKeeper {
    /// The thread ends once this is dropped.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FolderKeeper {
    fn start(mut writer: MarkWriter) -> Result<Self, FolderError> {
        let (stop, stopped) = channel();
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(MARK_INTERVAL) {
                writer.step();
            }
            writer.step();
        };
        let thread = std::thread::Builder::new().name("data-folder".into()).spawn(run);
        let thread = thread
            .map_err(|error| FolderError::Wrong(format!("no thread for the data folder can be started: {error}")))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for FolderKeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported on the thread itself.
            let _ = thread.join();
        }
    }
}

/// Notes in each file how far the others have come.
struct MarkWriter {
    folder: Folder,
    /// The database that this process writes. The log is written by all processes.
    own: DataFile,
    /// The files that this process has open, each with an identity.
    open: Vec<OpenFile>,
    /// The mark that was last noted in the first file about the second.
    noted: BTreeMap<(DataFile, DataFile), Mark>,
}

impl MarkWriter {
    /// Notes the marks that have changed. A mark that can't be noted now is noted the next time; the service that works with
    /// the file says what is wrong with it.
    fn step(&mut self) {
        self.open_new_files();
        let marks = self
            .open
            .iter_mut()
            .filter_map(|one| Some((one.file, one.mark().ok()?)));
        let marks: Vec<(DataFile, Mark)> = marks.collect();
        for one in &mut self.open {
            let file = one.file;
            let concerns = |other: DataFile| other != file && (other == self.own || file == self.own);
            let changed =
                |(other, mark): &(DataFile, Mark)| concerns(*other) && self.noted.get(&(file, *other)) != Some(mark);
            let news: Vec<_> = marks.iter().copied().filter(changed).collect();
            if !news.is_empty() && one.note(&news).is_ok() {
                self.noted
                    .extend(news.into_iter().map(|(other, mark)| ((file, other), mark)));
            }
        }
    }

    /// Opens the files that other processes have created and joined since.
    fn open_new_files(&mut self) {
        let is_new = |file: &&DataFile| self.open.iter().all(|one| one.file != **file);
        let new: Vec<DataFile> = self.folder.files.iter().filter(is_new).copied().collect();
        for file in new {
            let joined =
                matches!(look(&self.folder.dir, file), Ok(FileState::There(facts)) if facts.identity.is_some());
            self.open
                .extend(joined.then(|| OpenFile::new(&self.folder.dir, file).ok()).flatten());
        }
    }
}
