//! Carries what the gateway asks to the supervisor, and back to the gateway the answers and the state of the crew.

use tokio::sync::{mpsc, oneshot};

use shop::text;
use shop::text::Text;

use super::crew::Crew;
use crate::supervised::words::{Answer, Asked, Told, Wish};
use crate::supervised::{FromRole, ToRole};

/// How many wishes may wait at a time. A gateway that asks for more is heard later.
const WAITING: usize = 16;

/// A wish that waits for its answer: the command that does the same in a terminal, or why it is refused.
pub struct Request {
    /// The wish.
    pub wish: Wish,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<String, Text>>,
}

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Requests(mpsc::Sender<Request>);

impl Requests {
    /// A channel for requests.
    pub fn channel() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Listens to a gateway, and tells it what it wants to know, until it has ended.
    pub async fn carry(&self, mut said: FromRole, mut hears: ToRole, crew: &Crew) {
        let mut members = crew.subscribe();
        members.mark_changed();
        let (answered, mut answers) = mpsc::channel(WAITING);
        loop {
            tokio::select! {
                line = said.line() => match line {
                    Some(line) => self.ask(&line, &answered).await,
                    None => return,
                },
                Some(answer) = answers.recv() => hears.say(&Told::Answer(answer)).await,
                Ok(()) = members.changed() => {
                    let crew = members.borrow_and_update().clone();
                    hears.say(&Told::Crew(crew)).await;
                }
            }
        }
    }

    /// Passes on a line of the gateway. Its answer comes when there is one.
    async fn ask(&self, line: &str, answered: &mpsc::Sender<Answer>) {
        // Both are the same program, so a line that can't be read has no number that could be answered.
        let Ok(Asked { id, wish }) = serde_json::from_str(line) else {
            return;
        };
        let (answer, outcome) = oneshot::channel();
        let sent = self.0.send(Request { wish, answer }).await.is_ok();
        let answered = answered.clone();
        tokio::spawn(async move {
            let outcome = match sent {
                true => outcome.await.unwrap_or_else(|_| Err(ends())),
                false => Err(ends()),
            };
            // A gateway that has ended hears nothing any more.
            let _ = answered.send(Answer::new(id, outcome)).await;
        });
    }
}

fn ends() -> Text {
    text!("the mall is ending", "mall이 종료되는 중임")
}
