//! What `mall up` and its gateway tell each other about the roles that run, a line of JSON each.
//!
//! ```text
//!   gateway ── {"id":1,"do":"kill","role":"delivery-1"} ──▶ supervisor
//!           ◀─ {"crew":[{"name":"delivery-1","state":"serving", …}, …]} ── whenever it changes
//!           ◀─ {"answer":{"id":1,"shell":"kill -KILL 4711"}} ──
//! ```

use serde::{Deserialize, Serialize};
use shop::text::Text;

/// What a person wants of the roles that this machine's `mall up` runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wish {
    /// A role that was stopped runs again; without a name another delivery instance runs.
    Start {
        /// The role's name, such as `delivery-2`.
        #[serde(default)]
        role: Option<String>,
    },
    /// The role finishes its work and ends, and isn't started again by itself.
    Stop {
        /// The role's name.
        role: String,
    },
    /// The role's process is gone at once. The supervisor starts it again, as after any other death.
    Kill {
        /// The role's name.
        role: String,
    },
    /// The role's process stands still.
    Freeze {
        /// The role's name.
        role: String,
    },
    /// A frozen process goes on.
    Wake {
        /// The role's name.
        role: String,
    },
    /// The topic has so many partitions from now on, which are more than before.
    Grow {
        /// How many.
        partitions: u32,
    },
    /// All services run in these modes from now on. They are stopped and started again; what isn't named stays as it is.
    Switch {
        /// `--key`
        #[serde(default)]
        key: Option<String>,
        /// `--guard`
        #[serde(default)]
        guard: Option<String>,
        /// `--lanes`
        #[serde(default)]
        lanes: Option<usize>,
    },
}

/// A wish on its way to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The number under which it is answered.
    pub id: u64,
    /// The wish.
    #[serde(flatten)]
    pub wish: Wish,
}

/// What the supervisor tells its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// All roles, in the order in which they were started first.
    Crew(Vec<Member>),
    /// What became of a wish.
    Answer(Answer),
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The wish's number.
    pub id: u64,
    /// The command that does the same in a terminal; none if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Why it was refused, in English and in Korean; none if it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<(String, String)>,
}

/// A role that the supervisor runs, or has stopped because somebody wanted that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name, such as `delivery-1`.
    pub name: String,
    /// What it is: `order`, `delivery` or `gateway`.
    pub kind: String,
    /// Where it serves, or will serve again.
    pub url: String,
    /// What it does.
    pub state: State,
    /// Its process; none if it has none now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// What a role of the crew does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was started and does not serve yet, or waits until it is started again.
    Starting,
    /// It serves.
    Serving,
    /// Its process stands still.
    Frozen,
    /// It finishes its work.
    Stopping,
    /// It was stopped, and runs again only when somebody wants it.
    Stopped,
}

impl Answer {
    /// An answer to the wish with this number: the command for a terminal, or why it is refused.
    pub fn new(id: u64, outcome: Result<String, Text>) -> Self {
        let (shell, refused) = match outcome {
            Ok(shell) => (Some(shell), None),
            Err(why) => (None, Some((why.english, why.korean))),
        };
        Self { id, shell, refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn wishes_are_read_as_they_are_written() {
        let role = || "delivery-1".to_owned();
        let wishes = [
            Wish::Start { role: None },
            Wish::Start { role: Some(role()) },
            Wish::Stop { role: role() },
            Wish::Kill { role: role() },
            Wish::Freeze { role: role() },
            Wish::Wake { role: role() },
            Wish::Grow { partitions: 3 },
            Wish::Switch {
                key: Some("none".to_owned()),
                guard: None,
                lanes: Some(1),
            },
        ];
        for (id, wish) in (0..).zip(wishes) {
            let asked = Asked { id, wish };
            let text = serde_json::to_string(&asked).expect("written");
            assert_eq!(read(&text).expect("read"), asked, "{text}");
        }
        assert_eq!(
            read(r#"{"id":7,"do":"kill","role":"order"}"#).expect("read").wish,
            Wish::Kill {
                role: "order".to_owned()
            }
        );
        assert!(read(r#"{"id":7,"do":"explode","role":"order"}"#).is_err());
        assert!(read(r#"{"id":7,"do":"kill"}"#).is_err());
    }

    #[test]
    fn an_answer_says_either_how_or_why_not() {
        let done = Answer::new(3, Ok("kill -KILL 7".to_owned()));
        assert_eq!(
            serde_json::to_string(&Told::Answer(done)).expect("written"),
            r#"{"answer":{"id":3,"shell":"kill -KILL 7"}}"#
        );
        let refused = Answer::new(4, Err(shop::text!("it doesn't run", "실행 중이 아님")));
        assert_eq!(
            serde_json::to_string(&Told::Answer(refused)).expect("written"),
            r#"{"answer":{"id":4,"refused":["it doesn't run","실행 중이 아님"]}}"#
        );
    }
}
