//! `mall reset`: starts over by removing the embedded log and databases, or goes on without a file that was lost.

mod accept_loss;

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result, bail};

use crate::config::Storage;
use crate::console;
use crate::data_dir::{self, Folder};
use crate::exit::{Exit, Usage};

/// Removes the mall's files from the data folder, once the user has said yes. Kafka and MySQL are never touched.
pub fn run(storage: &Storage, yes: bool) -> Result<Exit> {
    if storage.bootstrap_server.is_some() || storage.database_url.is_some() {
        console::say(&instructions(storage));
        return Ok(Exit::NO);
    }
    let dir = &storage.data;
    let shown = dir.display();
    if data_dir::contents(dir)?.is_empty() {
        console::say(&format!("There is nothing to remove in {shown}."));
        return Ok(Exit::DONE);
    }
    if !yes && !user_agrees(&format!("Remove all orders, deliveries and events in {shown}? [y/N] "))? {
        console::say("Nothing was removed.");
        return Ok(Exit::NO);
    }
    let Some(_alone) = data_dir::hold_alone(dir)? else {
        bail!("a role is running on {shown}; stop it first (Ctrl-C where mall runs), then reset again");
    };
    for path in data_dir::contents(dir)? {
        let removed = match path.is_dir() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        removed.with_context(|| format!("can't remove {}", path.display()))?;
    }
    // This fails where the folder holds other files, and then the folder stays.
    let _ = std::fs::remove_dir(dir);
    console::say(&format!(
        "Removed the log and the databases in {shown}. The next order is number 1."
    ));
    Ok(Exit::DONE)
}

/// Replaces the files that the data folder has lost, as far as that is possible, once the user has said yes.
pub fn accept_loss(storage: &Storage, yes: bool) -> Result<Exit> {
    let folder = Folder::of(storage);
    let shown = folder.dir().display();
    if data_dir::contents(folder.dir())?.is_empty() {
        console::say(&format!(
            "There is no file of the mall in {shown}, so nothing can be lost there."
        ));
        return Ok(Exit::DONE);
    }
    let Some(_alone) = data_dir::hold_alone(folder.dir())? else {
        bail!("a role is running on {shown}; stop it first (Ctrl-C where mall runs), then try again");
    };
    let Some(loss) = folder.loss()? else {
        console::say(&format!("The data folder {shown} has lost nothing."));
        return Ok(Exit::DONE);
    };
    if !yes && !user_agrees(&format!("{loss}.\nGo on without it? [y/N] "))? {
        console::say("Nothing was changed.");
        return Ok(Exit::NO);
    }
    for sentence in accept_loss::accept(&folder)? {
        console::say(&format!("In {shown}, {sentence}"));
    }
    Ok(Exit::DONE)
}

fn user_agrees(question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!(Usage(
            "mall reset asks first, and there is no terminal to ask on; give --yes".into()
        ));
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question}")
        .and_then(|()| stderr.flush())
        .context("can't ask")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("can't read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn instructions(storage: &Storage) -> String {
    let mut lines = vec!["mall reset removes only the embedded log and databases. It removed nothing.".to_owned()];
    if let Some(servers) = &storage.bootstrap_server {
        lines.push(format!(
            "To start over on Kafka, stop the roles, then delete topic and group with Kafka's own tools:\n  \
             kafka-topics --bootstrap-server {servers} --delete --topic kafka.scaling\n  \
             kafka-consumer-groups --bootstrap-server {servers} --delete --group delivery",
            servers = servers.as_str()
        ));
    }
    if let Some(url) = &storage.database_url {
        lines.push(format!(
            "To start over in {url}, stop the roles, then drop its database with the mysql client:\n  \
             drop database `{}`;",
            url.database()
        ));
    }
    lines.join("\n")
}
