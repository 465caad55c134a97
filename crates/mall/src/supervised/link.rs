//! The role's end of the socket pair: hears the supervisor, and in the gateway carries wishes to it.
//!
//! # Invariants
//! * Each wish is answered: by the supervisor, or with the reason why it could not be asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use shop::text;
use shop::text::Text;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::stdin::{is_supervised, tell};
use super::words::{Answer, Asked, Member, Told, Wish};

/// The link of this process to its supervisor. A process has one stdin.
static LINK: LazyLock<Link> = LazyLock::new(Link::default);

/// A gateway's link to the supervisor that has started it.
#[derive(Debug, Default)]
pub struct Link {
    crew: watch::Sender<Vec<Member>>,
    open: Mutex<Open>,
}

/// What is asked for and not yet answered.
#[derive(Debug, Default)]
struct Open {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    is_over: bool,
}

/// Hears the supervisor, on a thread of its own because reading stdin blocks and can't be cancelled, and cancels the token when
/// it is gone.
pub fn watch(cancel: CancellationToken) -> std::io::Result<()> {
    let listen = move || {
        for line in BufReader::new(std::io::stdin().lock()).lines() {
            let Ok(line) = line else { break };
            LINK.hear(&line);
        }
        LINK.end();
        cancel.cancel();
    };
    std::thread::Builder::new()
        .name("supervisor-watch".into())
        .spawn(listen)?;
    Ok(())
}

impl Link {
    /// The link of this process; none if no `mall up` has started it.
    pub fn of_this_process() -> Option<&'static Self> {
        is_supervised().then(|| &*LINK)
    }

    /// The roles that the supervisor runs, as they are now and whenever that changes; empty until it has told.
    pub fn crew(&self) -> watch::Receiver<Vec<Member>> {
        self.crew.subscribe()
    }

    /// Asks the supervisor, and waits for its answer: the command that does the same in a terminal, or why it is refused.
    pub async fn ask(&self, wish: Wish) -> Result<String, Text> {
        let (id, answered) = self.open().ask()?;
        let asked = serde_json::to_string(&Asked { id, wish }).expect("it has no maps") + "\n";
        if !tell(&asked) {
            self.open().waiting.remove(&id);
            return Err(gone());
        }
        let answer = answered.await.map_err(|_| gone())?;
        match (answer.shell, answer.refused) {
            (_, Some((english, korean))) => Err(Text { english, korean }),
            (shell, None) => Ok(shell.unwrap_or_default()),
        }
    }

    fn hear(&self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Told::Crew(crew)) => {
                self.crew.send_replace(crew);
            }
            Ok(Told::Answer(answer)) => {
                if let Some(waiting) = self.open().waiting.remove(&answer.id) {
                    // Whoever asked may have gone away meanwhile.
                    let _ = waiting.send(answer);
                }
            }
            Err(error) => tracing::warn!("the supervisor's line can't be read: {error}"),
        }
    }

    fn end(&self) {
        let mut open = self.open();
        open.is_over = true;
        open.waiting.clear();
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn ask(&mut self) -> Result<(u64, oneshot::Receiver<Answer>), Text> {
        if self.is_over {
            return Err(gone());
        }
        let (waiting, answered) = oneshot::channel();
        self.last += 1;
        self.waiting.insert(self.last, waiting);
        Ok((self.last, answered))
    }
}

fn gone() -> Text {
    text!(
        "the mall up that has started this gateway is gone",
        "이 게이트웨이를 시작한 mall up이 없어짐"
    )
}
