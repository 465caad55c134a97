//! Looks at this machine: at the data folder, at processes that keep its databases to themselves, and at the ports.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keylane_log::turnstile::Turnstile;
use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use shop::domain::Source;
use shop::text;
use shop::text::Text;

use super::report::Report;
use super::roles;
use super::services::service;
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
        (service(Source::Orders), "--order-port", ports.order_port),
        (
            service(Source::Deliveries),
            "--delivery-port",
            ports.delivery_port.unwrap_or(FIRST_DELIVERY_PORT),
        ),
        (text!("gateway", "게이트웨이"), "--gateway-port", ports.gateway_port),
    ] {
        self::port(&role, option, SocketAddr::new(options.listen, port), report);
    }
}

fn folder(data: &Path, report: &mut Report) {
    let shown = data.display();
    let remedy = text!(
        "give another folder with --data, or make this one a folder that you may write in",
        "--data로 다른 폴더를 지정하거나, 쓸 수 있는 폴더로 만드세요"
    );
    // A missing folder will be created in the nearest folder above it that exists.
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let there = absolute
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    if !there.is_dir() {
        let there = there.display();
        report.wrong(
            text!(
                "the data folder {shown} can't be used: {there} is no folder",
                "데이터 폴더({shown})를 쓸 수 없음: {there} 경로가 폴더가 아님"
            ),
            remedy,
        );
    } else if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        let what = text!(
            "the data folder {shown} is not writable: {error}",
            "데이터 폴더({shown})에 쓸 수 없음: {error}"
        );
        report.wrong(what, remedy);
    } else if there == absolute {
        report.fine(text!(
            "the data folder {shown} is writable",
            "데이터 폴더({shown})에 쓸 수 있음"
        ));
    } else {
        report.fine(text!(
            "the data folder {shown} is not there yet and can be created",
            "데이터 폴더({shown})는 아직 없으며 만들 수 있음"
        ));
    }
}

fn private(data: &Path, report: &mut Report) {
    let open = privacy::open_to_others(data);
    let Some(first) = open.first() else {
        return report.fine(text!(
            "the data folder and its files are for their owner alone",
            "데이터 폴더와 그 안의 파일에는 소유자만 접근할 수 있음"
        ));
    };
    let (count, first) = (open.len(), first.display());
    report.wrong(
        text!(
            "other users than their owner may open or enter {count} file(s) or folder(s) of the data folder, {first} among them",
            "소유자가 아닌 사용자도 데이터 폴더의 파일이나 폴더 {count}개에 접근할 수 있음(예: {first})"
        ),
        format!("chmod -R go-rwx {}", console::shell_word(&data.display().to_string())),
    );
}

fn room(data: &Path, report: &mut Report) {
    let shown = data.display();
    let disk = match statvfs(data) {
        Ok(disk) => disk,
        Err(error) => {
            return report.unseen(text!(
                "how much room the disk of {shown} has: {error}",
                "{shown} 폴더의 디스크에 공간이 얼마나 남았는지 알 수 없음: {error}"
            ));
        }
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let mib = free >> 20;
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        report.wrong(
            text!(
                "the disk of {shown} is mounted read-only",
                "{shown} 폴더의 디스크가 읽기 전용으로 마운트되어 있음"
            ),
            text!(
                "mount it for writing, or give another folder with --data",
                "쓸 수 있게 마운트하거나, --data로 다른 폴더를 지정하세요"
            ),
        );
    } else if free < LEAST_ROOM {
        report.wrong(
            text!(
                "the disk of {shown} is nearly full, {mib} MiB are left; without room orders are refused",
                "{shown} 폴더의 디스크에 공간이 {mib} MiB밖에 남지 않음. 공간이 없으면 주문이 거절됨"
            ),
            text!(
                "make room on that disk, or give a folder on another with --data",
                "그 디스크에 공간을 확보하거나, --data로 다른 디스크의 폴더를 지정하세요"
            ),
        );
    } else {
        report.fine(text!(
            "the disk of {shown} has room",
            "{shown} 폴더의 디스크에 공간이 있음"
        ));
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
                text!(
                    "process {pid} works on a file that is no longer there: {file}",
                    "PID {pid} 프로세스가 더는 없는 파일로 작업하고 있음: {file}"
                ),
                text!(
                    "end that process, put the file back from a copy of the folder, and start it again",
                    "그 프로세스를 끝내고, 폴더의 복사본에서 파일을 되돌린 뒤 다시 시작하세요"
                ),
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
        Ok(()) => report.fine(text!(
            "no file of the data folder is gone or older than the others",
            "데이터 폴더에 없어졌거나 다른 파일보다 오래된 파일이 없음"
        )),
        Err(FolderError::Kept(why)) => report.unseen(text!("{why}", "데이터 폴더의 파일을 확인할 수 없음: {why}")),
        Err(FolderError::Wrong(why)) => report.wrong(
            text!("{why}", "데이터 폴더에 문제가 있음: {why}"),
            text!("do what the line above says", "윗줄의 안내대로 하세요"),
        ),
    }
}

/// Tells of a process that keeps a database to itself.
fn try_turnstile(database: &Path, report: &mut Report) {
    if !database.is_file() {
        return;
    }
    let shown = database.display();
    let mut turnstile = match Turnstile::open_existing(database) {
        Ok(turnstile) => turnstile,
        Err(error) => {
            return report.unseen(text!(
                "{error}",
                "{shown} 파일을 독점하는 프로세스가 있는지 알 수 없음: {error}"
            ));
        }
    };
    match turnstile.enter(LONGEST_TURN) {
        Ok(turn) => {
            drop(turn);
            report.fine(text!(
                "no process keeps {shown} to itself",
                "{shown} 파일을 독점하는 프로세스가 없음"
            ));
        }
        Err(error) => report.wrong(
            text!("{error}", "{shown} 파일에 쓸 차례가 오지 않음: {error}"),
            text!(
                "kill -CONT that process if it was stopped, otherwise end it",
                "그 프로세스가 정지되어 있으면 kill -CONT로 다시 움직이게 하고, 아니면 끝내세요"
            ),
        ),
    }
}

fn port(role: &Text, option: &str, address: SocketAddr, report: &mut Report) {
    let (ip, port) = (address.ip(), address.port());
    match TcpListener::bind(address) {
        Ok(_) => report.fine(text!(
            "port {port} is free for the {role}",
            "{role}가 쓸 {port}번 포트가 비어 있음"; role
        )),
        Err(error) if error.kind() != ErrorKind::AddrInUse => report.wrong(
            text!(
                "the {role} can't listen on {ip}, port {port}: {error}",
                "{role}가 {ip} 주소의 {port}번 포트를 열 수 없음: {error}"; role
            ),
            text!(
                "give another port with {option}, or another address with --listen",
                "{option} 옵션으로 다른 포트를, 또는 --listen으로 다른 주소를 지정하세요"
            ),
        ),
        Err(_) if probe::lives(address) => {
            report.fine(text!(
                "port {port} is taken by a role of the mall",
                "{port}번 포트는 mall의 역할이 쓰고 있음"
            ));
            roles::ask(role, address, report);
        }
        Err(_) => report.wrong(
            text!(
                "port {port} on {ip} is taken by another program, and the {role} wants it",
                "{role}가 쓸 {ip} 주소의 {port}번 포트를 다른 프로그램이 쓰고 있음"; role
            ),
            text!(
                "give a free port with {option}, or end that program",
                "{option} 옵션으로 비어 있는 포트를 지정하거나, 그 프로그램을 끝내세요"
            ),
        ),
    }
}
