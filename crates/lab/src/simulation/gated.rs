//! Calls that wait at gates: one before the call takes effect, and one before its caller has the answer.

use async_trait::async_trait;
use keylane_log::LogError;
use shop::store::StoreError;
use shop::{CallLog, LogCall};
use stores::sqlite::{RunWork, Work};

use super::gates::{Fault, Gates, Grant, Point, Side};

/// Makes the calls of one process between its gates: those of its store and those of the log.
pub struct Gated(pub Gates);

/// Why a call has no answer.
enum Failed {
    /// It was not made.
    Before(Fault),
    /// It was made.
    After,
}

impl Gated {
    async fn make(&self, call: &'static str, work: impl FnOnce()) -> Result<(), Failed> {
        if let Grant::Fail(fault) = self
            .0
            .pass(Point {
                call,
                side: Side::Before,
            })
            .await
        {
            return Err(Failed::Before(fault));
        }
        work();
        match self
            .0
            .pass(Point {
                call,
                side: Side::After,
            })
            .await
        {
            Grant::Go => Ok(()),
            Grant::Fail(_) => Err(Failed::After),
        }
    }
}

#[async_trait]
impl RunWork for Gated {
    async fn run(&self, name: &'static str, work: Work) -> Result<(), StoreError> {
        self.make(name, work).await.map_err(|failed| match failed {
            Failed::Before(Fault::Conflict) => StoreError::Conflict("another transaction came first".to_owned()),
            Failed::Before(Fault::Away | Fault::Unanswered) => {
                StoreError::Unavailable("the database is away".to_owned())
            }
            Failed::After => StoreError::Unknown("the connection was lost during the commit".to_owned()),
        })
    }
}

#[async_trait]
impl CallLog for Gated {
    async fn call(&self, name: &'static str, call: LogCall) -> Result<(), LogError> {
        let made = self.make(name, call).await;
        made.map_err(|_| LogError::Unavailable("the log is away".to_owned()))
    }
}
