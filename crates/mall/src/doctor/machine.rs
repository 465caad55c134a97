//! Looks at this machine: at the data folder, at processes that keep its databases to themselves, and at the ports.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keylane_log::turnstile::Turnstile;
use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use super::report::Report;
use super::roles;
use crate::config::{Ports, RoleOptions};
use crate::console;
use crate::data_dir::{self, DataFile, Folder, FolderError, privacy};
use crate::net::FIRST_DELIVERY_PORT;
use crate::probe;

/// How long a turn at a database may last. It usually takes milliseconds, so a process that keeps its turn for longer is
/// stopped or stuck.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// How many bytes must be free on the disk of the data folder.
const LEAST_ROOM: u64 = 100 << 20;

pub fn look(ports: &Ports, options: &RoleOptions, report: &mut Report) {
    let storage = &options.storage;
    if storage.uses_folder() {
        folder(&storage.data, report);
        if data_dir::contents(&storage.data).is_ok_and(|ours| !ours.is_empty()) {
            private(&storage.data, report);
            room(&storage.data, report);
            deleted(&storage.data, report);
            whole(&Folder::of(storage), report);
        }
    }
    // The log's turnstile is tried when the log is opened.
    if storage.database_url.is_none() {
        for file in [DataFile::Orders, DataFile::Deliveries] {
            try_turnstile(&storage.data.join(file.name()), report);
        }
    }
    for (role, option, port) in [
        ("order service", "--order-port", ports.order_port),
        (
            "delivery service",
            "--delivery-port",
            ports.delivery_port.unwrap_or(FIRST_DELIVERY_PORT),
        ),
        ("gateway", "--gateway-port", ports.gateway_port),
    ] {
        self::port(role, option, SocketAddr::new(options.listen, port), report);
    }
}

fn folder(data: &Path, report: &mut Report) {
    let shown = data.display();
    let remedy = "give another folder with --data, or make this one a folder that you may write in";
    // A missing folder will be created in the nearest folder above it that exists.
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let there = absolute
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    if !there.is_dir() {
        report.wrong(
            format!(
                "the data folder {shown} can't be used: {} is no folder",
                there.display()
            ),
            remedy,
        );
    } else if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        report.wrong(format!("the data folder {shown} is not writable: {error}"), remedy);
    } else if there == absolute {
        report.fine(format!("the data folder {shown} is writable"));
    } else {
        report.fine(format!("the data folder {shown} is not there yet and can be created"));
    }
}

fn private(data: &Path, report: &mut Report) {
    let open = privacy::open_to_others(data);
    let Some(first) = open.first() else {
        return report.fine("the data folder and its files are for their owner alone");
    };
    report.wrong(
        format!(
            "other users than their owner may open or enter {} file(s) or folder(s) of the data folder, {} among them",
            open.len(),
            first.display()
        ),
        format!("chmod -R go-rwx {}", console::shell_word(&data.display().to_string())),
    );
}

fn room(data: &Path, report: &mut Report) {
    let shown = data.display();
    let disk = match statvfs(data) {
        Ok(disk) => disk,
        Err(error) => return report.unseen(format!("how much room the disk of {shown} has: {error}")),
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let mib = free >> 20;
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        report.wrong(
            format!("the disk of {shown} is mounted read-only"),
            "mount it for writing, or give another folder with --data",
        );
    } else if free < LEAST_ROOM {
        report.wrong(
            format!("the disk of {shown} is nearly full, {mib} MiB are left; without room orders are refused"),
            "make room on that disk, or give a folder on another with --data",
        );
    } else {
        report.fine(format!("the disk of {shown} has room"));
    }
}

/// Tells of processes that work on deleted files of the folder. What they write is lost when they end.
fn deleted(data: &Path, report: &mut Report) {
    let Ok(data) = data.canonicalize() else { return };
    for process in numbered(Path::new("/proc")) {
        let open = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let links = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let gone = |link: &PathBuf| link.starts_with(&data) && link.to_string_lossy().ends_with(".db (deleted)");
        if let Some(file) = links.into_iter().find(gone) {
            let (pid, file) = (process.file_name().unwrap_or_default().display(), file.display());
            report.wrong(
                format!("process {pid} works on a file that is no longer there: {file}"),
                "end that process, put the file back from a copy of the folder, and start it again",
            );
        }
    }
}

/// The entries of a folder whose names are numbers.
fn numbered(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let number = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok())
    };
    entries.map(|entry| entry.path()).filter(number)
}

fn whole(folder: &Folder, report: &mut Report) {
    match folder.check() {
        Ok(()) => report.fine("no file of the data folder is gone or older than the others"),
        Err(FolderError::Kept(sentence)) => report.unseen(sentence),
        Err(FolderError::Wrong(sentence)) => report.wrong(sentence, "do what the line above says"),
    }
}

/// Tells of a process that keeps a database to itself.
fn try_turnstile(database: &Path, report: &mut Report) {
    if !database.is_file() {
        return;
    }
    let mut turnstile = match Turnstile::open_existing(database) {
        Ok(turnstile) => turnstile,
        Err(error) => return report.unseen(error.to_string()),
    };
    match turnstile.enter(LONGEST_TURN) {
        Ok(turn) => {
            drop(turn);
            report.fine(format!("no process keeps {} to itself", database.display()));
        }
        Err(error) => report.wrong(
            error.to_string(),
            "kill -CONT that process if it was stopped, otherwise end it",
        ),
    }
}

fn port(role: &str, option: &str, address: SocketAddr, report: &mut Report) {
    let (ip, port) = (address.ip(), address.port());
    match TcpListener::bind(address) {
        Ok(_) => report.fine(format!("port {port} is free for the {role}")),
        Err(error) if error.kind() != ErrorKind::AddrInUse => report.wrong(
            format!("the {role} can't listen on {ip}, port {port}: {error}"),
            format!("give another port with {option}, or another address with --listen"),
        ),
        Err(_) if probe::lives(address) => {
            report.fine(format!("port {port} is taken by a role of the mall"));
            roles::ask(role, address, report);
        }
        Err(_) => report.wrong(
            format!("port {port} on {ip} is taken by another program, and the {role} wants it"),
            format!("give a free port with {option}, or end that program"),
        ),
    }
}
